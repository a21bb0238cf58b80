package attest

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
)

const (
	maxChain       = 8
	maxCertificate = 8 << 10 // bytes
)

// Chain reads the member x5c of a statement, and returns the first certificate if it leads to one of the roots. Critical
// extensions that are listed are the caller's to look at; any other that is not understood is an error.
func (s *Statement) Chain(roots *x509.CertPool, handled ...asn1.ObjectIdentifier) (*x509.Certificate, error) {
	var ders [][]byte
	if err := s.Field("x5c", &ders); err != nil {
		return nil, err
	}
	if len(ders) == 0 || len(ders) > maxChain {
		return nil, fmt.Errorf("x5c has %d certificates", len(ders))
	}
	var leaf *x509.Certificate
	between := x509.NewCertPool()
	for i, der := range ders {
		if len(der) > maxCertificate {
			return nil, errors.New("a certificate of x5c is too long")
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			leaf = c
		} else {
			between.AddCert(c)
		}
	}
	leaf.UnhandledCriticalExtensions = slices.DeleteFunc(leaf.UnhandledCriticalExtensions, func(id asn1.ObjectIdentifier) bool {
		return slices.ContainsFunc(handled, id.Equal)
	})
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return leaf, err
}

// Pool makes what Chain needs of roots, of which there must be one.
func Pool(roots []*x509.Certificate) (*x509.CertPool, error) {
	if len(roots) == 0 || slices.Contains(roots, nil) {
		return nil, errors.New("attest: a format needs roots")
	}
	p := x509.NewCertPool()
	for _, r := range roots {
		p.AddCert(r)
	}
	return p, nil
}

// Extension returns the value of an extension.
func Extension(c *x509.Certificate, id asn1.ObjectIdentifier) ([]byte, bool) {
	for _, e := range c.Extensions {
		if e.Id.Equal(id) {
			return e.Value, true
		}
	}
	return nil, false
}
