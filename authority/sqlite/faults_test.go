package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/sqlite"
	"github.com/chancery-ca/chancery/authority/storetest"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

var ctx = context.Background()

func TestClosed(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "ca.db"), nil)
	require.NoError(t, err)
	require.NoError(t, s.Reserve(ctx, storetest.Record(1), provisioner.Spend{}))
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	for _, err := range []error{
		s.Reserve(ctx, storetest.Record(2), provisioner.Spend{}),
		func() error { _, err := s.Certificate(ctx, "1"); return err }(),
		func() error { _, err := s.Prune(ctx, authority.Prune{}); return err }(),
	} {
		require.ErrorIs(t, err, authority.ErrClosed)
		require.ErrorIs(t, err, authority.ErrUnavailable)
	}
}

func TestLeaseEndsWithTheStore(t *testing.T) {
	s, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "ca.db"), nil)
	require.NoError(t, err)
	held, release, err := s.Lease(ctx, "crl")
	require.NoError(t, err)
	require.NoError(t, s.Close())
	select {
	case <-held.Done():
	case <-time.After(10 * time.Second):
		require.Fail(t, "the lease outlived the store")
	}
	require.ErrorIs(t, context.Cause(held), authority.ErrClosed)
	release()
	_, _, err = s.Lease(ctx, "crl")
	require.ErrorIs(t, err, authority.ErrClosed)
}

// Whoever is answered nil while the store closes finds the record afterwards; everybody is answered.
func TestCloseUnderLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.db")
	s, err := sqlite.Open(ctx, path, nil)
	require.NoError(t, err)
	var wg sync.WaitGroup
	answers := make([]error, 200)
	for i := range answers {
		wg.Go(func() { answers[i] = s.Reserve(ctx, storetest.Record(i), provisioner.Spend{}) })
	}
	time.Sleep(time.Millisecond)
	require.NoError(t, s.Close())
	wg.Wait()
	s = open(t, path)
	for i, err := range answers {
		_, got := s.Certificate(ctx, storetest.Record(i).Serial)
		if err == nil {
			require.NoError(t, got)
			continue
		}
		require.ErrorIs(t, err, authority.ErrClosed)
		require.ErrorIs(t, got, authority.ErrNotFound)
	}
}

// A context that ends while its write waits says truly whether it happened.
func TestContextEndsWhileWaiting(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "ca.db"))
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i%30)*100*time.Microsecond)
			defer cancel()
			r := storetest.Record(i)
			err := s.Reserve(ctx, r, provisioner.Spend{})
			_, got := s.Certificate(context.Background(), r.Serial)
			if err == nil && got != nil || err != nil && !(errors.Is(err, context.DeadlineExceeded) && errors.Is(got, authority.ErrNotFound)) {
				t.Errorf("Reserve said %v, and then Certificate %v", err, got)
			}
		})
	}
	wg.Wait()
}

func TestFileMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no Unix permissions on windows")
	}
	path := filepath.Join(t.TempDir(), "a folder", "ca?db%20#1.db")
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o755))
	s := open(t, path)
	require.NoError(t, s.Reserve(ctx, storetest.Record(1), provisioner.Spend{}))
	files, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 3)
	for _, f := range files {
		info, err := f.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), f.Name())
	}
	require.FileExists(t, path)
}

func TestNotOurs(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	require.NoError(t, os.WriteFile(text, []byte("this is the shopping list, and certainly not a database of certificates"), 0o600))
	_, err := sqlite.Open(ctx, text, nil)
	require.ErrorIs(t, err, sqlite.ErrCorrupt)
	require.NotErrorIs(t, err, authority.ErrUnavailable)
	b, err := os.ReadFile(text)
	require.NoError(t, err)
	require.Contains(t, string(b), "shopping", "overwritten")

	foreign := filepath.Join(dir, "foreign.db")
	execute(t, foreign, "CREATE TABLE bookmarks (url TEXT)")
	_, err = sqlite.Open(ctx, foreign, nil)
	require.ErrorIs(t, err, sqlite.ErrCorrupt)

	_, err = sqlite.Open(ctx, filepath.Join(dir, "no", "such", "folder.db"), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = sqlite.Open(ctx, "", nil)
	require.Error(t, err)
}

func TestNewerSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.db")
	require.NoError(t, open(t, path).Close())
	execute(t, path, "INSERT INTO schema_versions (version_id, is_applied) VALUES (99, 1)")
	_, err := sqlite.Open(ctx, path, nil)
	var newer *sqlite.SchemaError
	require.ErrorAs(t, err, &newer)
	require.EqualValues(t, 99, newer.Database)
	execute(t, path, "DELETE FROM schema_versions WHERE version_id = 99")
	open(t, path)
}

func TestBoundedWAL(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.db")
	s := open(t, path)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 { // readers, who could keep the log from starting over
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					s.List(ctx, authority.Query{Limit: 10})
				}
			}
		})
	}
	for n := range 60 { // each overflows some 60 pages
		r := storetest.Record(n)
		r.TBS = make([]byte, 1<<20)
		require.NoError(t, s.Reserve(ctx, r, provisioner.Spend{}))
	}
	close(stop)
	wg.Wait()
	info, err := os.Stat(path + "-wal")
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(48<<20))
}

func execute(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = db.Exec(statement)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}
