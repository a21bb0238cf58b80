package postgres_test

import (
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/storetest"
	"github.com/chancery-ca/chancery/internal/pgtest"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/stretchr/testify/require"
)

// The disk with the tables is full; that of the log is not, which would stop the whole server.
func TestFullDisk(t *testing.T) {
	server := pgtest.Private(t).Mine(t)
	info, err := os.Stat(server.Dir())
	require.NoError(t, err)
	owner := info.Sys().(*syscall.Stat_t)
	dir := filepath.Join(filepath.Dir(server.Dir()), "space")
	require.NoError(t, os.Mkdir(dir, 0o700))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=12m,mode=0700"); err != nil {
		skip(t, "needs the right to mount a tmpfs (root with CAP_SYS_ADMIN): %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	require.NoError(t, os.Chown(dir, int(owner.Uid), int(owner.Gid)))
	address := server.Database(t)
	u, err := url.Parse(address)
	require.NoError(t, err)
	server.Exec(t, "CREATE TABLESPACE small LOCATION '"+dir+"'")
	server.Exec(t, "ALTER DATABASE "+u.User.Username()+" SET TABLESPACE small")
	ballast := filepath.Join(dir, "ballast")
	s := open(t, address)
	require.NoError(t, os.WriteFile(ballast, make([]byte, 2<<20), 0o600))
	n := 0
	for ; n < 100000; n++ {
		if err = s.Reserve(ctx, storetest.Record(n), provisioner.Spend{}); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, authority.ErrFull)
	require.ErrorIs(t, err, authority.ErrUnavailable)
	_, err = s.Certificate(ctx, storetest.Record(n).Serial)
	require.ErrorIs(t, err, authority.ErrNotFound, "reading goes on")
	require.NoError(t, os.Remove(ballast))
	require.NoError(t, s.Reserve(ctx, storetest.Record(n), storetest.Spend("kept")), "there is space again")
	for i := range n + 1 {
		_, err := s.Certificate(ctx, storetest.Record(i).Serial)
		require.NoError(t, err, i)
	}
}

// skip skips a test that this machine cannot run, and fails it where everything has to run.
func skip(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CHANCERY_INTEROP") == "require" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
