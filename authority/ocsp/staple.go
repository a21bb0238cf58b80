package ocsp

import (
	"context"
	"crypto/x509"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/chancery-ca/chancery/authority"
)

// ErrUnknown is returned by [Responder.Staple] for a certificate that none of the issuers is known to have issued.
var ErrUnknown = errors.New("ocsp: the certificate is not known here")

// Staple returns the response about a certificate, for tls.Certificate.OCSPStaple of a server in the same
// process. It costs what a client's question costs: ask anew for every handshake or every few minutes, not
// once. A revoked certificate has a response, too; clients will refuse it, as they should. The errors are
// [ErrUnknown], a [Status], and those of the authority. The bytes are shared: do not change them.
func (r *Responder) Staple(ctx context.Context, cert *x509.Certificate) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	i := r.look().issuerOf(cert)
	if i == nil {
		return nil, ErrUnknown
	}
	id, err := newCertID(i, cert)
	if err != nil {
		return nil, err
	}
	a, err := r.one(ctx, i, id, false)
	switch {
	case err != nil:
		return nil, err
	case a.status.kind == unknown:
		return nil, ErrUnknown
	}
	return a.der, nil
}

// newCertID names a certificate by SHA-1, which every client that checks staples understands.
func newCertID(i *issuer, cert *x509.Certificate) (certID, error) {
	name := sumSHA1(cert.RawIssuer)
	b := cryptobyte.NewBuilder(make([]byte, 0, 128))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidSHA1)
			b.AddASN1NULL()
		})
		b.AddASN1OctetString(name[:])
		b.AddASN1OctetString(i.responder[:])
		b.AddASN1BigInt(cert.SerialNumber)
	})
	raw, err := b.Bytes()
	if err != nil {
		return certID{}, err
	}
	return certID{string(raw), newIssuerID(hashSHA1, name[:], i.responder[:]), authority.SerialOf(cert.SerialNumber)}, nil
}
