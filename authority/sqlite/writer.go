package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/internal/sqlstore"
)

// op is one call that writes. run may be called again after its transaction was rolled back.
type op struct {
	run   func(sqlstore.Tx) error
	done  chan error // buffered
	state atomic.Int32
	err   error // of run, until the transaction has ended
}

const (
	waiting int32 = iota
	begun
	withdrawn
)

// do has the writer run f in a transaction, and returns when the outcome is on the disk. A context that
// ends withdraws what has not begun; what has begun is waited for, so that the caller knows.
func (s *Store) do(ctx context.Context, f func(sqlstore.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o := &op{run: f, done: make(chan error, 1)}
	if err := s.refuse(); err != nil {
		return err
	}
	select {
	case s.ops <- o:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.life.Done():
		return authority.ErrClosed
	}
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		if o.state.CompareAndSwap(waiting, withdrawn) {
			return ctx.Err()
		}
	case <-s.done: // the writer ended: either it answered before, or it never saw o
		if o.state.CompareAndSwap(waiting, withdrawn) {
			return authority.ErrClosed
		}
	}
	return <-o.done
}

// write is the writer: it takes what waits into one transaction, again and again.
func (s *Store) write(c *conn, most int) {
	defer close(s.done)
	group := make([]*op, 0, most)
	for n := 1; ; n++ {
		select {
		case <-s.life.Done():
			s.err = s.shut(c)
			return
		case o := <-s.ops:
			group = s.collect(append(group[:0], o), most)
		}
		s.commit(c, group)
		clear(group)
		if n%16 == 0 {
			s.trim(c)
		}
	}
}

// collect adds what waits already to group, and drops what was withdrawn.
func (s *Store) collect(group []*op, most int) []*op {
	// Those who were just answered may have their next one ready in a moment; a transaction costs many
	// times what an operation in it does, so this saves a quarter of the CPU under load.
	runtime.Gosched()
	for more := true; more && len(group) < most; {
		select {
		case o := <-s.ops:
			group = append(group, o)
		default:
			more = false
		}
	}
	return slices.DeleteFunc(group, func(o *op) bool { return !o.state.CompareAndSwap(waiting, begun) })
}

// commit runs group in one transaction and tells every caller. If that fails, each runs in one of its
// own, so that what is wrong with one is not the others' fault. A file that is full, or that another
// program holds, is that for all of them, and waiting for it once is enough.
func (s *Store) commit(c *conn, group []*op) {
	err := s.transact(c, group)
	if errors.Is(err, authority.ErrFull) {
		err = s.relieved(c, group, err)
	}
	_, unwritten := errors.AsType[*ledgerError](err)
	if err != nil && len(group) > 1 && (unwritten || !errors.Is(err, authority.ErrUnavailable)) {
		for i := range group {
			s.commit(c, group[i:i+1])
		}
		return
	}
	for _, o := range group {
		if err != nil {
			o.err = err
		}
		o.done <- o.err
	}
}

// transact returns nil once every o.err is an answer and the transaction is on the disk.
func (s *Store) transact(c *conn, group []*op) (err error) {
	if len(group) == 0 {
		return nil
	}
	defer func() {
		if p := recover(); p != nil { // a callback of the caller's
			err = fmt.Errorf("sqlite: panic while writing: %v", p)
		}
		if err != nil {
			// Some errors have ended the transaction already, and then this one fails: no matter.
			c.Exec("ROLLBACK")
			if s.ledger.torn {
				s.ledger.cut()
			}
			err = translate(err)
		}
	}()
	c.heard, c.newest = c.heard[:0], 0
	if _, err := c.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	for _, o := range group {
		if o.err = o.run(c); o.err != nil && !sqlstore.IsDomain(o.err) {
			return o.err
		}
	}
	if err := s.record(c); err != nil {
		return err
	}
	if _, err = c.Exec("COMMIT"); err != nil {
		return err
	}
	s.ledger.highest = max(s.ledger.highest, c.newest)
	s.ledger.took()
	s.ledger.note()
	return nil
}

// record has the journal on the disk before the database: what was acknowledged is in both, and what a crash in
// between leaves is taken back at the next start.
func (s *Store) record(c *conn) error {
	if len(c.heard) == 0 {
		return nil
	}
	last, err := s.ledger.append(c.heard)
	clear(c.heard)
	if err != nil {
		return err
	}
	return sqlstore.SetCounter(c, sqlstore.Journaled, last)
}

// shut answers what still waits, and closes everything.
func (s *Store) shut(c *conn) error {
	var errs []error
	for range cap(s.readers) {
		if r := <-s.readers; r != nil {
			errs = append(errs, r.close())
		}
	}
	errs = append(errs, c.close(), s.ledger.close(), s.lock.release())
	return errors.Join(errs...)
}

// read returns what f returns on a connection that only reads.
func read[T any](ctx context.Context, s *Store, f func(sqlstore.Tx) (T, error)) (T, error) {
	var out, none T
	err := s.read(ctx, func(tx sqlstore.Tx) (err error) {
		out, err = f(tx)
		return err
	})
	if err != nil {
		return none, err
	}
	return out, nil
}

// read runs f on a connection that only reads.
func (s *Store) read(ctx context.Context, f func(sqlstore.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-s.life.Done():
		return authority.ErrClosed
	default:
	}
	var c *conn
	select {
	case c = <-s.readers:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.life.Done():
		return authority.ErrClosed
	}
	defer func() { s.readers <- c }()
	if c == nil {
		var err error
		if c, err = dial(dsn(s.path, "ro", "query_only(1)", "cache_size(-8192)")); err != nil {
			return translate(err)
		}
	}
	return translate(f(c))
}
