package ordeal

import (
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/sqlite"
)

// TestIdleConnections has thousands of clients keep their connections and do nothing. Others are served
// meanwhile, and in the end the server ends the idle ones and keeps nothing of them.
func TestIdleConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("opens 10,000 connections and waits for their end; not with -short")
	}
	n := 10_000
	if underRace {
		n = 2_000
	}
	needFiles(t, uint64(n)+500)
	k, a := newDurable(t)
	const patience = 24 * time.Second
	s := listenHere(t, a, &http.Server{IdleTimeout: patience}, nil)
	begin := measure()
	before := begin
	var crowds []*child
	start := time.Now()
	for _, proto := range []string{"http/1.1", "h2"} {
		c := startChild(t, "crowd", s.url, fmt.Sprint(n/2), proto)
		require.Equal(t, "open", c.line(t))
		crowds = append(crowds, c)
		now := measure()
		t.Logf("%d idle connections of %s: %d bytes and %.1f goroutines each", n/2, proto,
			(now.bytes-before.bytes)/int64(n/2), float64(now.goroutines-before.goroutines)/float64(n/2))
		before = now
	}
	t.Logf("%d connections opened in %s", n, time.Since(start).Round(time.Millisecond))
	if time.Since(start) > patience-4*time.Second {
		skip(t, "this machine is too busy: the first connections end before the last ones are open")
	}
	require.GreaterOrEqual(t, before.goroutines-begin.goroutines, n, "they are all there")
	require.Less(t, (before.bytes-begin.bytes)/int64(n), int64(128<<10), "bytes for each connection")

	p := signAlong(t, k, a, s.url, 500)
	t.Logf("signing beside them: %s", p)
	require.Less(t, p.p99, 2*time.Second)
	for _, c := range crowds {
		require.Equal(t, "ended", c.line(t))
		require.NoError(t, c.stop())
	}
	t.Logf("all of them ended after %s", time.Since(start).Round(time.Millisecond))
	requireGone(t, begin)
}

// TestStallingConnections holds connections in every bad manner: none of them lasts.
func TestStallingConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for net/http's 10s for HTTP/2; not with -short")
	}
	k, a := newDurable(t)
	s := listenHere(t, a, &http.Server{ReadHeaderTimeout: time.Second, IdleTimeout: 1500 * time.Millisecond}, nil)
	begin := measure()
	address := strings.TrimPrefix(s.url, "https://")
	var wg sync.WaitGroup
	for _, m := range manners {
		limit := 5 * time.Second
		if m.name == "no preface" {
			limit = 13 * time.Second // net/http waits 10s for it, whatever the server's limits are
		}
		for range 40 {
			c, err := m.connect(address)
			require.NoError(t, err, m.name)
			start := time.Now()
			wg.Go(func() {
				c.SetReadDeadline(start.Add(limit))
				held(c)
				if d := time.Since(start); d >= limit {
					t.Errorf("%s: still there after %s", m.name, d)
				}
			})
		}
	}
	p := signAlong(t, k, a, s.url, 200)
	t.Logf("signing beside them: %s", p)
	require.Less(t, p.p99, 2*time.Second)
	wg.Wait()
	requireGone(t, begin)
}

func newDurable(t *testing.T) (*keys, *authority.Authority) {
	t.Helper()
	dir := t.TempDir()
	store, err := sqlite.Open(t.Context(), filepath.Join(dir, storeFile), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	k := newKeys(t, dir)
	return k, k.authority(t, store, nil)
}

// footprint is what the process holds.
type footprint struct {
	bytes      int64 // of heap and stacks
	goroutines int
}

func measure() footprint {
	runtime.GC()
	runtime.GC() // pools are emptied by the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return footprint{int64(m.HeapAlloc + m.StackInuse), runtime.NumGoroutine()}
}

// requireGone waits until no more goroutines are there than at the beginning.
func requireGone(t *testing.T, begin footprint) {
	t.Helper()
	for start := time.Now(); runtime.NumGoroutine() > begin.goroutines; time.Sleep(20 * time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			stacks := make([]byte, 16<<10)
			t.Fatalf("%d goroutines, and %d at the beginning:\n%s", runtime.NumGoroutine(), begin.goroutines, stacks[:runtime.Stack(stacks, true)])
		}
	}
	now := measure()
	t.Logf("left over: %d bytes, %d goroutines", now.bytes-begin.bytes, now.goroutines-begin.goroutines)
}

// pace is how long requests took.
type pace struct{ p50, p99, max time.Duration }

func (p pace) String() string { return fmt.Sprintf("p50 %s, p99 %s, longest %s", p.p50, p.p99, p.max) }

// signAlong has 8 clients sign n certificates, all of which have to come, and checks the store.
func signAlong(t *testing.T, k *keys, a *authority.Authority, url string, n int) pace {
	t.Helper()
	const clients = 8
	roots, key := k.pool(t), newKey(t)
	var mu sync.Mutex
	var wg sync.WaitGroup
	var took []time.Duration
	l := newLedger()
	for i := range clients {
		wg.Go(func() {
			c := newClient(url, roots, i%2 == 0)
			defer c.close()
			for range n / clients {
				u, err := k.use(fmt.Sprintf("i%d.ordeal.internal", l.nextSubject()), key)
				if err != nil {
					t.Error(err)
					return
				}
				start := time.Now()
				got, err := c.sign(t.Context(), u.token, u.csr)
				if err != nil || got.status != http.StatusCreated {
					t.Errorf("sign: %v, %v", got, err)
					return
				}
				l.got(got, key)
				mu.Lock()
				took = append(took, time.Since(start))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.NotEmpty(t, took)
	_, faults := authoritytest.Verify(t.Context(), a, l.received)
	require.Empty(t, faults)
	slices.Sort(took)
	return pace{took[len(took)/2], took[len(took)*99/100], took[len(took)-1]}
}
