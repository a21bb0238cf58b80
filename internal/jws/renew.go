package jws

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"time"

	"github.com/chancery-ca/chancery/provisioner"
)

// RenewToken is the proof by which step's clients renew a certificate that has expired, or that cannot
// authenticate a TLS connection: a JWS made with the certificate's key.
type RenewToken struct {
	Certificate *x509.Certificate
	Chain       []*x509.Certificate // from the certificate to a root
	Issuer      string              // who says to have made it; whoever has the key writes what they like
	ID          string              // identifies the token, which is good once
	Expires     time.Time           // when the ID may be forgotten
}

// ParseRenewToken verifies a renew token. The certificate must chain to one of the roots, through the
// given intermediates, one minute before its end, whenever that was; whether it may be
// renewed after that is the provisioner's to say. Errors are refusals.
func ParseRenewToken(token string, roots, intermediates []*x509.Certificate, audiences []string, now time.Time) (*RenewToken, error) {
	m, err := Parse(token)
	if err != nil {
		return nil, Refusal(err)
	}
	pool := x509.NewCertPool()
	for _, c := range roots {
		pool.AddCert(c)
	}
	v := ChainVerifier{Header: "x5cInsecure", Roots: pool, Intermediates: intermediates, OwnPath: true, At: lastMinute}
	chain, payload, err := v.Verify(m)
	if err != nil {
		return nil, Refusal(err)
	}
	c, err := provisioner.ParseClaims(payload)
	if err != nil {
		return nil, err
	}
	r := &provisioner.Request{Audiences: audiences, Now: now}
	if err := c.Check(r, provisioner.ClaimRules{Issuer: c.Issuer}); err != nil {
		return nil, err
	}
	leaf := chain[0]
	if c.Confirmation != "" || !isSubject(leaf, c.Subject) {
		return nil, provisioner.Refuse(provisioner.Unauthenticated, "subject", "token is not for the certificate that signed it")
	}
	s := c.Spend("renew", m.SigningInput())
	// A jti says nothing beyond its own certificate: nobody spends the token of somebody else.
	sum := sha256.Sum256(leaf.Raw)
	return &RenewToken{Certificate: leaf, Chain: chain, Issuer: c.Issuer, ID: s.ID + "/" + hex.EncodeToString(sum[:16]), Expires: s.Until}, nil
}

// lastMinute is a moment at which a certificate was valid even if it has expired since.
func lastMinute(c *x509.Certificate) time.Time {
	t := c.NotAfter.Add(-time.Minute)
	if t.Before(c.NotBefore) {
		return c.NotBefore
	}
	return t
}

// isSubject compares a token's subject with the common name, or where there is none with the first
// alternative name.
func isSubject(c *x509.Certificate, sub string) bool {
	if c.Subject.CommonName != "" {
		return c.Subject.CommonName == sub
	}
	s := provisioner.NamesOf(c).Strings()
	return len(s) > 0 && s[0] == sub
}
