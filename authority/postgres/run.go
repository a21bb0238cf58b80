package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/internal/sqlstore"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// attempts is how often an operation is tried whose failure says that it may work the next time.
const attempts = 6

// grace is what an operation gets to end in after its context has.
const grace = 2 * time.Second

// write runs f in a transaction, several times if need be, and returns when that is committed.
func (s *Store) write(ctx context.Context, f func(sqlstore.Tx) error) error {
	return s.attempt(ctx, func(c *pgxpool.Conn) error {
		late, done := s.patient(ctx)
		defer done()
		return judge(ctx, late, transact(late, c, f))
	})
}

// transact runs f in one transaction.
func transact(ctx context.Context, c *pgxpool.Conn, f func(sqlstore.Tx) error) error {
	p, err := c.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return harmless{err}
	}
	defer p.Rollback(ctx) // also when f panics; nothing after a commit
	if err := f(&tx{ctx: ctx, q: p}); err != nil {
		if sqlstore.IsDomain(err) {
			return err
		}
		return harmless{err}
	}
	return p.Commit(ctx)
}

// one runs one statement that is a transaction by itself, and scans its row.
func (s *Store) one(ctx context.Context, scan []any, query string, args ...any) error {
	return s.attempt(ctx, func(c *pgxpool.Conn) error {
		late, done := s.patient(ctx)
		defer done()
		return judge(ctx, late, c.QueryRow(late, query, args...).Scan(scan...))
	})
}

// script runs f, whose scripts are transactions by themselves. If one of several fails, it is not known what the
// first has come to for the caller, and doing it again would be something else.
func (s *Store) script(ctx context.Context, f func(sqlstore.Tx) error) error {
	return s.attempt(ctx, func(c *pgxpool.Conn) error {
		late, done := s.patient(ctx)
		defer done()
		t := &tx{ctx: late, q: c}
		err := judge(ctx, late, f(t))
		if err != nil && t.ran && !sqlstore.IsDomain(err) && !errors.Is(err, authority.ErrUnavailable) && kindOf(err) != nil {
			err = fmt.Errorf("%w: finding out what has happened: %s", authority.ErrUnavailable, err)
		}
		return err
	})
}

// read runs f on a connection, without a transaction around it.
func (s *Store) read(ctx context.Context, f func(*tx) error) error {
	return s.attempt(ctx, func(c *pgxpool.Conn) error {
		ctx, cancel := context.WithTimeout(ctx, s.timeout)
		defer cancel()
		err := f(&tx{ctx: ctx, q: c})
		if err != nil && !sqlstore.IsDomain(err) {
			err = harmless{err}
		}
		return err
	})
}

// attempt runs f on a connection of the pool, and again after errors that may go away. ctx is that of the
// caller.
func (s *Store) attempt(ctx context.Context, f func(*pgxpool.Conn) error) error {
	for n := 1; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.closed.Load() {
			return authority.ErrClosed
		}
		err := s.with(ctx, f)
		if isLost(err) {
			s.renew()
		}
		if n == attempts || !again(err) {
			return translate(ctx, err)
		}
		if !isLost(err) || n > 1 { // a connection that was lost while it was idle is replaced at once
			select {
			case <-ctx.Done():
			case <-time.After(time.Duration(1+rand.IntN(8<<n)) * time.Millisecond):
			}
		}
	}
}

func (s *Store) with(ctx context.Context, f func(*pgxpool.Conn) error) error {
	wait, cancel := context.WithTimeout(ctx, s.timeout)
	c, err := s.pool.Acquire(wait)
	cancel()
	if err != nil {
		if s.closed.Load() {
			return authority.ErrClosed
		}
		return waited{err}
	}
	defer c.Release() // ends a connection on which something is still going on
	return f(c)
}

// renew has the pool replace its connections after one was lost, since the others are likely to be lost, too.
// It does so no more than once in a second, so that those that were made since are spared.
func (s *Store) renew() {
	now := time.Now()
	if last := s.renewed.Load(); last == nil || now.Sub(*last) > time.Second {
		if s.renewed.CompareAndSwap(last, &now) {
			s.pool.Reset()
		}
	}
}

// patient returns a context for what has begun: it has a limit of its own, and outlives ctx by a grace, so
// that an operation whose caller gives up still ends in one way or the other.
func (s *Store) patient(ctx context.Context) (context.Context, context.CancelFunc) {
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-late.Done():
		case <-time.After(grace):
			cancel()
		}
	})
	return late, func() {
		stop()
		cancel()
	}
}

// harmless is an error after which nothing has happened.
type harmless struct{ error }

func (e harmless) Unwrap() error { return e.error }

// waited is what came of waiting for a connection.
type waited struct{ error }

func (e waited) Unwrap() error { return e.error }

// again reports whether the same may be tried again at once.
func again(err error) bool {
	if _, ok := errors.AsType[waited](err); ok || err == nil {
		return false // the pool has tried
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		// serialization_failure and deadlock_detected roll back; the others are of a server that went away
		return e.Code == "40001" || e.Code == "40P01" || isGone(e.Code) && isHarmless(err)
	}
	return pgconn.SafeToRetry(err) || isHarmless(err) && isLost(err)
}

func isHarmless(err error) bool {
	_, ok := errors.AsType[harmless](err)
	return ok
}
