package postgres_test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/acmetest"
	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/postgres"
	"github.com/chancery-ca/chancery/authority/storetest"
	"github.com/chancery-ca/chancery/internal/pgtest"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// trips counts how often something is sent.
type trips struct {
	net.Conn
	n *atomic.Int64
}

func (c trips) Write(b []byte) (int, error) {
	c.n.Add(1)
	return c.Conn.Write(b)
}

// dialed returns a store over one connection, which wrap gets to see.
func dialed(t *testing.T, wrap func(net.Conn) net.Conn) *postgres.Store {
	c, err := pgxpool.ParseConfig(pgtest.Start(t).Database(t))
	require.NoError(t, err)
	c.MaxConns = 1
	dial := c.ConnConfig.DialFunc
	c.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return wrap(conn), nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	s, err := postgres.New(ctx, pool, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// counted returns a store over one connection, and the count of what it sends.
func counted(t *testing.T) (*postgres.Store, *atomic.Int64) {
	var n atomic.Int64
	return dialed(t, func(c net.Conn) net.Conn { return trips{c, &n} }), &n
}

func TestRoundTrips(t *testing.T) {
	s, n := counted(t)
	var r *authority.Record
	for i := range 3 { // the first time statements are prepared
		for _, c := range []struct {
			name string
			most int64
			call func() error
		}{
			{"Reserve", 1, func() error {
				r = storetest.Record(i)
				return s.Reserve(ctx, r, storetest.Spend(fmt.Sprint(i)))
			}},
			{"Commit", 1, func() error {
				return s.Commit(ctx, r.Serial, storetest.Certificate(r.TBS), time.Now(), append(posts("1"), posts("2")...))
			}},
			{"Certificate", 1, func() error { _, err := s.Certificate(ctx, r.Serial); return err }},
			{"Outbox", 2, func() error { _, err := s.Outbox(ctx, "sink", 0, 10); return err }},
			{"List", 2, func() error { _, err := s.List(ctx, authority.Query{}); return err }},
			{"Revoke", 7, func() error {
				return s.Revoke(ctx, &authority.Revocation{Serial: r.Serial}, nil, storetest.Spend(fmt.Sprint("revoke", i)), nil)
			}},
		} {
			n.Store(0)
			require.NoError(t, c.call(), c.name)
			t.Logf("%s: %d", c.name, n.Load())
			if i > 0 {
				require.LessOrEqual(t, n.Load(), c.most, c.name)
			}
		}
	}
}

// What a client asks for, of an account that is there, is one round trip: an issuance of ten requests takes no more.
func TestACMERoundTrips(t *testing.T) {
	store, n := counted(t)
	s, a := store.ACME(), acmetest.Account(1)
	tally := func(key string) []acme.Tally {
		return []acme.Tally{{Key: key, Limit: 1000, Until: acmetest.Start.Add(time.Hour)}, {Key: key + "2", Limit: 1000, Until: acmetest.Start.Add(time.Hour)}}
	}
	require.NoError(t, s.NewAccount(ctx, acmetest.Pass(nil), a))
	var o *acme.Order
	var z []*acme.Authorization
	for i := range 3 { // the first time statements are prepared
		for _, c := range []struct {
			name string
			call func() error
		}{
			{"NewAccount", func() error {
				return s.NewAccount(ctx, acmetest.Pass(nil), acmetest.Account(10+i), tally("accounts")...)
			}},
			{"Account", func() error { _, err := s.Account(ctx, a.ID); return err }},
			{"AccountByKey", func() error { _, err := s.AccountByKey(ctx, a.Provisioner, a.Thumbprint); return err }},
			{"UpdateAccount", func() error { return s.UpdateAccount(ctx, acmetest.Pass(a), a) }},
			{"Spend", func() error { return s.Spend(ctx, acmetest.Pass(a)) }},
			{"Count", func() error { return s.Count(ctx, tally("count")...) }},
			{"Full", func() error { return s.Full(ctx, tally("count")...) }},
			{"NewOrder", func() (err error) {
				o, z, err = s.NewOrder(ctx, acmetest.Pass(a), acmetest.NewOrder(a, fmt.Sprint("o", i), fmt.Sprintf("%d.example", i)))
				return err
			}},
			{"NewOrder, of two names and with limits", func() (err error) {
				m := acmetest.NewOrder(a, fmt.Sprint("p", i), fmt.Sprintf("%d.example", i), fmt.Sprintf("p%d.example", i))
				m.MaxPending, m.Tallies, m.Unless, m.Order.Replaces = 100, tally("orders"), tally("failed"), fmt.Sprint(i)
				_, _, err = s.NewOrder(ctx, acmetest.Pass(a), m)
				return err
			}},
			{"NewOrder, again", func() (err error) {
				_, _, err = s.NewOrder(ctx, acmetest.Pass(a), acmetest.NewOrder(a, fmt.Sprint("q", i), fmt.Sprintf("%d.example", i)))
				return err
			}},
			{"Order", func() error { _, _, err := s.Order(ctx, acmetest.Pass(a), o.ID); return err }},
			{"Order, without a pass", func() error { _, _, err := s.Order(ctx, nil, o.ID); return err }},
			{"Authorization", func() error { _, err := s.Authorization(ctx, acmetest.Pass(a), z[0].ID); return err }},
			{"UpdateAuthorization", func() error { return s.UpdateAuthorization(ctx, acmetest.Pass(a), z[0]) }},
			{"UpdateAuthorization, with tallies", func() error { return s.UpdateAuthorization(ctx, nil, z[0], tally("failed")...) }},
			{"UpdateOrder", func() error { return s.UpdateOrder(ctx, acmetest.Pass(a), o) }},
			{"UpdateOrder, without a pass", func() error { return s.UpdateOrder(ctx, nil, o) }},
			{"Orders", func() error { _, _, err := s.Orders(ctx, acmetest.Pass(a), a.ID, acmetest.Start, "", 0); return err }},
			{"OrderOf", func() error {
				if _, err := s.OrderOf(ctx, a.Provisioner, "1f"); err != acme.ErrNotFound {
					return fmt.Errorf("found: %w", err)
				}
				return nil
			}},
			{"Holds", func() error { _, err := s.Holds(ctx, a.ID, o.Identifiers, acmetest.Start); return err }},
			{"DueOrders", func() error { _, err := s.DueOrders(ctx, a.Provisioner, acmetest.Start, 0); return err }},
			{"DueAuthorizations", func() error { _, err := s.DueAuthorizations(ctx, a.Provisioner, acmetest.Start, 0); return err }},
		} {
			n.Store(0)
			require.NoError(t, c.call(), c.name)
			t.Logf("%s: %d", c.name, n.Load())
			if i > 0 {
				require.EqualValues(t, 1, n.Load(), c.name)
			}
		}
	}
}
