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

// checkPlan fails if a statement looks at rows in proportion to how many there are: SEARCH, never SCAN but
// of an index from its end, and never a sort.
func checkPlan(t *testing.T, db *sql.DB, statement, index string) {
	t.Helper()
	p := plan(t, db, statement)
	for _, line := range strings.Split(p, "\n") {
		if strings.HasSuffix(line, "-ROW VALUES CLAUSE") || strings.HasPrefix(line, "SCAN outbox USING COVERING INDEX outbox_") && statement == firstSink ||
			strings.HasPrefix(line, "SCAN dead_letters USING COVERING INDEX dead_letters_") && statement == aDead {
			continue // the rows that are inserted; the first row of an index
		}
		require.NotContains(t, line, "SCAN", "%s\n%s", statement, p)
		require.NotContains(t, line, "TEMP B-TREE", "%s\n%s", statement, p)
	}
	require.Contains(t, p, index, statement)
}

func TestPlans(t *testing.T) {
	db := database(t)
	for statement, index := range map[string]string{
		insertSpent: "", deleteSpent: "PRIMARY KEY", insertCertificate: "", insertTerm: "", insertTerm2: "", insertTerm3: "", insertTerm4: "",
		deleteTerm: "PRIMARY KEY", commitReserved: "certificates_serial", selectState: "certificates_serial", updateIssued: "PRIMARY KEY",
		updateAbandon: "PRIMARY KEY", selectCertificate: "certificates_serial", selectReserved: "certificates_reserved",
		selectSerial: "certificates_serial", selectEnding: "certificates_not_after",
		selectStanding: "PRIMARY KEY", selectStandings: "PRIMARY KEY (rowid>?)", raiseCounter: "counters", upsertCounter: "", deleteOldCRL: "issuer=? AND shard=? AND delta=?",
		selectEntry: "PRIMARY KEY", upsertEntry: "", updateAbandonedAt: "PRIMARY KEY",
		selectEntries: "revocations_issuer (issuer=? AND not_after>?)", selectShard: "revocations_shard (issuer=? AND shard=? AND not_after>?)",
		selectAbove: "revocations_revision (issuer=? AND revision>?)",
		raiseNumber: "", upsertCRL: "", selectRevision: "delta=?", selectCRL: "issuer=? AND shard=? AND delta=?", selectCRLs: "issuer=?",
		insertOutbox: "", deleteOutbox: "PRIMARY KEY", selectOutbox: "outbox_sink", selectPosted: "PRIMARY KEY", insertDead: "",
		selectDead: "dead_letters_sink", selectBuried: "PRIMARY KEY", deleteDead: "PRIMARY KEY",
		selectMark: "marks", upsertMark: "", updateCounter: "counters", selectCounter: "counters",
		pruneSpent: "spent_until", pruneDead: "dead_letters_buried", nextDead: "sink>?", aDead: "dead_letters_", firstWaiting: "outbox_at", firstDead: "dead_letters_at", pruneSink: "outbox_at", nextSink: "sink>?", firstSink: "outbox_sink",
		selectEnded: "certificates_not_after", deleteRevocation: "PRIMARY KEY", deleteCertificate: "PRIMARY KEY",
	} {
		checkPlan(t, db, statement, index)
	}
}

// Every walk begins at a place in the one tree that is in its order.
func TestWalkPlans(t *testing.T) {
	db := database(t)
	for _, c := range []struct {
		w    walk
		tree string
	}{
		{walkAll, "certificates_known (reserved_at>?"}, {walkIssuer, "certificates_issuer (issuer=? AND reserved_at>?"},
		{walkProvisioner, "certificates_provisioner (provisioner=? AND reserved_at>?"}, {walkEnds, "certificates_not_after (not_after>?"},
		{walkTerm, "PRIMARY KEY (term=? AND (reserved_at,certificate)>"}, {walkRevoked, "revocations_known (reserved_at>?"},
	} {
		for _, desc := range []bool{false, true} {
			checkPlan(t, db, c.w.list(desc), c.tree)
			checkPlan(t, db, c.w.ahead(desc), c.tree)
		}
	}
}

func TestWalkOf(t *testing.T) {
	yes, no, at := true, false, time.Now()
	for _, c := range []struct {
		q    authority.Query
		want walk
	}{
		{authority.Query{}, walkAll},
		{authority.Query{Status: authority.Issued, Profile: "x", Revoked: &no, KnownFrom: at, NotBeforeFrom: at}, walkAll},
		{authority.Query{Issuer: "x"}, walkIssuer},
		{authority.Query{Issuer: "x", Provisioner: "x"}, walkProvisioner},
		{authority.Query{Issuer: "x", Provisioner: "x", Revoked: &yes}, walkRevoked},
		{authority.Query{Issuer: "x", Provisioner: "x", Revoked: &yes, NotAfterUntil: at}, walkEnds},
		{authority.Query{Subject: "x", Revoked: &yes, NotAfterUntil: at}, walkTerm},
		{authority.Query{KeyID: "x"}, walkTerm},
		{authority.Query{Name: "x"}, walkTerm},
		{authority.Query{Entity: "x"}, walkTerm},
	} {
		w, args, _, _ := walkOf(&c.q)
		require.Equal(t, c.want, w)
		require.Equal(t, strings.Count(w.only, "?"), len(args))
		require.Equal(t, strings.Count(w.list(false), "?"), len(args)+4+len(filterArgs(&c.q))+1)
	}
}

func TestCursor(t *testing.T) {
	for _, p := range []place{{0, 1}, {-62135596800000000, 255}, {1 << 50, 256}, {-1 << 63, 1 << 40}, {1<<63 - 1, 1<<63 - 1}} {
		got, err := parseCursor(p.cursor(listWalk), listWalk)
		require.NoError(t, err)
		require.Equal(t, p, got)
		for _, other := range []byte{listWalk + 1, listEnding, listChanges, listWalk | backwards} {
			_, err := parseCursor(p.cursor(listWalk), other)
			require.ErrorIs(t, err, authority.ErrCursor)
		}
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
		if p, err := parseCursor(s, listWalk); err == nil {
			require.Equal(t, s, p.cursor(listWalk))
			require.GreaterOrEqual(t, p.id, int64(0))
		}
	})
}
