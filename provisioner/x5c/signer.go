package x5c

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/cryptosigner"

	"github.com/chancery-ca/chancery/internal/jws"
	"github.com/chancery-ca/chancery/provisioner"
)

// Signer makes tokens for an X5C provisioner. It is safe for concurrent use if its key is.
type Signer struct {
	name   string
	signer jose.Signer
}

// NewSigner makes a Signer for the provisioner of that name. The chain begins with the certificate of
// key and goes up; the root may be left out.
func NewSigner(name string, chain []*x509.Certificate, key crypto.Signer) (*Signer, error) {
	if name == "" || len(chain) == 0 || key == nil {
		return nil, errors.New("x5c: a signer needs a name, a certificate and its key")
	}
	pub, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !pub.Equal(chain[0].PublicKey) {
		return nil, errors.New("x5c: the key is not the certificate's")
	}
	algs := jws.AlgorithmsFor(key.Public())
	if algs == nil {
		return nil, errors.New("x5c: key is of a kind or size that is not supported")
	}
	x5c := make([]string, len(chain))
	for i, c := range chain {
		x5c[i] = base64.StdEncoding.EncodeToString(c.Raw)
	}
	o := new(jose.SignerOptions).WithType("JWT").WithHeader("x5c", x5c)
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: algs[0], Key: cryptosigner.Opaque(key)}, o)
	if err != nil {
		return nil, fmt.Errorf("x5c: making a signer: %w", err)
	}
	return &Signer{name, s}, nil
}

// Sign makes a one-time token. It adds the provisioner's fragment to the audience.
func (s *Signer) Sign(t provisioner.Ticket) (string, error) {
	if t.Audience != "" {
		t.Audience += "#" + (&url.URL{Fragment: Fragment(s.name)}).EscapedFragment()
	}
	payload, err := t.Payload(s.name)
	if err != nil {
		return "", err
	}
	return s.SignPayload(payload)
}

// SignPayload signs any claims, which Authorize need not accept.
func (s *Signer) SignPayload(payload []byte) (string, error) {
	m, err := s.signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("x5c: signing a token: %w", err)
	}
	return m.CompactSerialize()
}
