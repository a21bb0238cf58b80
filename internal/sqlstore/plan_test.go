package sqlstore

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"
)

func database(t *testing.T) *sql.DB {
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "x.db"))
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	require.NoError(t, Migrate(t.Context(), db, goose.DialectSQLite3, "sqlite"))
	return db
}

// plan returns how SQLite would go about a statement.
func plan(t *testing.T, db *sql.DB, query string) string {
	rows, err := db.Query("EXPLAIN QUERY PLAN "+query, make([]any, strings.Count(query, "?"))...)
	require.NoError(t, err, query)
	defer rows.Close()
	var out []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		out = append(out, detail)
	}
	require.NoError(t, rows.Err())
	return strings.Join(out, "\n")
}

// No statement looks at rows in proportion to how many there are: SEARCH, never SCAN, and never a sort.
func TestPlans(t *testing.T) {
	db := database(t)
	statements := []string{
		insertSpent, deleteSpent, insertCertificate, insertTerm, insertTerm2, insertTerm3, deleteTerm, commitReserved, selectState,
		updateIssued, updateAbandon, selectReserved, selectSerial, selectEnding, insertOutbox, deleteOutbox, selectOutbox, selectRevoked,
		insertRevocation, pruneSpent, selectEnded, deleteRevocation, deleteCertificate,
	}
	yes, no, at := true, false, time.Now()
	for bits := range 1 << 9 { // every combination of filters
		q := authority.Query{}
		set := func(bit int, f func()) {
			if bits&(1<<bit) != 0 {
				f()
			}
		}
		set(0, func() { q.Status = authority.Issued })
		set(1, func() { q.Issuer = "x" })
		set(2, func() { q.Provisioner = "x" })
		set(3, func() { q.Subject = "x" })
		set(4, func() { q.Name = "x" })
		set(5, func() { q.KeyID = "x" })
		set(6, func() { q.Revoked = &yes })
		set(7, func() { q.Revoked = &no })
		set(8, func() { q.NotAfterFrom, q.NotAfterUntil = at, at })
		w := walkOf(&q)
		where, args := filters(&q)
		list := w.list + where + w.sort
		require.Equal(t, strings.Count(list, "?"), len(w.args)+2+len(args)+1)
		statements = append(statements, w.end, list)
	}
	for _, s := range statements {
		p := plan(t, db, s)
		for _, line := range strings.Split(p, "\n") {
			if strings.HasPrefix(line, "SCAN n ") || strings.HasSuffix(line, "-ROW VALUES CLAUSE") {
				continue // the names within one record; the rows that are inserted
			}
			require.NotContains(t, line, "SCAN", "%s\n%s", s, p)
			require.NotContains(t, line, "TEMP B-TREE", "%s\n%s", s, p)
		}
	}
	require.Contains(t, plan(t, db, commitReserved), "certificates_serial")
	require.Contains(t, plan(t, db, selectEnded), "certificates_not_after")
	require.Contains(t, plan(t, db, selectReserved), "certificates_reserved")
	require.Contains(t, plan(t, db, selectEnding), "certificates_not_after")
}

func TestCursor(t *testing.T) {
	for _, id := range []int64{1, 255, 256, 1 << 40, 1<<63 - 1} {
		got, err := parseCursor(formatCursor(id))
		require.NoError(t, err)
		require.Equal(t, id, got)
	}
}

func FuzzSplitDER(f *testing.F) {
	if seeds, err := filepath.Glob("testdata/fuzz/FuzzSplitDER/*"); err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		if len(der) == 0 {
			return
		}
		tbs, rest := splitDER(der)
		require.Equal(t, der, joinDER(tbs, rest))
	})
}

func FuzzCursor(f *testing.F) {
	if seeds, err := filepath.Glob("testdata/fuzz/FuzzCursor/*"); err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := parseCursor(s); err == nil && s != "" {
			require.Equal(t, s, formatCursor(id))
			require.GreaterOrEqual(t, id, int64(0))
		}
	})
}
