package authority

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net/url"
	"sync"
	"time"

	"github.com/chancery-ca/chancery/provisioner"
)

// Identity is the certificate of this program itself: the CA's own server certificate, or that of a
// service which carries its CA inside. The key is made here and never leaves. It is renewed during the
// handshakes that need it, once two thirds of its life are over, so it needs no goroutine; a failed
// renewal leaves the current certificate in use and is tried again a minute later. Safe for concurrent
// use.
type Identity struct {
	a   *Authority
	o   IdentityOptions
	key crypto.Signer

	mu      sync.Mutex
	current *tls.Certificate
	retry   time.Time // not before this, after a failure
}

// IdentityOptions says who the program is.
type IdentityOptions struct {
	Provisioner string // the name of a provisioner.Local; required
	Profile     string // empty: the provisioner's
	CommonName  string // empty: the first of Names
	Names       []string
	NotAfter    When
	Key         crypto.Signer // nil: a new P-256 key
}

// NewIdentity issues the first certificate.
func NewIdentity(ctx context.Context, a *Authority, o IdentityOptions) (*Identity, error) {
	i := &Identity{a: a, o: o, key: o.Key}
	if i.key == nil {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		i.key = k
	}
	return i, i.Renew(ctx)
}

// Renew replaces the certificate now.
func (i *Identity) Renew(ctx context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.renew(ctx)
}

func (i *Identity) renew(ctx context.Context) error {
	n := provisioner.ParseNames(i.o.Names)
	csr, err := NewRequest(i.key, i.o.CommonName, n)
	if err != nil {
		return err
	}
	c, err := i.a.Issue(ctx, &Request{Provisioner: i.o.Provisioner, Profile: i.o.Profile, CSR: csr, Local: true, NotAfter: i.o.NotAfter})
	if err != nil {
		i.retry = time.Now().Add(time.Minute)
		return err
	}
	t := &tls.Certificate{PrivateKey: i.key, Leaf: c.Leaf}
	for _, k := range c.Chain {
		t.Certificate = append(t.Certificate, k.Raw)
	}
	i.current = t
	return nil
}

// Certificate returns the current certificate, renewed if it is time.
func (i *Identity) Certificate(ctx context.Context) (*tls.Certificate, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := time.Now()
	if c := i.current; c != nil {
		life := c.Leaf.NotAfter.Sub(c.Leaf.NotBefore)
		if now.Before(c.Leaf.NotAfter.Add(-life/3)) || now.Before(i.retry) {
			return c, nil
		}
	}
	err := i.renew(ctx)
	if i.current == nil {
		return nil, errors.Join(errors.New("authority: no certificate for this program"), err)
	}
	return i.current, nil
}

// GetCertificate is for tls.Config.
func (i *Identity) GetCertificate(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return i.Certificate(h.Context())
}

// GetClientCertificate is for tls.Config.
func (i *Identity) GetClientCertificate(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return i.Certificate(r.Context())
}

// NewRequest makes a certificate request for key. An empty common name is the first of the names.
func NewRequest(key crypto.Signer, commonName string, n provisioner.Names) (*x509.CertificateRequest, error) {
	if s := n.Strings(); commonName == "" && len(s) > 0 {
		commonName = s[0]
	}
	t := &x509.CertificateRequest{Subject: pkix.Name{CommonName: commonName}, DNSNames: n.DNS, EmailAddresses: n.Emails}
	for _, ip := range n.IPs {
		t.IPAddresses = append(t.IPAddresses, ip.AsSlice())
	}
	for _, s := range n.URIs {
		u, err := url.Parse(s)
		if err != nil {
			return nil, err
		}
		t.URIs = append(t.URIs, u)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, t, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificateRequest(der)
}
