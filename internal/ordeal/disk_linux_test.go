package ordeal

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/sqlite"
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

// TestFullDisk fills the disk under a server, by many clients at once. Reading goes on, everything else
// is put off, and with space again every token that was not signed for is good.
func TestFullDisk(t *testing.T) {
	disk := mount(t, "size=24m,mode=0700")
	ballast := filepath.Join(disk, "ballast")
	require.NoError(t, os.WriteFile(ballast, make([]byte, 22<<20), 0o600))
	dir := t.TempDir()
	k := newKeys(t, dir)
	path := filepath.Join(disk, storeFile)
	store, err := sqlite.Open(t.Context(), path, nil)
	require.NoError(t, err)
	sink, err := openAudit(dir)
	require.NoError(t, err)
	defer sink.f.Close()
	a := k.authority(t, store, sink)
	s := listenHere(t, a, &http.Server{}, nil)
	p := newPatient(t, k, s.url)

	failed := fill(t, p, 8, 5)
	failed = append(failed, fill(t, p, 1, 20)...) // what is left is too small even for one
	u := p.use()
	p.requireUnavailable(u)
	requireUnavailable(t, a, p.use(), authority.ErrFull)

	require.NoError(t, os.Remove(ballast))
	p.requireRecovered(u)
	burnt := 0
	for _, u := range failed {
		got, err := p.c.sign(t.Context(), u.token, u.csr)
		require.NoError(t, err)
		switch got.status {
		case http.StatusCreated:
			p.received = append(p.received, got.leaf)
		case http.StatusUnauthorized:
			burnt++
		default:
			t.Errorf("a token that was put off: status %d", got.status)
		}
	}
	drainNow(t, a, store)
	all, faults := authoritytest.Verify(t.Context(), a, p.received)
	require.Empty(t, faults)
	abandoned := 0
	for _, r := range all {
		if r.Status == authority.Abandoned && strings.HasPrefix(r.Subject, "f") {
			abandoned++
		}
	}
	require.Equal(t, abandoned, burnt, "only a token that something may have been signed for is gone")
	readAudit(t, dir).check(t, all)
	require.NoError(t, store.Close())
	checkIntegrity(t, path)
	t.Logf("%d certificates received, %d tokens put off, %d of them signed for and gone", len(p.received), len(failed), burnt)
}

// fill has clients sign until each was put off that often in a row, and returns what was put off.
func fill(t *testing.T, p *patient, clients, most int) (failed []use) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for n, full := 0, 0; full < most && n < 10000; n++ {
				u, err := p.k.use(fmt.Sprintf("f%d-%d-%d.ordeal.internal", clients, i, n), p.key)
				if err != nil {
					t.Error(err)
					return
				}
				a, err := p.c.sign(t.Context(), u.token, u.csr)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				switch a.status {
				case http.StatusCreated:
					full = 0
					p.received = append(p.received, a.leaf)
				case http.StatusServiceUnavailable:
					full++
					failed = append(failed, u)
				default:
					t.Errorf("on a disk that fills: status %d", a.status)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.NotEmpty(t, failed, "the disk was never full")
	return failed
}

// TestReadOnlyDisk starts a server on a disk that cannot be written: it says so and ends, and nothing is
// lost once the disk is mended.
func TestReadOnlyDisk(t *testing.T) {
	dir := mount(t, "size=8m,mode=0700")
	k := newKeys(t, dir)
	first := startChild(t, "serve", dir)
	p := newPatient(t, k, first.line(t))
	p.close()
	require.NoError(t, first.stop())
	require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	second := startChild(t, "serve", dir)
	require.True(t, second.out.Scan())
	require.Contains(t, second.out.Text(), authority.ErrReadOnly.Error())
	require.Error(t, second.cmd.Wait())
	require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT, ""))

	third := startChild(t, "serve", dir)
	holder := newClient(third.line(t), k.pool(t), false, p.own)
	defer holder.close()
	p.requireStatus("renew", http.StatusCreated)(holder.renew(t.Context()))
	holder.close()
	require.NoError(t, third.stop())
}
