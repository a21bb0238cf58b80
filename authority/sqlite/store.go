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
func (s *Store) Abandon(ctx context.Context, n authority.Serial, release bool, at time.Time, posts []authority.Post) error {
	f, err := sqlstore.Abandon(n, release, at, posts)
	if err != nil {
		return err
	}
	return s.do(ctx, f)
}

// Reconcile implements authority.Store. posts may be called again for the same record.
func (s *Store) Reconcile(ctx context.Context, before, at time.Time, limit int, posts func(*authority.Record) []authority.Post) ([]*authority.Record, error) {
	var out []*authority.Record
	err := s.do(ctx, func(tx sqlstore.Tx) (err error) {
		out, err = sqlstore.Reconcile(tx, before, at, limit, posts)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Certificate implements authority.Store.
func (s *Store) Certificate(ctx context.Context, n authority.Serial) (*authority.Record, error) {
	return lay(ctx, s, func(tx sqlstore.Tx) (*authority.Record, error) { return sqlstore.Certificate(tx, n) },
		func(tx sqlstore.Tx, o *overlay) (*authority.Record, error) { return o.certificate(tx, n) })
}

// List implements authority.Store.
func (s *Store) List(ctx context.Context, q authority.Query) (*authority.Page, error) {
	return lay(ctx, s, func(tx sqlstore.Tx) (*authority.Page, error) { return sqlstore.List(tx, q) },
		func(tx sqlstore.Tx, o *overlay) (*authority.Page, error) { return o.list(tx, q) })
}

// Ending implements authority.Store.
func (s *Store) Ending(ctx context.Context, from, until time.Time, cursor string, limit int) (*authority.Page, error) {
	ending := func(tx sqlstore.Tx) (*authority.Page, error) { return sqlstore.Ending(tx, from, until, cursor, limit) }
	return lay(ctx, s, ending, func(tx sqlstore.Tx, o *overlay) (*authority.Page, error) {
		page, err := ending(tx)
		if err != nil {
			return nil, err
		}
		return o.keep(page, isGood), nil
	})
}

// ExclusiveSince implements authority.Exclusive: the lock keeps all other processes out.
func (s *Store) ExclusiveSince() time.Time { return s.opened }
