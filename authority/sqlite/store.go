package sqlite

import (
	"context"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/internal/sqlstore"
	"github.com/chancery-ca/chancery/provisioner"
)

// Reserve implements authority.Store.
func (s *Store) Reserve(ctx context.Context, r *authority.Record, spend provisioner.Spend) error {
	v, err := sqlstore.NewReservation(r, spend)
	if err != nil {
		return err
	}
	return s.do(ctx, v.Apply)
}

// Commit implements authority.Store.
func (s *Store) Commit(ctx context.Context, n authority.Serial, der []byte, at time.Time, posts []authority.Post) error {
	v, err := sqlstore.NewCommitment(n, der, at, posts)
	if err != nil {
		return err
	}
	return s.do(ctx, v.Apply)
}

// Abandon implements authority.Store.
func (s *Store) Abandon(ctx context.Context, n authority.Serial, release bool, posts []authority.Post) error {
	f, err := sqlstore.Abandon(n, release, posts)
	if err != nil {
		return err
	}
	return s.do(ctx, f)
}

// Reconcile implements authority.Store. posts may be called again for the same record.
func (s *Store) Reconcile(ctx context.Context, before time.Time, limit int, posts func(*authority.Record) []authority.Post) ([]*authority.Record, error) {
	var out []*authority.Record
	err := s.do(ctx, func(tx sqlstore.Tx) (err error) {
		out, err = sqlstore.Reconcile(tx, before, limit, posts)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Certificate implements authority.Store.
func (s *Store) Certificate(ctx context.Context, n authority.Serial) (*authority.Record, error) {
	var out *authority.Record
	err := s.read(ctx, func(tx sqlstore.Tx) (err error) {
		out, err = sqlstore.Certificate(tx, n)
		return err
	})
	return out, err
}

// List implements authority.Store.
func (s *Store) List(ctx context.Context, q authority.Query) (*authority.Page, error) {
	var out *authority.Page
	err := s.read(ctx, func(tx sqlstore.Tx) (err error) {
		out, err = sqlstore.List(tx, q)
		return err
	})
	return out, err
}

// Ending implements authority.Store.
func (s *Store) Ending(ctx context.Context, from, until time.Time, cursor string, limit int) (*authority.Page, error) {
	var out *authority.Page
	err := s.read(ctx, func(tx sqlstore.Tx) (err error) {
		out, err = sqlstore.Ending(tx, from, until, cursor, limit)
		return err
	})
	return out, err
}

// Revoke implements authority.Store.
func (s *Store) Revoke(ctx context.Context, v *authority.Revocation, known *authority.Record, spend provisioner.Spend, posts []authority.Post) error {
	f, err := sqlstore.Revoke(v, known, spend, posts)
	if err != nil {
		return err
	}
	return s.do(ctx, f)
}

// Post implements authority.Store.
func (s *Store) Post(ctx context.Context, posts []authority.Post) error {
	f, err := sqlstore.Post(posts)
	if err != nil {
		return err
	}
	return s.do(ctx, f)
}

// Outbox implements authority.Store.
func (s *Store) Outbox(ctx context.Context, sink string, after int64, limit int) ([]authority.Posted, error) {
	var out []authority.Posted
	err := s.read(ctx, func(tx sqlstore.Tx) (err error) {
		out, err = sqlstore.Outbox(tx, sink, after, limit)
		return err
	})
	return out, err
}

// Delivered implements authority.Store.
func (s *Store) Delivered(ctx context.Context, sink string, seqs []int64) error {
	return s.do(ctx, func(tx sqlstore.Tx) error { return sqlstore.Delivered(tx, sink, seqs) })
}

// pruneSlice is how many rows Prune deletes in one transaction, so that issuing never waits for more.
const pruneSlice = 100

// Prune implements authority.Store. It works in several small transactions; what it returns with an
// error was deleted.
func (s *Store) Prune(ctx context.Context, p authority.Prune) (authority.Pruned, error) {
	if p.Now.IsZero() {
		p.Now = time.Now()
	}
	left := p.Limit
	if left <= 0 {
		left = 1000
	}
	var total authority.Pruned
	for {
		slice := p
		slice.Limit = min(left, pruneSlice)
		var n authority.Pruned
		err := s.do(ctx, func(tx sqlstore.Tx) (err error) {
			n, err = sqlstore.Prune(tx, slice)
			return err
		})
		if err != nil {
			return total, err
		}
		left -= n.Spent + n.Certificates
		total.Spent, total.Certificates, total.More = total.Spent+n.Spent, total.Certificates+n.Certificates, n.More
		if left <= 0 || !n.More {
			return total, nil
		}
	}
}

// ExclusiveSince implements authority.Exclusive: the lock keeps all other processes out.
func (s *Store) ExclusiveSince() time.Time { return s.opened }
