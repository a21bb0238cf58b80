package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/jackc/pgx/v5"
)

const (
	askEvery     = 3 * time.Second // how often a connection that says nothing is asked whether it is there
	askPatiently = 4 * time.Second // how long the answer may take

	// LeaseSilence is how long the server may not be heard of before leases are given up.
	LeaseSilence = askEvery + askPatiently
)

// leases are the advisory locks of one session. Whoever uses anything of it but the channels has the turn.
type leases struct {
	connect func(context.Context) (*pgx.Conn, error)

	turn    chan struct{} // has a token while somebody has it; those who wait get it in their order
	waiting atomic.Int32
	listens atomic.Pointer[context.CancelFunc] // of the goroutine that has the turn to listen

	conn     *pgx.Conn // nil before the first lease, and after it was lost
	held     map[string]*lease
	watching bool
	closed   bool
	watcher  sync.WaitGroup
}

type lease struct {
	name string
	end  context.CancelCauseFunc
}

func newLeases(connect func(context.Context) (*pgx.Conn, error)) *leases {
	return &leases{connect: connect, turn: make(chan struct{}, 1), held: map[string]*lease{}}
}

// Lease implements authority.Store.
func (s *Store) Lease(ctx context.Context, name string) (context.Context, func(), error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if s.closed.Load() {
		return nil, nil, authority.ErrClosed
	}
	held, release, err := s.leases.take(ctx, name)
	if err != nil {
		return nil, nil, translate(ctx, err)
	}
	return held, release, nil
}

// enter takes the turn, from the listener first of all.
func (l *leases) enter(ctx context.Context) error {
	l.waiting.Add(1)
	defer l.waiting.Add(-1)
	if cancel := l.listens.Load(); cancel != nil {
		(*cancel)()
	}
	select {
	case l.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *leases) leave() { <-l.turn }

func (l *leases) take(ctx context.Context, name string) (context.Context, func(), error) {
	if err := l.enter(ctx); err != nil {
		return nil, nil, err
	}
	defer l.leave()
	if l.closed {
		return nil, nil, authority.ErrClosed
	}
	if l.held[name] != nil { // the server would give one session the same lock twice
		return nil, nil, authority.ErrHeld
	}
	for {
		fresh := l.conn == nil
		err := l.lock(ctx, name)
		if err == nil {
			break
		}
		if l.conn != nil && l.conn.IsClosed() {
			l.lose(err)
			if !fresh && ctx.Err() == nil {
				continue // it was lost while nobody listened
			}
		}
		return nil, nil, err
	}
	held, end := context.WithCancelCause(ctx)
	one := &lease{name: name, end: end}
	l.held[name] = one
	if !l.watching {
		l.watching = true
		l.watcher.Add(1)
		go l.watch()
	}
	return held, func() { l.release(one) }, nil
}

// lock takes a name, over a new connection if there is none.
func (l *leases) lock(ctx context.Context, name string) error {
	if l.conn == nil {
		c, err := l.connect(ctx)
		if err != nil {
			return err
		}
		l.conn = c
		// The server finds out within 15 seconds that this machine is gone. Settings that its system does
		// not have are ignored there, as they are for Unix sockets.
		if err := l.ask(`SELECT set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '3', false),
			set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '14000', false)`); err != nil {
			return err
		}
	}
	// A standby has locks of its own, which are not those of the others.
	var got *bool
	err := l.ask("SELECT CASE WHEN NOT pg_is_in_recovery() THEN pg_try_advisory_lock("+leaseKey+") END", name, &got)
	switch {
	case err != nil:
		return err
	case got == nil:
		return authority.ErrReadOnly
	case !*got:
		return authority.ErrHeld
	}
	return nil
}

// leaseKey is the same for all stores on the same tables. Locks of other databases are others anyway.
const leaseKey = "hashtextextended('chancery lease ' || current_schema() || '/' || $1::text, 0)"

// ask runs a statement. It does not end with anybody's context, since that would cost the connection, and
// with it everybody's leases. A pointer at the end of args takes the answer.
func (l *leases) ask(query string, args ...any) error {
	ctx, cancel := context.WithTimeout(context.Background(), askPatiently)
	defer cancel()
	if len(args) == 0 {
		_, err := l.conn.Exec(ctx, query)
		return err
	}
	return l.conn.QueryRow(ctx, query, args[:len(args)-1]...).Scan(args[len(args)-1])
}

// lose gives up the connection, and with it every lease.
func (l *leases) lose(cause error) {
	if !errors.Is(cause, authority.ErrClosed) {
		cause = fmt.Errorf("%w: the connection of the lease was lost: %s", authority.ErrUnavailable, cause)
	}
	for _, one := range l.held {
		one.end(cause)
	}
	clear(l.held)
	if l.conn != nil {
		hangUp(l.conn)
		l.conn = nil
	}
}

// release gives a lease back. If the server does not confirm it, the connection is closed, which does.
func (l *leases) release(one *lease) {
	one.end(nil)
	if l.enter(context.Background()) != nil {
		return
	}
	defer l.leave()
	if l.held[one.name] != one {
		return // released before, or lost
	}
	delete(l.held, one.name)
	var was bool
	err := l.ask("SELECT pg_advisory_unlock("+leaseKey+")", one.name, &was)
	if err == nil && !was {
		err = errors.New("the server did not have it")
	}
	if err != nil {
		l.lose(err)
	}
}

// watch notices when the connection is lost, while there are leases.
func (l *leases) watch() {
	defer l.watcher.Done()
	for {
		l.turn <- struct{}{}
		if len(l.held) == 0 {
			l.watching = false
			l.leave()
			return
		}
		if err := l.listen(); err != nil {
			l.lose(err)
		}
		l.leave()
	}
}

// listen waits for the connection to break, until somebody wants it or it is time to ask.
func (l *leases) listen() error {
	ctx, cancel := context.WithTimeout(context.Background(), askEvery)
	defer cancel()
	l.listens.Store(&cancel)
	defer l.listens.Store(nil)
	if l.waiting.Load() > 0 {
		return nil
	}
	_, err := l.conn.WaitForNotification(ctx)
	switch {
	case err == nil: // a notification that nobody asked for
		return nil
	case l.conn.IsClosed():
		return err
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return l.ask("SELECT 1")
	}
	return nil
}

// close ends all leases.
func (l *leases) close() {
	if l.enter(context.Background()) == nil {
		l.closed = true
		l.lose(authority.ErrClosed)
		l.leave()
	}
	l.watcher.Wait()
}
