package postgres

import (
	"context"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/internal/sqlstore"
	"github.com/chancery-ca/chancery/provisioner"
)

// ask returns what f reads.
func ask[T any](ctx context.Context, s *Store, f func(sqlstore.Tx) (T, error)) (out T, err error) {
	err = s.read(ctx, func(t *tx) (err error) {
		out, err = f(t)
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return out, nil
}

// Abandon implements authority.Store.
func (s *Store) Abandon(ctx context.Context, n authority.Serial, release bool, at time.Time, posts []authority.Post) error {
	f, err := sqlstore.Abandon(n, release, at, posts)
	if err != nil {
		return err
	}
	return s.write(ctx, f)
}

// Reconcile implements authority.Store. posts may be called again for the same record.
func (s *Store) Reconcile(ctx context.Context, before, at time.Time, limit int, posts func(*authority.Record) []authority.Post) ([]*authority.Record, error) {
	var out []*authority.Record
	err := s.write(ctx, func(t sqlstore.Tx) (err error) {
		out, err = sqlstore.Reconcile(t, before, at, limit, posts)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Certificate implements authority.Store.
func (s *Store) Certificate(ctx context.Context, n authority.Serial) (*authority.Record, error) {
	return ask(ctx, s, func(t sqlstore.Tx) (*authority.Record, error) { return sqlstore.Certificate(t, n) })
}

// List implements authority.Store.
func (s *Store) List(ctx context.Context, q authority.Query) (*authority.Page, error) {
	return ask(ctx, s, func(t sqlstore.Tx) (*authority.Page, error) { return sqlstore.List(t, q) })
}

// Ending implements authority.Store.
func (s *Store) Ending(ctx context.Context, from, until time.Time, cursor string, limit int) (*authority.Page, error) {
	return ask(ctx, s, func(t sqlstore.Tx) (*authority.Page, error) {
		return sqlstore.Ending(t, from, until, cursor, limit)
	})
}

// Revoke implements authority.Store.
func (s *Store) Revoke(ctx context.Context, v *authority.Revocation, known *authority.Record, spend provisioner.Spend, posts []authority.Post) error {
	f, err := sqlstore.Revoke(v, known, spend, posts)
	if err != nil {
		return err
	}
	return s.write(ctx, f)
}

// Release implements authority.Store.
func (s *Store) Release(ctx context.Context, n authority.Serial, at time.Time, posts []authority.Post) error {
	f, err := sqlstore.Release(n, at, posts)
	if err != nil {
		return err
	}
	return s.write(ctx, f)
}

// Revision implements authority.Store.
func (s *Store) Revision(ctx context.Context) (int64, error) {
	return ask(ctx, s, sqlstore.Tx.Revision)
}

// Changes implements authority.Store.
func (s *Store) Changes(ctx context.Context, q authority.ChangeQuery) (*authority.ChangePage, error) {
	return ask(ctx, s, func(t sqlstore.Tx) (*authority.ChangePage, error) { return sqlstore.Changes(t, q) })
}

// PutCRL implements authority.Store.
func (s *Store) PutCRL(ctx context.Context, c *authority.CRL, posts []authority.Post) error {
	f, err := sqlstore.PutCRL(c, posts)
	if err != nil {
		return err
	}
	return s.write(ctx, f)
}

// CRL implements authority.Store.
func (s *Store) CRL(ctx context.Context, scope authority.CRLScope, above int64) (*authority.CRL, error) {
	return ask(ctx, s, func(t sqlstore.Tx) (*authority.CRL, error) { return sqlstore.CRL(t, scope, above) })
}

// CRLs implements authority.Store.
func (s *Store) CRLs(ctx context.Context, issuer string) ([]*authority.CRL, error) {
	return ask(ctx, s, func(t sqlstore.Tx) ([]*authority.CRL, error) { return sqlstore.CRLs(t, issuer) })
}
