package postgres

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// config reads a URL. Its errors do not repeat it: what cannot be read cannot be cleared of passwords.
// bouncer is whether it leads to a PgBouncer, which refuses startup parameters.
func (o *Options) config(url string, bouncer bool) (*pgxpool.Config, error) {
	if url == "" {
		return nil, errors.New("postgres: no URL")
	}
	c, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("postgres: the URL cannot be understood, or names a file or setting that cannot be used")
	}
	if c.ConnConfig.ConnectTimeout == 0 {
		c.ConnConfig.ConnectTimeout = o.ConnectTimeout
	}
	if !strings.Contains(url, "pool_max_conns") {
		c.MaxConns = int32(min(o.MaxConns, 10000))
	}
	if !strings.Contains(url, "pool_max_conn_idle_time") {
		c.MaxConnIdleTime = 5 * time.Minute
	}
	c.PingTimeout = 5 * time.Second
	c.AfterConnect = durable
	if bouncer {
		return c, nil
	}
	params := c.ConnConfig.RuntimeParams
	set := func(name, value string) {
		if _, ok := params[name]; !ok {
			params[name] = value
		}
	}
	set("application_name", "chancery")
	if o.Schema != "" {
		set("search_path", pgx.Identifier{o.Schema}.Sanitize())
	}
	for name, value := range Settings() {
		set(name, value)
	}
	ms := strconv.FormatInt(o.StatementTimeout.Milliseconds(), 10)
	set("statement_timeout", ms)
	// A node that was suspended in the middle of a transaction holds rows, and the events of all.
	set("idle_in_transaction_session_timeout", ms)
	return c, nil
}

// Settings returns what [Open] sets for its sessions, beside timeouts, and what whoever makes a pool for
// [New], or a role that works through PgBouncer, should set too: the planner takes the index that was made
// for the statement, whatever statistics say, which can be old, or not there yet, as after a restore; it plans
// each statement once; and every statement of a transaction sees what was committed before it began.
func Settings() map[string]string {
	return map[string]string{
		"enable_seqscan": "off", "enable_bitmapscan": "off", "enable_sort": "off", "enable_hashjoin": "off", "enable_mergejoin": "off",
		"max_parallel_workers_per_gather": "0", "jit": "off", "plan_cache_mode": "force_generic_plan",
		"default_transaction_isolation": "read committed",
	}
}

// durable mends a session for which the role or the database says that what is committed may be lost.
func durable(ctx context.Context, c *pgx.Conn) error {
	_, err := c.Exec(ctx, "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'")
	return err
}

// connect opens a connection outside of the pool, in the pool's way.
func (s *Store) connect(ctx context.Context) (*pgx.Conn, error) {
	c := s.direct.Copy()
	if c.ConnConfig.ConnectTimeout <= 0 {
		c.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	if c.BeforeConnect != nil {
		if err := c.BeforeConnect(ctx, c.ConnConfig); err != nil {
			return nil, err
		}
	}
	conn, err := pgx.ConnectConfig(ctx, c.ConnConfig)
	if err != nil {
		return nil, err
	}
	if c.AfterConnect != nil {
		if err := c.AfterConnect(ctx, conn); err != nil {
			hangUp(conn)
			return nil, err
		}
	}
	return conn, nil
}

// hangUp closes a connection, and does not wait long for the server to hear of it.
func hangUp(c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	c.Close(ctx)
}
