package postgres_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/acmetest"
	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/postgres"
	"github.com/chancery-ca/chancery/internal/pgtest"
	"github.com/stretchr/testify/require"
)

func TestACME(t *testing.T) {
	server := pgtest.Start(t)
	url, said := server.Database(t), serverLog(t, server)
	var n atomic.Int32 // a schema of its own for each
	acmetest.Store(t, func(t *testing.T) acme.Store {
		s, err := postgres.Open(ctx, url, &postgres.Options{Schema: fmt.Sprintf("ACME %d", n.Add(1))})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s.ACME()
	})
	// Whatever clients do, and at the same time, none of it is an error of a statement, which would fill the log.
	require.NotContains(t, strings.TrimPrefix(serverLog(t, server), said), "ERROR")
}

// serverLog returns what a server of ours has said so far.
func serverLog(t *testing.T, s *pgtest.Server) string {
	t.Helper()
	if s.Dir() == "" {
		return ""
	}
	b, err := os.ReadFile(filepath.Join(filepath.Dir(s.Dir()), "log"))
	require.NoError(t, err)
	return string(b)
}

// One node's answers are the other's.
func TestACMESeveralStores(t *testing.T) {
	address := pgtest.Start(t).Database(t)
	stores := []acme.Store{open(t, address).ACME(), open(t, address).ACME(), open(t, address).ACME()}
	a := acmetest.Account(1)
	require.NoError(t, stores[0].NewAccount(ctx, acmetest.Pass(nil), a))
	var spent, orders atomic.Int32
	var secrets sync.Map
	p := acmetest.Pass(a)
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			s := stores[i%3]
			if err := s.Spend(ctx, p); err == nil {
				spent.Add(1)
			} else if err != acme.ErrSpent {
				t.Error(err)
			}
			n := acmetest.NewOrder(a, fmt.Sprint("o", i), "a.example")
			o, auths, err := s.NewOrder(ctx, acmetest.Pass(a), n)
			if err != nil || len(auths) != 1 {
				t.Error(len(auths), err)
				return
			}
			if o.ID == n.Order.ID {
				orders.Add(1)
			}
			b, err := s.Secret(ctx, "nonce", fmt.Append(nil, i))
			if err != nil {
				t.Error(err)
			}
			secrets.Store(string(b), true)
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, spent.Load())
	require.EqualValues(t, 1, orders.Load())
	n := 0
	secrets.Range(func(any, any) bool { n++; return true })
	require.Equal(t, 1, n)
}

func TestACMEClosed(t *testing.T) {
	s := open(t, pgtest.Start(t).Database(t))
	require.NoError(t, s.Close())
	_, err := s.ACME().Account(ctx, "x")
	require.ErrorIs(t, err, authority.ErrClosed)
	require.ErrorIs(t, s.ACME().Spend(ctx, acmetest.Pass(nil)), authority.ErrClosed)
}

// What cannot be kept is refused, nothing happens, and the nonce is not spent.
func TestACMETextThatCannotBeKept(t *testing.T) {
	s := open(t, pgtest.Start(t).Database(t)).ACME()
	for _, text := range []string{"a\x00b", "\xff"} {
		a, p := acmetest.Account(1), acmetest.Pass(nil)
		a.Thumbprint = text
		err := s.NewAccount(ctx, p, a)
		require.Error(t, err)
		require.NotErrorIs(t, err, authority.ErrUnavailable, "it would be tried again")
		require.NoError(t, s.Spend(ctx, p))
		_, err = s.Account(ctx, text)
		require.Error(t, err)
		_, err = s.Account(ctx, a.ID)
		require.ErrorIs(t, err, acme.ErrNotFound)
	}
}

// A context that ends during a write says truly whether it happened.
func TestACMEContextEndsDuringAWrite(t *testing.T) {
	s, a := open(t, pgtest.Start(t).Database(t)).ACME(), acmetest.Account(1)
	require.NoError(t, s.NewAccount(ctx, acmetest.Pass(nil), a))
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			short, cancel := context.WithTimeout(ctx, time.Duration(i%40)*500*time.Microsecond)
			defer cancel()
			n := acmetest.NewOrder(a, fmt.Sprint("o", i), fmt.Sprintf("%d.example", i))
			_, _, err := s.NewOrder(short, acmetest.Pass(a), n)
			_, auths, got := s.Order(ctx, nil, n.Order.ID)
			if err == nil && len(auths) != 1 || err != nil && !(ok(err, context.DeadlineExceeded) && ok(got, acme.ErrNotFound)) {
				t.Errorf("NewOrder said %v, and then Order %v", err, got)
			}
		})
	}
	wg.Wait()
}

// fragile is a connection that breaks after something was sent as often as it says.
type fragile struct {
	net.Conn
	left *atomic.Int64
}

func (c fragile) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if c.left.Add(-1) == 0 {
		c.Close()
	}
	return n, err
}

// When the answer was lost, nobody knows: it is not done again, for then it would look as if somebody else had spent
// the nonce.
func TestACMEAnswerLost(t *testing.T) {
	var left atomic.Int64
	store := dialed(t, func(c net.Conn) net.Conn { return fragile{c, &left} })
	s, a := store.ACME(), acmetest.Account(1)
	require.NoError(t, s.NewAccount(ctx, acmetest.Pass(nil), a))
	_, _, err := s.NewOrder(ctx, nil, acmetest.NewOrder(a, "o", "a.example"))
	require.NoError(t, err)
	for range 3 { // the second time, nothing has to be prepared
		o, _, err := s.Order(ctx, nil, "o")
		require.NoError(t, err)
		require.NoError(t, s.UpdateOrder(ctx, acmetest.Pass(a), o))
		o.Version++
		require.Equal(t, acme.ErrConflict, s.UpdateOrder(ctx, acmetest.Pass(a), o))
		for _, trip := range []int64{1, 2} { // 2 finds out that it is a conflict
			p := acmetest.Pass(a)
			left.Store(trip)
			err = s.UpdateOrder(ctx, p, o)
			require.ErrorIs(t, err, authority.ErrUnavailable)
			require.NotErrorIs(t, err, acme.ErrSpent)
			if left.Store(0); trip == 2 {
				require.Equal(t, acme.ErrSpent, s.Spend(ctx, p))
			}
			require.NoError(t, s.UpdateAccount(ctx, acmetest.Pass(a), a))
			_, _, err = s.Order(ctx, nil, "o")
			require.NoError(t, err)
			require.Equal(t, acme.ErrConflict, s.UpdateOrder(ctx, acmetest.Pass(a), o), "statements are prepared again")
		}
	}
}
