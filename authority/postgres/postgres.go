package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/internal/sqlstore"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Options tune a Store. The zero value, and nil, is right for most. What the URL says goes before them.
type Options struct {
	// Schema is where the tables are. It is made if there is none. Empty is the first one of the role's
	// search_path, which is "public" usually. Only for [Open].
	Schema string

	MaxConns       int           // connections, beside the one for leases; default 16. Only for [Open]
	ConnectTimeout time.Duration // default 5s. Only for [Open]

	StatementTimeout time.Duration // what one statement may take, and waiting for a connection; default 15s

	// Direct is the URL of the server itself, for leases and migrations, where the other one leads to a
	// PgBouncer in transaction mode. Then Schema must be empty. Only for [Open].
	Direct string
}

// Store is a database in use. It implements authority.Store and is safe for concurrent use.
type Store struct {
	pool    *pgxpool.Pool
	own     bool            // the pool is closed with the store
	direct  *pgxpool.Config // for connections outside of the pool
	timeout time.Duration   // of one attempt, on this side
	leases  *leases
	renewed atomic.Pointer[time.Time] // when the connections of the pool were last replaced
	closed  atomic.Bool
	once    sync.Once
}

var _ authority.Store = (*Store)(nil)

// SchemaError says that the database was used by a newer version of this module.
type SchemaError = sqlstore.SchemaError

// Open connects to the database that a URL or a keyword/value string names, in the way of libpq, and brings
// its tables up to date, which several nodes may do at the same time. The role needs the right to make
// tables then, and no other one.
//
// What the URL leaves out comes from the PG variables of the environment and the password file, and without
// sslmode=verify-full nobody knows who answers: say so for every server that is reached over a network. With
// several hosts, add target_session_attrs=read-write, so that a failover is followed.
//
// The error is a [*SchemaError] if the tables are too new for this program, and matches
// authority.ErrUnavailable if there is no connection. It never has the password in it.
func Open(ctx context.Context, url string, opts *Options) (*Store, error) {
	o := opts.orDefault()
	c, err := o.config(url, o.Direct != "")
	if err != nil {
		return nil, err
	}
	direct := c
	if o.Direct != "" {
		if o.Schema != "" {
			return nil, errors.New("postgres: PgBouncer does not pass on the schema: set the role's search_path")
		}
		if direct, err = o.config(o.Direct, false); err != nil {
			return nil, err
		}
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("postgres: opening: %w", translate(ctx, err))
	}
	s, err := open(ctx, pool, direct, o)
	if err != nil {
		pool.Close()
		return nil, err
	}
	s.own = true
	return s, nil
}

// New is Open for a pool that the caller has made, and closes after the store. The tables are in the first
// schema of its search_path. Its connections must not set synchronous_commit to off, and should have the
// [Settings]. Migrations and leases use connections outside of the pool, made in its way.
func New(ctx context.Context, pool *pgxpool.Pool, opts *Options) (*Store, error) {
	o := opts.orDefault()
	if o.Schema != "" || o.Direct != "" {
		return nil, errors.New("postgres: the schema and the address are a matter of the pool")
	}
	return open(ctx, pool, pool.Config(), o)
}

func (o *Options) orDefault() Options {
	var d Options
	if o != nil {
		d = *o
	}
	if d.MaxConns <= 0 {
		d.MaxConns = 16
	}
	if d.ConnectTimeout <= 0 {
		d.ConnectTimeout = 5 * time.Second
	}
	if d.StatementTimeout <= 0 {
		d.StatementTimeout = 15 * time.Second
	}
	return d
}

func open(ctx context.Context, pool *pgxpool.Pool, direct *pgxpool.Config, o Options) (*Store, error) {
	s := &Store{pool: pool, direct: direct, timeout: o.StatementTimeout + 5*time.Second} // the server gives up first, and says so
	s.leases = newLeases(s.connect)
	if err := s.prepare(ctx, o.Schema); err != nil {
		return nil, fmt.Errorf("postgres: opening: %w", translate(ctx, err))
	}
	return s, nil
}

// Close ends all leases, waits for what is being done, and closes the pool if Open made it. Every call
// after it gets authority.ErrClosed. Closing twice is no error.
func (s *Store) Close() error {
	s.once.Do(func() {
		s.closed.Store(true)
		s.leases.close()
		if s.own {
			s.pool.Close()
		}
	})
	return nil
}
