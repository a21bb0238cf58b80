package storetest

import (
	"context"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

// Revoke calls On with "Revoke".
func (f *Faulty) Revoke(ctx context.Context, v *authority.Revocation, known *authority.Record, spend provisioner.Spend, posts []authority.Post) error {
	return f.on("Revoke", func() error { return f.Store.Revoke(ctx, v, known, spend, posts) })
}

// Release calls On with "Release".
func (f *Faulty) Release(ctx context.Context, s authority.Serial, at time.Time, posts []authority.Post) error {
	return f.on("Release", func() error { return f.Store.Release(ctx, s, at, posts) })
}

// Revision calls On with "Revision".
func (f *Faulty) Revision(ctx context.Context) (int64, error) {
	return faulty(f, "Revision", func() (int64, error) { return f.Store.Revision(ctx) })
}

// Changes calls On with "Changes".
func (f *Faulty) Changes(ctx context.Context, q authority.ChangeQuery) (*authority.ChangePage, error) {
	return faulty(f, "Changes", func() (*authority.ChangePage, error) { return f.Store.Changes(ctx, q) })
}

// PutCRL calls On with "PutCRL".
func (f *Faulty) PutCRL(ctx context.Context, c *authority.CRL, posts []authority.Post) error {
	return f.on("PutCRL", func() error { return f.Store.PutCRL(ctx, c, posts) })
}

// CRL calls On with "CRL".
func (f *Faulty) CRL(ctx context.Context, s authority.CRLScope, above int64) (*authority.CRL, error) {
	return faulty(f, "CRL", func() (*authority.CRL, error) { return f.Store.CRL(ctx, s, above) })
}

// CRLs calls On with "CRLs".
func (f *Faulty) CRLs(ctx context.Context, issuer string) ([]*authority.CRL, error) {
	return faulty(f, "CRLs", func() ([]*authority.CRL, error) { return f.Store.CRLs(ctx, issuer) })
}
