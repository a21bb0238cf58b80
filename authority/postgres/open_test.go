package postgres_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/postgres"
	"github.com/chancery-ca/chancery/authority/storetest"
	"github.com/chancery-ca/chancery/internal/pgtest"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

// A pool that was handed in stays open.
func TestNew(t *testing.T) {
	pool := connect(t, pgtest.Start(t).Database(t))
	s, err := postgres.New(ctx, pool, nil)
	require.NoError(t, err)
	require.NoError(t, s.Reserve(ctx, storetest.Record(1), provisioner.Spend{}))
	_, release, err := s.Lease(ctx, "x")
	require.NoError(t, err)
	release()
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Post(ctx, posts("1")), authority.ErrClosed)
	require.NoError(t, pool.Ping(ctx))
	_, err = postgres.New(ctx, pool, &postgres.Options{Schema: "x"})
	require.Error(t, err)
}

func TestNewerSchema(t *testing.T) {
	address := pgtest.Start(t).Database(t)
	require.NoError(t, open(t, address).Close())
	pool := connect(t, address)
	_, err := pool.Exec(ctx, "INSERT INTO schema_versions (version_id, is_applied) VALUES (99, true)")
	require.NoError(t, err)
	_, err = postgres.Open(ctx, address, nil)
	var newer *postgres.SchemaError
	require.ErrorAs(t, err, &newer)
	require.EqualValues(t, 99, newer.Database)
	_, err = pool.Exec(ctx, "DELETE FROM schema_versions WHERE version_id = 99")
	require.NoError(t, err)
	open(t, address)
}

// Nodes that start at once, on nothing, all start.
func TestConcurrentMigrations(t *testing.T) {
	address := pgtest.Start(t).Database(t)
	var wg sync.WaitGroup
	for n := range 5 {
		wg.Go(func() {
			s, err := postgres.Open(ctx, address, &postgres.Options{Schema: "fresh"})
			if err != nil {
				t.Errorf("node %d: %v", n, err)
				return
			}
			defer s.Close()
			if err := s.Reserve(ctx, storetest.Record(n), provisioner.Spend{}); err != nil {
				t.Errorf("node %d: %v", n, err)
			}
		})
	}
	wg.Wait()
}

func TestNoPasswordInErrors(t *testing.T) {
	address, err := url.Parse(pgtest.Start(t).Database(t))
	require.NoError(t, err)
	wrong := *address
	wrong.Path = "/no_such_database"
	nowhere := *address
	nowhere.RawQuery = "host=127.0.0.1&port=1"
	secret, _ := address.User.Password()
	for _, u := range []string{
		wrong.String(), nowhere.String(), "postgres://user:" + secret + "@[bad/db", "postgres://u:" + secret + "@h/db?sslmode=odd",
		"host=h password=" + secret + " port=odd", "postgres://u:" + secret + "%zz@h/db", secret, "",
	} {
		_, err := postgres.Open(ctx, u, &postgres.Options{ConnectTimeout: time.Second})
		require.Error(t, err, u)
		for e := err; e != nil; e = errors.Unwrap(e) {
			require.NotContains(t, e.Error(), secret)
			require.NotContains(t, fmt.Sprintf("%+v %#v", e, e), secret)
		}
		var c *pgconn.ConnectError
		require.NotErrorAs(t, err, &c, "it has the configuration in it")
	}
	_, err = postgres.Open(ctx, nowhere.String(), nil)
	require.ErrorIs(t, err, authority.ErrUnavailable)
	_, err = postgres.Open(ctx, wrong.String(), nil)
	require.NotErrorIs(t, err, authority.ErrUnavailable, "waiting does not help")
}

// What the role or the database says does not make answers less durable.
func TestSynchronousCommit(t *testing.T) {
	server := pgtest.Start(t)
	address := server.Database(t)
	u, err := url.Parse(address)
	require.NoError(t, err)
	server.Exec(t, "ALTER ROLE "+u.User.Username()+" SET synchronous_commit = off")
	s := open(t, address) // which sets it right
	require.NoError(t, s.Reserve(ctx, storetest.Record(1), provisioner.Spend{}))
	_, err = postgres.New(ctx, connect(t, address), nil) // which may not
	require.ErrorContains(t, err, "synchronous_commit")
}

func TestWrongEncoding(t *testing.T) {
	server := pgtest.Start(t)
	u, err := url.Parse(server.Database(t))
	require.NoError(t, err)
	name := u.User.Username() + "_latin"
	server.Exec(t, "CREATE DATABASE "+name+" OWNER "+u.User.Username()+" TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
	t.Cleanup(func() { server.Exec(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	u.Path = "/" + name
	_, err = postgres.Open(ctx, u.String(), nil)
	require.ErrorContains(t, err, "LATIN1")
	require.False(t, strings.Contains(err.Error(), "unavailable"))
}

// Behind PgBouncer nothing is said when a connection begins; what belongs to sessions goes past it.
func TestDirect(t *testing.T) {
	address := pgtest.Start(t).Database(t)
	s, err := postgres.Open(ctx, address, &postgres.Options{Direct: address})
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.Reserve(ctx, storetest.Record(1), provisioner.Spend{}))
	_, release, err := s.Lease(ctx, "x")
	require.NoError(t, err)
	defer release()
	rows, err := connect(t, address).Query(ctx, "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"", "chancery"}, names)
	_, err = postgres.Open(ctx, address, &postgres.Options{Direct: address, Schema: "x"})
	require.Error(t, err)
}
