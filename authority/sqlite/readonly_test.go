package sqlite_test

import (
	"database/sql"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/sqlite"
	"github.com/chancery-ca/chancery/authority/storetest"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

var readOnly = &sqlite.Options{ReadOnly: true}

// look opens a file read-only.
func look(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(ctx, path, readOnly)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestReadOnlyBesideAWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.db")
	w := open(t, path)
	r := look(t, path)
	for i := range 3 { // it follows what is written
		require.NoError(t, w.Reserve(ctx, storetest.Record(i), provisioner.Spend{}))
		got, err := r.Certificate(ctx, storetest.Record(i).Serial)
		require.NoError(t, err)
		require.Equal(t, storetest.Record(i).Names, got.Names)
	}
	page, err := r.List(ctx, authority.Query{NewestFirst: true})
	require.NoError(t, err)
	require.Len(t, page.Records, 3)

	// Another process that writes, too, is in nobody's way.
	other := filepath.Join(t.TempDir(), "ca.db")
	require.NoError(t, func() error {
		s, err := sqlite.Open(ctx, other, nil)
		require.NoError(t, err)
		require.NoError(t, s.Reserve(ctx, storetest.Record(7), provisioner.Spend{}))
		return s.Close()
	}())
	_, out := child(t, "hold", other)
	require.True(t, out.Scan())
	require.Equal(t, "holding", out.Text())
	_, err = look(t, other).Certificate(ctx, storetest.Record(7).Serial)
	require.NoError(t, err)
}

func TestReadOnlyWithoutAWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.db")
	w, err := sqlite.Open(ctx, path, nil)
	require.NoError(t, err)
	require.NoError(t, w.Reserve(ctx, storetest.Record(1), provisioner.Spend{}))
	require.NoError(t, w.Close())
	r := look(t, path)
	_, err = r.Certificate(ctx, storetest.Record(1).Serial)
	require.NoError(t, err)
	require.Zero(t, r.ExclusiveSince(), "it keeps nobody out")

	// A writer comes and goes.
	w = open(t, path)
	require.NoError(t, w.Reserve(ctx, storetest.Record(2), provisioner.Spend{}))
	_, err = r.Certificate(ctx, storetest.Record(2).Serial)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	_, err = r.Certificate(ctx, storetest.Record(2).Serial)
	require.NoError(t, err)
}

func TestReadOnlyWritesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.db")
	w := open(t, path)
	require.NoError(t, w.Reserve(ctx, storetest.Record(1), provisioner.Spend{}))
	r := look(t, path)
	serial := storetest.Record(1).Serial
	now := time.Now()
	_, pruned := r.Prune(ctx, authority.Prune{Certificates: now.AddDate(100, 0, 0)})
	_, reconciled := r.Reconcile(ctx, now, now, 0, nil)
	_, _, leased := r.Lease(ctx, "x")
	for name, err := range map[string]error{
		"reserve": r.Reserve(ctx, storetest.Record(2), provisioner.Spend{}), "commit": r.Commit(ctx, serial, []byte{1}, now, nil),
		"abandon": r.Abandon(ctx, serial, true, now, nil), "revoke": r.Revoke(ctx, &authority.Revocation{Serial: serial, RevokedAt: now}, nil, provisioner.Spend{}, nil),
		"release": r.Release(ctx, serial, now, nil), "mark": r.SetMark(ctx, "x", now), "replay": r.Replay(ctx, "x", []int64{1}),
		"delivered": r.Delivered(ctx, "x", []int64{1}), "bury": r.Bury(ctx, "x", 1, "y", now),
		"prune": pruned, "reconcile": reconciled, "lease": leased,
	} {
		require.ErrorIs(t, err, authority.ErrReadOnly, name)
		require.ErrorIs(t, err, authority.ErrUnavailable, name)
	}
	got, err := w.Certificate(ctx, serial)
	require.NoError(t, err)
	require.Equal(t, authority.Reserved, got.Status)
	require.Nil(t, got.Revocation)
}

func TestReadOnlyRefuses(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	dir := t.TempDir()
	_, err := sqlite.Open(ctx, filepath.Join(dir, "none.db"), readOnly)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = os.Stat(filepath.Join(dir, "none.db"))
	require.ErrorIs(t, err, fs.ErrNotExist, "nothing is made")
	_, err = sqlite.Open(ctx, "", readOnly)
	require.ErrorContains(t, err, "no path")

	text := filepath.Join(dir, "text.db")
	require.NoError(t, os.WriteFile(text, []byte("this is no database, however long it may be, and it is not empty either"), 0o600))
	_, err = sqlite.Open(ctx, text, readOnly)
	require.ErrorIs(t, err, sqlite.ErrCorrupt)

	foreign := filepath.Join(dir, "foreign.db")
	db, err := sql.Open("sqlite", foreign)
	require.NoError(t, err)
	_, err = db.Exec("CREATE TABLE t (a)")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	_, err = sqlite.Open(ctx, foreign, readOnly)
	require.ErrorIs(t, err, sqlite.ErrCorrupt)

	ours := filepath.Join(dir, "ours.db")
	s, err := sqlite.Open(ctx, ours, nil)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	for version, check := range map[int]func(error){
		99: func(err error) { require.ErrorAs(t, err, new(*sqlite.SchemaError)) },
		0:  func(err error) { require.ErrorIs(t, err, authority.ErrReadOnly) },
	} {
		db, err = sql.Open("sqlite", ours)
		require.NoError(t, err)
		_, err = db.Exec("UPDATE schema_versions SET version_id = ? WHERE id = (SELECT max(id) FROM schema_versions)", version)
		require.NoError(t, err)
		require.NoError(t, db.Close())
		_, err = sqlite.Open(ctx, ours, readOnly)
		check(err)
	}
}

func TestReadOnlyClosed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.db")
	open(t, path)
	r := look(t, path)
	require.NoError(t, r.Close())
	require.NoError(t, r.Close())
	_, err := r.Certificate(ctx, "1")
	require.ErrorIs(t, err, authority.ErrClosed)
	require.ErrorIs(t, r.SetMark(ctx, "x", time.Now()), authority.ErrClosed)
}
