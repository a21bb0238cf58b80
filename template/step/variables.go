package step

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"math/big"
	"slices"

	"go.step.sm/crypto/x509util"

	"github.com/chancery-ca/chancery/template"
)

// scope gathers what the actions see. With a copier, nothing that a function can change in place is
// shared with the caller.
type scope struct {
	vars, insecure map[string]any
	copier         func(any) (any, error)
	fault          error
}

func newScope(copier func(any) (any, error)) *scope {
	return &scope{vars: map[string]any{}, insecure: map[string]any{}, copier: copier}
}

func (s *scope) variables() (map[string]any, error) {
	s.vars["Insecure"] = s.insecure
	return s.vars, s.fault
}

func (s *scope) own(v any) any {
	if s.copier == nil || s.fault != nil {
		return v
	}
	c, err := s.copier(v)
	if err != nil {
		s.fault = fmt.Errorf("copying the data: %w", err)
	}
	return c
}

// certificate sets what templates of X.509 certificates see.
func (s *scope) certificate(d *template.Data) {
	s.common(d.Extra, d.Token, d.User, d.Webhooks, d.Entity, d.AuthorizationCrt)
	s.vars["Subject"] = x509util.Subject{CommonName: d.CommonName}
	s.vars["SANs"] = sansOf(d)
	if d.CR != nil {
		s.insecure["CR"] = requestView(d.CR)
	}
}

// common sets what all templates see. A map that is nil is not set: in an any it would not be missing, it
// would be an error to look into.
func (s *scope) common(extra, token, user, webhooks map[string]any, entity any, crt *x509.Certificate) {
	for k, v := range extra {
		s.vars[k] = s.own(v)
	}
	if user != nil {
		s.insecure["User"] = s.own(user)
	}
	if token != nil {
		s.vars["Token"] = s.own(token)
	}
	if webhooks != nil {
		s.vars["Webhooks"] = s.own(webhooks)
	}
	if entity != nil {
		s.vars["Entity"] = s.own(entity)
	}
	if crt != nil {
		c := *crt
		c.PublicKey = ownKey(c.PublicKey)
		if c.SerialNumber != nil {
			c.SerialNumber = new(big.Int).Set(c.SerialNumber)
		}
		s.vars["AuthorizationCrt"] = &c
	}
}

func sansOf(d *template.Data) []x509util.SubjectAlternativeName {
	if d.SANs == nil {
		return nil
	}
	sans := make([]x509util.SubjectAlternativeName, len(d.SANs))
	for i, s := range d.SANs {
		sans[i] = x509util.SubjectAlternativeName{Type: s.Type, Value: s.Value}
	}
	return sans
}

// requestView is step's view of a CSR. Making it writes to the extensions, which others may be reading.
func requestView(cr *x509.CertificateRequest) *x509util.CertificateRequest {
	c := *cr
	c.Extensions = slices.Clone(cr.Extensions)
	c.PublicKey = ownKey(cr.PublicKey)
	return x509util.NewCertificateRequestFromX509(&c)
}

// ownKey returns a key for templates to look at. They can call methods, and the numbers that a key is
// made of have methods that change them.
func ownKey(key any) any {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return &rsa.PublicKey{N: new(big.Int).Set(k.N), E: k.E}
	case *ecdsa.PublicKey:
		if b, err := k.Bytes(); err == nil {
			if own, err := ecdsa.ParseUncompressedPublicKey(k.Curve, b); err == nil {
				return own
			}
		}
	}
	return key
}
