package postgres_test

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

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

// counted returns a store over one connection, and the count of what it sends.
func counted(t *testing.T) (*postgres.Store, *atomic.Int64) {
	c, err := pgxpool.ParseConfig(pgtest.Start(t).Database(t))
	require.NoError(t, err)
	c.MaxConns = 1
	var n atomic.Int64
	dial := c.ConnConfig.DialFunc
	c.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return trips{conn, &n}, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	s, err := postgres.New(ctx, pool, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s, &n
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
