package pgtest_test

import (
	"context"
	"os"
	"testing"

	"github.com/chancery-ca/chancery/internal/pgtest"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func ask(t *testing.T, url, question string) (answer string) {
	t.Helper()
	c, err := pgx.Connect(context.Background(), url)
	require.NoError(t, err)
	defer c.Close(context.Background())
	require.NoError(t, c.QueryRow(context.Background(), question).Scan(&answer))
	return answer
}

func TestServer(t *testing.T) {
	s := pgtest.Private(t)
	url := s.Database(t)
	require.Equal(t, "off", ask(t, url, "SELECT current_setting('is_superuser')"))
	require.NotEqual(t, ask(t, url, "SELECT current_database()"), ask(t, s.Database(t), "SELECT current_database()"))
	s.Mine(t)
	require.Equal(t, "on", ask(t, url, "SHOW fsync"))
	before := ask(t, url, "SELECT pg_postmaster_start_time()::text")
	s.Restart(t, "immediate")
	require.NotEqual(t, before, ask(t, url, "SELECT pg_postmaster_start_time()::text"))
}

func TestServerEndsWithItsTest(t *testing.T) {
	dir := ""
	t.Run("inner", func(t *testing.T) {
		s := pgtest.Private(t).Mine(t)
		dir = s.Dir()
		require.DirExists(t, dir)
	})
	if dir != "" {
		require.NoDirExists(t, dir)
	}
}

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m)) }
