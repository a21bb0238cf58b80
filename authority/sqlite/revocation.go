package sqlite

import (
	"context"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/internal/sqlstore"
	"github.com/chancery-ca/chancery/provisioner"
)

// Revoke implements authority.Store.
func (s *Store) Revoke(ctx context.Context, v *authority.Revocation, known *authority.Record, spend provisioner.Spend, posts []authority.Post) error {
	f, err := sqlstore.Revoke(v, known, spend, posts)
	if err != nil {
		return err
	}
	return s.do(ctx, f)
}

// Release implements authority.Store.
func (s *Store) Release(ctx context.Context, n authority.Serial, at time.Time, posts []authority.Post) error {
	f, err := sqlstore.Release(n, at, posts)
	if err != nil {
		return err
	}
	return s.do(ctx, f)
}

// Revision implements authority.Store.
func (s *Store) Revision(ctx context.Context) (int64, error) {
	return lay(ctx, s, sqlstore.Tx.Revision, func(tx sqlstore.Tx, o *overlay) (int64, error) {
		n, err := tx.Revision()
		return max(n, o.revision), err
	})
}

// Changes implements authority.Store.
func (s *Store) Changes(ctx context.Context, q authority.ChangeQuery) (*authority.ChangePage, error) {
	return lay(ctx, s, func(tx sqlstore.Tx) (*authority.ChangePage, error) { return sqlstore.Changes(tx, q) },
		func(tx sqlstore.Tx, o *overlay) (*authority.ChangePage, error) { return o.changes(tx, q) })
}

// PutCRL implements authority.Store.
func (s *Store) PutCRL(ctx context.Context, c *authority.CRL, posts []authority.Post) error {
	f, err := sqlstore.PutCRL(c, posts)
	if err != nil {
		return err
	}
	return s.do(ctx, f)
}

// CRL implements authority.Store.
func (s *Store) CRL(ctx context.Context, scope authority.CRLScope, above int64) (*authority.CRL, error) {
	return lay(ctx, s, func(tx sqlstore.Tx) (*authority.CRL, error) { return sqlstore.CRL(tx, scope, above) },
		func(tx sqlstore.Tx, o *overlay) (*authority.CRL, error) { return o.crl(tx, scope, above) })
}

// CRLs implements authority.Store.
func (s *Store) CRLs(ctx context.Context, issuer string) ([]*authority.CRL, error) {
	return lay(ctx, s, func(tx sqlstore.Tx) ([]*authority.CRL, error) { return sqlstore.CRLs(tx, issuer) },
		func(tx sqlstore.Tx, o *overlay) ([]*authority.CRL, error) { return o.crls(tx, issuer) })
}
