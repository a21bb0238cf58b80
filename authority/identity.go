package authority

import (
	"context"
	"crypto/tls"
)

// Identity is stubbed for now; being written.
type Identity struct{}

// NewIdentity returns a certificate for this program itself, issued by a through the provisioner.Local
// of that name, and issued again during handshakes once a third of its life is left. It starts nothing.
func NewIdentity(a *Authority, r Request) (*Identity, error) { return nil, nil }

func (i *Identity) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }
func (i *Identity) GetClientCertificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return nil, nil
}
func (i *Identity) Renew(ctx context.Context) error { return nil }
