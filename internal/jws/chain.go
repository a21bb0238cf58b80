package jws

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"time"
)

// maxChainRSA bounds what verifying a chain of somebody's own making can cost.
const maxChainRSA = 4096

// MaxChain is the number of certificates that a token's header may bring.
const MaxChain = 10

// certificates reads a header's chain: DER in base64 with padding (RFC 7515, section 4.1.6).
func certificates(chain []string) ([]*x509.Certificate, error) {
	if len(chain) == 0 || len(chain) > MaxChain {
		return nil, ErrChain
	}
	out := make([]*x509.Certificate, len(chain))
	for i, s := range chain {
		der, err := base64.StdEncoding.Strict().DecodeString(s)
		if err != nil {
			return nil, ErrChain
		}
		if out[i], err = x509.ParseCertificate(der); err != nil {
			return nil, ErrChain
		}
		if k, ok := out[i].PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() > maxChainRSA {
			return nil, ErrChain
		}
	}
	return out, nil
}

// CertificateChain returns the certificates in a token's header x5c or x5cInsecure, leaf first. Nothing
// about them has been verified.
func CertificateChain(token, header string) ([]*x509.Certificate, error) {
	m, err := Parse(token)
	if err != nil {
		return nil, err
	}
	return m.certificates(header)
}

func (m *Message) certificates(header string) ([]*x509.Certificate, error) {
	switch header {
	case "x5c":
		return certificates(m.Header.Chain)
	case "x5cInsecure":
		return certificates(m.Header.ChainInsecure)
	}
	return nil, ErrChain
}

// A ChainVerifier says which tokens that bring their certificate are believed. The leaf needs the key
// usage digitalSignature.
type ChainVerifier struct {
	Header        string // "x5c" or "x5cInsecure"
	Roots         *x509.CertPool
	Intermediates []*x509.Certificate // beside those that the token brings
	OwnPath       bool                // those that the token brings are not looked at
	ClientAuth    bool                // the leaf must say that it is for client authentication

	// At is the moment at which the chain must be valid.
	At func(leaf *x509.Certificate) time.Time
}

// Verify returns the token's payload and the chain it was signed under, from the leaf to a root.
func (v *ChainVerifier) Verify(m *Message) (chain []*x509.Certificate, payload []byte, err error) {
	certs, err := m.certificates(v.Header)
	if err != nil {
		return nil, nil, err
	}
	leaf := certs[0]
	// The signature first: only who holds the leaf's key can make us look for paths.
	if payload, err = m.Verify(leaf.PublicKey, AlgorithmsFor(leaf.PublicKey)); err != nil {
		return nil, nil, err
	}
	if leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return nil, nil, fmt.Errorf("%w: leaf is not for digital signatures", ErrChain)
	}
	o := x509.VerifyOptions{Roots: v.Roots, Intermediates: x509.NewCertPool(), CurrentTime: v.At(leaf), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	if v.ClientAuth {
		if !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageClientAuth) && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny) {
			return nil, nil, fmt.Errorf("%w: leaf is not for client authentication", ErrChain)
		}
		o.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	brought := certs[1:]
	if v.OwnPath {
		brought = nil
	}
	for _, c := range slices.Concat(brought, v.Intermediates) {
		o.Intermediates.AddCert(c)
	}
	if o.Roots == nil { // nil would mean the machine's own
		o.Roots = x509.NewCertPool()
	}
	chains, err := leaf.Verify(o)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrChain, err)
	}
	return chains[0], payload, nil
}
