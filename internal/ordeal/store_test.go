package ordeal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/sqlite"
	"github.com/chancery-ca/chancery/authority/storetest"
	"github.com/chancery-ca/chancery/event"
)

// trouble is a store that answers the operations named with an error, until it is told to stop.
type trouble struct {
	storetest.Faulty
	now atomic.Pointer[failure]
}

type failure struct {
	ops []string
	err error
}

func newTrouble(s authority.Store) *trouble {
	v := &trouble{}
	v.Store = s
	v.On = func(op string, apply func() error) error {
		if f := v.now.Load(); f != nil {
			for _, o := range f.ops {
				if o == op {
					return fmt.Errorf("store: %w", f.err)
				}
			}
		}
		return apply()
	}
	return v
}

// Whatever a store cannot do now, clients are told to come back, and the token is as good as before.
func TestStoreInTrouble(t *testing.T) {
	k := newKeys(t, t.TempDir())
	store := newTrouble(authority.NewMemory())
	a := k.authority(t, store, &nobody{})
	s := listenHere(t, a, &http.Server{}, nil)
	p := newPatient(t, k, s.url)
	writes := []string{"Reserve", "Commit", "Abandon", "Revoke", "Post", "Reconcile", "Prune"}
	for _, kind := range []error{authority.ErrFull, authority.ErrReadOnly, authority.ErrLocked, authority.ErrClosed, authority.ErrUnavailable, context.DeadlineExceeded} {
		for _, ops := range [][]string{writes, append([]string{"Certificate", "List"}, writes...)} {
			store.now.Store(&failure{ops, kind})
			u := p.use()
			p.requireUnavailable(u)
			requireUnavailable(t, a, p.use(), kind)
			store.now.Store(nil)
			p.requireRecovered(u)
		}
	}
	_, faults := authoritytest.Verify(t.Context(), a, p.received)
	require.Empty(t, faults)
}

// A store that fails once the signature exists has spent the token, and says so to nobody else.
func TestStoreFailsAtCommit(t *testing.T) {
	k := newKeys(t, t.TempDir())
	store := newTrouble(authority.NewMemory())
	a := k.authority(t, store, &nobody{})
	s := listenHere(t, a, &http.Server{}, nil)
	p := newPatient(t, k, s.url)
	store.now.Store(&failure{[]string{"Commit", "Abandon"}, authority.ErrFull})
	u := p.use()
	p.requireStatus("sign", http.StatusServiceUnavailable)(p.c.sign(t.Context(), u.token, u.csr))
	store.now.Store(nil)
	p.requireStatus("sign again", http.StatusUnauthorized)(p.c.sign(t.Context(), u.token, u.csr))
	n, err := a.Reconcile(t.Context(), time.Now())
	require.NoError(t, err)
	require.Equal(t, 1, n)
	_, faults := authoritytest.Verify(t.Context(), a, p.received)
	require.Empty(t, faults)
}

// Another program that holds SQLite's own lock, which it should not, makes the CA wait, then ask for
// patience.
func TestFileHeldByAnotherProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for SQLite's 5s to pass; not with -short")
	}
	dir := t.TempDir()
	k := newKeys(t, dir)
	path := filepath.Join(dir, storeFile)
	store, err := sqlite.Open(t.Context(), path, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	a := k.authority(t, store, nil)

	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer db.Close()
	held, err := db.Conn(t.Context())
	require.NoError(t, err)
	_, err = held.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)
	var wg sync.WaitGroup
	start, uses := time.Now(), make([]use, 8)
	for i := range uses {
		uses[i], err = k.use(fmt.Sprintf("held%d.ordeal.internal", i), newKey(t))
		require.NoError(t, err)
		wg.Go(func() {
			_, err := a.Issue(t.Context(), uses[i].request(t))
			if authority.KindOf(err) != authority.Unavailable || !errors.Is(err, authority.ErrLocked) {
				t.Errorf("the file is held, and Issue says %v", err)
			}
		})
	}
	wg.Wait()
	require.Less(t, time.Since(start), 30*time.Second, "they waited one after the other")
	_, err = held.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, err)
	for _, u := range uses {
		_, err = a.Issue(t.Context(), u.request(t))
		require.NoError(t, err, "the token was burnt")
	}
	_, faults := authoritytest.Verify(t.Context(), a, nil)
	require.Empty(t, faults)
}

// A second server on the same folder ends at once and says why; the first does not notice.
func TestSecondServer(t *testing.T) {
	dir := t.TempDir()
	k := newKeys(t, dir)
	first := startChild(t, "serve", dir)
	p := newPatient(t, k, first.line(t))
	start := time.Now()
	second := startChild(t, "serve", dir)
	require.True(t, second.out.Scan())
	require.Contains(t, second.out.Text(), authority.ErrLocked.Error())
	require.Error(t, second.cmd.Wait())
	require.Less(t, time.Since(start), 5*time.Second)
	_, err := sqlite.Open(t.Context(), filepath.Join(dir, storeFile), nil)
	require.ErrorIs(t, err, authority.ErrLocked)
	p.requireRecovered(p.use())
	p.close()
	require.NoError(t, first.stop())
}

// requireUnavailable sees to it that the authority's error says what a program can act upon.
func requireUnavailable(t *testing.T, a *authority.Authority, u use, kind error) {
	t.Helper()
	_, err := a.Issue(t.Context(), u.request(t))
	e, ok := errors.AsType[*authority.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, authority.Unavailable, e.Kind, "%v", err)
	require.Equal(t, authority.StepReserve, e.Step)
	require.ErrorIs(t, err, kind)
	require.NotContains(t, err.Error(), u.token)
	require.NotContains(t, err.Error(), strings.TrimSpace(u.csr))
}

// nobody is a sink that takes everything.
type nobody struct{}

func (*nobody) Publish(context.Context, event.Event) error { return nil }
