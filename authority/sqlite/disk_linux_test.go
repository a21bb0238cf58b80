package sqlite_test

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/sqlite"
	"github.com/chancery-ca/chancery/authority/storetest"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/stretchr/testify/require"
)

// mount mounts a small file system of its own for the test.
func mount(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		skip(t, "needs the right to mount a tmpfs (root with CAP_SYS_ADMIN): %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return dir
}

func TestFullDisk(t *testing.T) {
	dir := mount(t, "size=2m,mode=0700")
	path := filepath.Join(dir, "ca.db")
	ballast := filepath.Join(dir, "ballast")
	require.NoError(t, os.WriteFile(ballast, make([]byte, 1<<20), 0o600))
	s, err := sqlite.Open(ctx, path, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	n := fillUp(t, s)
	require.ErrorIs(t, s.Reserve(ctx, storetest.Record(n), storetest.Spend("kept")), authority.ErrFull, "still full")
	_, err = s.List(ctx, authority.Query{})
	require.NoError(t, err, "reading goes on")

	require.NoError(t, os.Remove(ballast))
	require.NoError(t, s.Reserve(ctx, storetest.Record(n), storetest.Spend("kept")), "there is space again")
	recovered(t, s, n)
	require.NoError(t, s.Close())
	checkIntegrity(t, path)
	s, err = sqlite.Open(ctx, path, nil)
	require.NoError(t, err)
	recovered(t, s, n)
}

// The log alone can fill a disk, with old versions of a few pages. That must not stop the store.
func TestLogFillsDisk(t *testing.T) {
	s := open(t, filepath.Join(mount(t, "size=1m,mode=0700"), "ca.db"))
	for n := range 3000 { // a page each, and more: ten times the disk
		require.NoError(t, s.SetMark(ctx, "mark", time.Unix(int64(n), 0)))
	}
	at, err := s.Mark(ctx, "mark")
	require.NoError(t, err)
	require.EqualValues(t, 2999, at.Unix())
}

// fillUp reserves until the disk is full, and returns how many records there are.
func fillUp(t *testing.T, s *sqlite.Store) int {
	for n := range 100000 {
		err := s.Reserve(context.Background(), storetest.Record(n), provisioner.Spend{})
		if err == nil {
			continue
		}
		require.ErrorIs(t, err, authority.ErrFull)
		require.ErrorIs(t, err, authority.ErrUnavailable)
		_, err = s.Certificate(ctx, storetest.Record(n).Serial)
		require.ErrorIs(t, err, authority.ErrNotFound)
		return n
	}
	require.Fail(t, "the disk never was full")
	return 0
}

func recovered(t *testing.T, s *sqlite.Store, n int) {
	for i := range n + 1 {
		_, err := s.Certificate(ctx, storetest.Record(i).Serial)
		require.NoError(t, err, i)
	}
	require.ErrorIs(t, s.Reserve(ctx, storetest.Record(n+1), storetest.Spend("kept")), authority.ErrSpent)
}

func TestReadOnlyDisk(t *testing.T) {
	dir := mount(t, "size=8m,mode=0700")
	path := filepath.Join(dir, "ca.db")
	require.NoError(t, open(t, path).Close())
	require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	for _, p := range []string{path, filepath.Join(dir, "new.db")} {
		_, err := sqlite.Open(ctx, p, nil)
		require.ErrorIs(t, err, authority.ErrReadOnly)
		require.ErrorIs(t, err, authority.ErrUnavailable)
	}
	require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT, ""))
	open(t, path)
}

func TestReadOnlyFile(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("permissions do not bind root: TestReadOnlyDisk is for it")
	}
	path := filepath.Join(t.TempDir(), "ca.db")
	require.NoError(t, open(t, path).Close())
	require.NoError(t, os.Chmod(path, 0o400))
	_, err := sqlite.Open(ctx, path, nil)
	require.ErrorIs(t, err, authority.ErrReadOnly)
}

// skip skips a test that this machine cannot run, and fails it where everything has to run.
func skip(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CHANCERY_INTEROP") == "require" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// A journal on a full disk of its own refuses revocations, whole, and nothing else.
func TestFullJournalDisk(t *testing.T) {
	dir := mount(t, "size=64k,mode=0700")
	path, o := filepath.Join(t.TempDir(), "ca.db"), &sqlite.Options{Journal: filepath.Join(dir, "journal")}
	s, err := sqlite.Open(ctx, path, o)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	n := 0
	for ; err == nil; n++ {
		require.Less(t, n, 1000, "the disk never was full")
		issue(t, s, n)
		err = s.Revoke(ctx, &authority.Revocation{Serial: serialOf(n), RevokedAt: time.Now()}, nil, storetest.Spend("token"+string(serialOf(n))), nil)
	}
	n--
	require.ErrorIs(t, err, authority.ErrFull)
	require.ErrorIs(t, err, authority.ErrUnavailable)
	r, err := s.Certificate(ctx, serialOf(n))
	require.NoError(t, err)
	require.Nil(t, r.Revocation, "refused means refused")
	issue(t, s, n+1)
	require.NoError(t, s.Close())
	s, err = sqlite.Open(ctx, path, o)
	require.NoError(t, err)
	require.Nil(t, s.Gap())
	for i := range n {
		r, err := s.Certificate(ctx, serialOf(i))
		require.NoError(t, err)
		require.NotNil(t, r.Revocation, i)
	}
	require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT, "size=1m"))
	require.NoError(t, s.Revoke(ctx, &authority.Revocation{Serial: serialOf(n), RevokedAt: time.Now()}, nil, storetest.Spend("token"+string(serialOf(n))), nil))
}
