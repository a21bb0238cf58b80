package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/postgres"
	"github.com/chancery-ca/chancery/internal/pgtest"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func ok(err, target error) bool { return errors.Is(err, target) }

// leaseChild holds a lease until it is killed.
func leaseChild(url string) {
	s, err := postgres.Open(ctx, url, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, _, err = s.Lease(ctx, "crl"); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("holding")
	time.Sleep(time.Minute)
}

func TestLeaseOfTwoStores(t *testing.T) {
	url := pgtest.Start(t).Database(t)
	a, b := open(t, url), open(t, url)
	elsewhere, err := postgres.Open(ctx, url, &postgres.Options{Schema: "elsewhere"})
	require.NoError(t, err)
	defer elsewhere.Close()

	held, release, err := a.Lease(ctx, "crl")
	require.NoError(t, err)
	for _, s := range []*postgres.Store{a, b} {
		_, _, err = s.Lease(ctx, "crl")
		require.ErrorIs(t, err, authority.ErrHeld)
	}
	other, releaseOther, err := b.Lease(ctx, "prune")
	require.NoError(t, err, "another name")
	_, releaseElsewhere, err := elsewhere.Lease(ctx, "crl")
	require.NoError(t, err, "another schema")
	releaseElsewhere()
	require.NoError(t, held.Err())
	release()
	require.ErrorIs(t, held.Err(), context.Canceled)

	_, again, err := b.Lease(ctx, "crl")
	require.NoError(t, err)
	release() // not ours any more
	_, _, err = a.Lease(ctx, "crl")
	require.ErrorIs(t, err, authority.ErrHeld)
	again()
	require.NoError(t, other.Err())
	releaseOther()
}

func TestLeaseEndsWithTheStore(t *testing.T) {
	url := pgtest.Start(t).Database(t)
	b := open(t, url)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	a, err := postgres.Open(ctx, url, nil)
	require.NoError(t, err)
	held, release, err := a.Lease(ctx, "crl")
	require.NoError(t, err)
	require.NoError(t, a.Close())
	require.Error(t, held.Err())
	require.ErrorIs(t, context.Cause(held), authority.ErrClosed)
	release()
	_, _, err = a.Lease(ctx, "crl")
	require.ErrorIs(t, err, authority.ErrClosed)
	require.Eventually(t, func() bool {
		_, release, err := b.Lease(ctx, "crl")
		if err == nil {
			release()
		}
		return err == nil
	}, 5*time.Second, 10*time.Millisecond)
	require.NoError(t, b.Close())
}

func TestLeaseOfAKilledNode(t *testing.T) {
	url := pgtest.Start(t).Database(t)
	s := open(t, url)
	cmd, out := child(t, "lease", url)
	require.True(t, out.Scan())
	require.Equal(t, "holding", out.Text())
	_, _, err := s.Lease(ctx, "crl")
	require.ErrorIs(t, err, authority.ErrHeld)
	require.NoError(t, cmd.Process.Kill())
	cmd.Wait()
	require.Eventually(t, func() bool {
		_, _, err := s.Lease(ctx, "crl")
		return err == nil
	}, 5*time.Second, 10*time.Millisecond)
}

// Without a word from anybody, a holder knows that its connection is gone, and can have the lease again.
func TestLeaseLost(t *testing.T) {
	server := pgtest.Start(t)
	address := server.Database(t)
	s := open(t, address)
	var contexts []context.Context
	for _, name := range []string{"a", "b", "c"} {
		held, _, err := s.Lease(ctx, name)
		require.NoError(t, err)
		contexts = append(contexts, held)
	}
	time.Sleep(50 * time.Millisecond)
	require.Equal(t, 1, kill(t, server, address, "query LIKE '%pg_try_advisory_lock%'"))
	for _, held := range contexts {
		select {
		case <-held.Done():
			require.ErrorIs(t, context.Cause(held), authority.ErrUnavailable)
		case <-time.After(time.Second):
			require.Fail(t, "the holder was not told")
		}
	}
	_, release, err := s.Lease(ctx, "a")
	require.NoError(t, err)
	release()
	require.Equal(t, 1, kill(t, server, address, "query LIKE '%pg_advisory_unlock%'"), "nobody listens to this one")
	_, release, err = s.Lease(ctx, "a")
	require.NoError(t, err)
	release()
}

// kill ends the sessions of a database that meet a condition, and returns how many there were.
func kill(t *testing.T, server *pgtest.Server, address, where string) (n int) {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	require.NoError(t, connect(t, server.URL()).QueryRow(ctx, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE datname = $1 AND `+where, strings.TrimPrefix(u.Path, "/")).Scan(&n))
	return n
}

func connect(t testing.TB, address string) *pgxpool.Pool {
	t.Helper()
	p, err := pgxpool.New(ctx, address)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

// Leases that come and go take turns with the listener, and none takes its connection away.
func TestLeaseChurn(t *testing.T) {
	s := open(t, pgtest.Start(t).Database(t))
	held, release, err := s.Lease(ctx, "long")
	require.NoError(t, err)
	done := make(chan error, 8)
	for g := range cap(done) {
		go func() {
			var err error
			for range 50 {
				var release func()
				if _, release, err = s.Lease(ctx, fmt.Sprint(g)); err != nil {
					break
				}
				release()
				short, cancel := context.WithTimeout(ctx, time.Duration(g)*100*time.Microsecond)
				if _, release, e := s.Lease(short, fmt.Sprint(g)); e == nil {
					release()
				}
				cancel()
			}
			done <- err
		}()
	}
	for range cap(done) {
		require.NoError(t, <-done)
	}
	time.Sleep(3500 * time.Millisecond) // it is asked for a sign of life meanwhile
	require.NoError(t, held.Err())
	release()
}

// The server, or the way to it, says nothing any more, and no connection breaks: the holder does not wait
// for longer than LeaseSilence.
func TestLeaseSilence(t *testing.T) {
	c, err := pgxpool.ParseConfig(pgtest.Start(t).Database(t))
	require.NoError(t, err)
	var silent atomic.Bool
	dial := c.ConnConfig.DialFunc
	c.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		far, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		near, between := net.Pipe()
		go pass(between, far, &silent)
		go pass(far, between, &silent)
		return near, nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	require.NoError(t, err)
	defer pool.Close()
	s, err := postgres.New(ctx, pool, nil)
	require.NoError(t, err)
	held, release, err := s.Lease(ctx, "crl")
	require.NoError(t, err)
	time.Sleep(100 * time.Millisecond)
	silent.Store(true)
	begun := time.Now()
	select {
	case <-held.Done():
		require.ErrorIs(t, context.Cause(held), authority.ErrUnavailable)
	case <-time.After(postgres.LeaseSilence + 2*time.Second):
		require.Fail(t, "the holder was not told")
	}
	require.Greater(t, time.Since(begun), time.Second, "it was something else")
	release()
	silent.Store(false)
	require.NoError(t, s.Close())
}

// pass copies until one side is closed, and swallows everything while it is silent.
func pass(to, from net.Conn, silent *atomic.Bool) {
	defer to.Close()
	b := make([]byte, 1<<16)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if silent.Load() {
			continue
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}
