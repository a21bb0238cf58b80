package authority

import (
	"context"
	"crypto/x509"

	"github.com/chancery-ca/chancery/provisioner"
)

// Authority is stubbed for now; being written.
type Authority struct{}

func New(c Config) (*Authority, error)                                           { return nil, nil }
func (a *Authority) Issue(ctx context.Context, r *Request) (*Certificate, error) { return nil, nil }
func (a *Authority) Explain(ctx context.Context, r *Request) *Explanation        { return nil }
func (a *Authority) Revoke(ctx context.Context, r *RevokeRequest) (*Revocation, error) {
	return nil, nil
}
func (a *Authority) Reconfigure(c Config) error                                 { return nil }
func (a *Authority) Run(ctx context.Context) error                              { return nil }
func (a *Authority) Close() error                                               { return nil }
func (a *Authority) Roots() []*x509.Certificate                                 { return nil }
func (a *Authority) FederatedRoots() []*x509.Certificate                        { return nil }
func (a *Authority) Intermediates() []*x509.Certificate                         { return nil }
func (a *Authority) Provisioners() []provisioner.Provisioner                    { return nil }
func (a *Authority) Certificate(ctx context.Context, s Serial) (*Record, error) { return nil, nil }
func (a *Authority) Certificates(ctx context.Context, q Query) (*Page, error)   { return nil, nil }
