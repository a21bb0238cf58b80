package jwk

import (
	"crypto"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"

	"github.com/chancery-ca/chancery/internal/jws"
	"github.com/chancery-ca/chancery/provisioner"
)

// Signer makes tokens for a JWK provisioner. It is safe for concurrent use.
type Signer struct {
	name   string
	signer jose.Signer
}

// NewSigner makes a Signer for the provisioner of that name with a private key, whose id and algorithm
// are filled in where they are missing.
func NewSigner(name string, k jose.JSONWebKey) (*Signer, error) {
	private, ok := k.Key.(crypto.Signer)
	if name == "" || !ok {
		return nil, errors.New("jwk: a signer needs a name and a private key")
	}
	if k.KeyID == "" {
		var err error
		if k.KeyID, err = thumbprint(k); err != nil {
			return nil, fmt.Errorf("jwk: %w", err)
		}
	}
	alg := jose.SignatureAlgorithm(k.Algorithm)
	if alg == "" {
		algs := jws.AlgorithmsFor(private.Public())
		if algs == nil {
			return nil, errors.New("jwk: key is of a kind or size that is not supported")
		}
		alg = algs[0]
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: k.Key, KeyID: k.KeyID}}, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("jwk: making a signer: %w", err)
	}
	return &Signer{name, s}, nil
}

// Sign makes a one-time token.
func (s *Signer) Sign(t provisioner.Ticket) (string, error) {
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
		return "", fmt.Errorf("jwk: signing a token: %w", err)
	}
	return m.CompactSerialize()
}
