package postgres_test

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/postgres"
	"github.com/chancery-ca/chancery/authority/storetest"
	"github.com/chancery-ca/chancery/internal/pgtest"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestClosed(t *testing.T) {
	address := pgtest.Start(t).Database(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s, err := postgres.Open(ctx, address, nil)
	require.NoError(t, err)
	require.NoError(t, s.Reserve(ctx, storetest.Record(1), provisioner.Spend{}))
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	for _, err := range []error{
		s.Reserve(ctx, storetest.Record(2), provisioner.Spend{}),
		s.Post(ctx, posts("1")),
		func() error { _, err := s.Certificate(ctx, "1"); return err }(),
		func() error { _, err := s.Prune(ctx, authority.Prune{}); return err }(),
	} {
		require.ErrorIs(t, err, authority.ErrClosed)
		require.ErrorIs(t, err, authority.ErrUnavailable)
	}
}

// One node's answers are the other's: one credential is spent once, whoever asks.
func TestSeveralStores(t *testing.T) {
	address := pgtest.Start(t).Database(t)
	stores := []*postgres.Store{open(t, address), open(t, address), open(t, address)}
	var mu sync.Mutex
	won := map[string]int{}
	var wg sync.WaitGroup
	for i := range 90 {
		wg.Go(func() {
			s, token := stores[i%3], fmt.Sprint("token-", i/9)
			err := s.Reserve(ctx, storetest.Record(i), storetest.Spend(token))
			switch {
			case err == nil:
				mu.Lock()
				won[token]++
				mu.Unlock()
			case !ok(err, authority.ErrSpent):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Len(t, won, 10)
	for token, n := range won {
		require.Equal(t, 1, n, token)
	}
	for _, s := range stores {
		page, err := s.List(ctx, authority.Query{})
		require.NoError(t, err)
		require.Len(t, page.Records, 10)
	}
}

func TestReadOnly(t *testing.T) {
	server := pgtest.Start(t)
	address := server.Database(t)
	s := open(t, address)
	require.NoError(t, s.Reserve(ctx, storetest.Record(1), provisioner.Spend{}))
	u, err := url.Parse(address)
	require.NoError(t, err)
	server.Exec(t, "ALTER ROLE "+u.User.Username()+" SET default_transaction_read_only = on")
	kill(t, server, address, "true")
	s.Certificate(ctx, "1f") // finds out that the connections are others now
	for _, err := range []error{
		s.Reserve(ctx, storetest.Record(2), provisioner.Spend{}),
		s.Revoke(ctx, &authority.Revocation{Serial: storetest.Record(1).Serial}, nil, provisioner.Spend{}, nil),
	} {
		require.ErrorIs(t, err, authority.ErrReadOnly)
		require.ErrorIs(t, err, authority.ErrUnavailable)
	}
	_, err = s.Certificate(ctx, storetest.Record(1).Serial)
	require.NoError(t, err, "reading goes on")
	server.Exec(t, "ALTER ROLE "+u.User.Username()+" RESET default_transaction_read_only")
	kill(t, server, address, "true")
	s.Certificate(ctx, "1f")
	require.NoError(t, s.Reserve(ctx, storetest.Record(2), provisioner.Spend{}))
}

// What another session holds is waited for until the timeout, or the caller's context.
func TestWaiting(t *testing.T) {
	address := pgtest.Start(t).Database(t)
	s, err := postgres.Open(ctx, address, &postgres.Options{StatementTimeout: 300 * time.Millisecond})
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.Reserve(ctx, storetest.Record(1), provisioner.Spend{}))
	other, err := connect(t, address).Begin(ctx)
	require.NoError(t, err)
	defer other.Rollback(ctx)
	_, err = other.Exec(ctx, "LOCK TABLE certificates")
	require.NoError(t, err)

	begun := time.Now()
	err = s.Reserve(ctx, storetest.Record(2), provisioner.Spend{})
	require.ErrorIs(t, err, authority.ErrUnavailable)
	require.NotErrorIs(t, err, context.DeadlineExceeded, "that would be the caller's")
	require.Less(t, time.Since(begun), 5*time.Second)

	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err = s.Certificate(short, storetest.Record(1).Serial)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, other.Rollback(ctx))
	require.NoError(t, s.Reserve(ctx, storetest.Record(2), provisioner.Spend{}))
}

// A context that ends during a write says truly whether it happened.
func TestContextEndsDuringAWrite(t *testing.T) {
	s := open(t, pgtest.Start(t).Database(t))
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			short, cancel := context.WithTimeout(ctx, time.Duration(i%40)*200*time.Microsecond)
			defer cancel()
			r := storetest.Record(i)
			err := s.Reserve(short, r, provisioner.Spend{})
			_, got := s.Certificate(ctx, r.Serial)
			if err == nil && got != nil || err != nil && !(ok(err, context.DeadlineExceeded) && ok(got, authority.ErrNotFound)) {
				t.Errorf("Reserve said %v, and then Certificate %v", err, got)
			}
		})
	}
	wg.Wait()
}

// The server is gone, and there again: the first calls that can succeed do.
func TestServerGone(t *testing.T) {
	server := pgtest.Private(t).Mine(t)
	s := open(t, server.Database(t))
	require.NoError(t, s.Reserve(ctx, storetest.Record(1), provisioner.Spend{}))
	held, release, err := s.Lease(ctx, "x")
	require.NoError(t, err)
	server.Stop(t, "immediate")
	select {
	case <-held.Done():
	case <-time.After(2 * time.Second):
		require.Fail(t, "the holder was not told")
	}
	release()
	for range 3 {
		require.ErrorIs(t, s.Reserve(ctx, storetest.Record(2), provisioner.Spend{}), authority.ErrUnavailable)
		_, err = s.Certificate(ctx, storetest.Record(1).Serial)
		require.ErrorIs(t, err, authority.ErrUnavailable)
		_, _, err = s.Lease(ctx, "x")
		require.ErrorIs(t, err, authority.ErrUnavailable)
	}
	server.Start(t)
	_, err = s.Certificate(ctx, storetest.Record(1).Serial)
	require.NoError(t, err)
	require.NoError(t, s.Reserve(ctx, storetest.Record(2), provisioner.Spend{}))
	_, release, err = s.Lease(ctx, "x")
	require.NoError(t, err)
	release()
}

// Connections that died while nobody used them cost nobody an error, but for what is one statement and may
// have been done.
func TestDeadConnections(t *testing.T) {
	server := pgtest.Start(t)
	address := server.Database(t)
	s := open(t, address)
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() { s.Reserve(ctx, storetest.Record(n), provisioner.Spend{}) })
	}
	wg.Wait()
	require.Positive(t, kill(t, server, address, "true"))
	time.Sleep(20 * time.Millisecond)
	_, err := s.Certificate(ctx, storetest.Record(1).Serial)
	require.NoError(t, err)
	require.NoError(t, s.Post(ctx, posts("1")))
}

func TestTooManyConnections(t *testing.T) {
	server := pgtest.Start(t)
	address := server.Database(t)
	s := open(t, address)
	u, err := url.Parse(address)
	require.NoError(t, err)
	server.Exec(t, "ALTER ROLE "+u.User.Username()+" CONNECTION LIMIT 0")
	kill(t, server, address, "true")
	_, err = s.Certificate(ctx, "1f")
	require.ErrorIs(t, err, authority.ErrUnavailable)
	server.Exec(t, "ALTER ROLE "+u.User.Username()+" CONNECTION LIMIT -1")
	_, err = s.Certificate(ctx, "1f")
	require.ErrorIs(t, err, authority.ErrNotFound)
}

// PostgreSQL has no NUL in its texts. What has one is refused, and nothing happens.
func TestTextThatCannotBeKept(t *testing.T) {
	s := open(t, pgtest.Start(t).Database(t))
	for _, text := range []string{"a\x00b", "\xff"} {
		r := storetest.Record(1)
		r.Subject = text
		err := s.Reserve(ctx, r, storetest.Spend("token"))
		require.Error(t, err)
		require.NotErrorIs(t, err, authority.ErrUnavailable, "it would be tried again")
	}
	require.NoError(t, s.Reserve(ctx, storetest.Record(1), storetest.Spend("token")))
}
