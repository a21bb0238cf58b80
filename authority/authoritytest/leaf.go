package authoritytest

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

// Leaf issues a certificate for the given names (DNS, IP, e-mail or URI, told apart by their form),
// good for servers and clients, with a new P-256 key.
func (ca *CA) Leaf(names ...string) *tls.Certificate {
	ca.t.Helper()
	key := ca.newKey()
	return keyPair(ca.Issue(&authority.Request{Provisioner: Local, Local: true, CSR: ca.CSR(key, names...)}), key)
}

// CSR makes a certificate request.
func (ca *CA) CSR(key crypto.Signer, names ...string) *x509.CertificateRequest {
	ca.t.Helper()
	csr, err := authority.NewRequest(key, "", provisioner.ParseNames(names))
	ca.must(err)
	return csr
}

// Issue takes a request through the pipeline, fails the test if it is refused, and remembers what came
// out for [CA.Check].
func (ca *CA) Issue(r *authority.Request) *authority.Certificate {
	ca.t.Helper()
	c, err := ca.Try(r)
	ca.must(err)
	return c
}

// Try is Issue for requests that may be refused.
func (ca *CA) Try(r *authority.Request) (*authority.Certificate, error) {
	c, err := ca.Authority.Issue(ca.t.Context(), r)
	if err == nil {
		ca.mu.Lock()
		ca.issued = append(ca.issued, c)
		ca.mu.Unlock()
	}
	return c, err
}

// ServerTLS is the configuration of a server with these names. Clients may present a certificate of
// the CA; set ClientAuth to demand one.
func (ca *CA) ServerTLS(names ...string) *tls.Config {
	ca.t.Helper()
	return &tls.Config{
		Certificates: []tls.Certificate{*ca.Leaf(names...)}, MinVersion: tls.VersionTLS12,
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: ca.Pool(), NextProtos: []string{"h2", "http/1.1"},
	}
}

// ClientTLS is the configuration of a client that trusts the CA and presents a certificate with these
// names, or none without names.
func (ca *CA) ClientTLS(names ...string) *tls.Config {
	ca.t.Helper()
	c := &tls.Config{RootCAs: ca.Pool(), MinVersion: tls.VersionTLS12}
	if len(names) > 0 {
		c.Certificates = []tls.Certificate{*ca.Leaf(names...)}
	}
	return c
}

// Expired returns a certificate that ended an hour ago.
func (ca *CA) Expired(names ...string) *tls.Certificate {
	return ca.SignAnything(func(c *x509.Certificate) {
		now := time.Now()
		c.NotBefore, c.NotAfter = now.Add(-25*time.Hour), now.Add(-time.Hour)
	}, names...)
}

// NotYetValid returns a certificate that begins in an hour.
func (ca *CA) NotYetValid(names ...string) *tls.Certificate {
	return ca.SignAnything(func(c *x509.Certificate) {
		now := time.Now()
		c.NotBefore, c.NotAfter = now.Add(time.Hour), now.Add(25*time.Hour)
	}, names...)
}

// WrongUsage returns a certificate that may sign code, and authenticate neither servers nor clients.
func (ca *CA) WrongUsage(names ...string) *tls.Certificate {
	return ca.SignAnything(func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
	}, names...)
}

// WrongName returns a good certificate for a name that nobody has: wrong.invalid.
func (ca *CA) WrongName() *tls.Certificate { return ca.Leaf("wrong.invalid") }

// Revoked returns a certificate that the authority has revoked.
func (ca *CA) Revoked(names ...string) *tls.Certificate {
	ca.t.Helper()
	c := ca.Leaf(names...)
	_, err := ca.Authority.Revoke(ca.t.Context(), &authority.RevokeRequest{
		Serial: authority.SerialOf(c.Leaf.SerialNumber), Local: true, ReasonCode: 1,
	})
	ca.must(err)
	return c
}

// Stranger returns a certificate of another CA that has the same names as this one, and other keys.
func (ca *CA) Stranger(names ...string) *tls.Certificate {
	ca.t.Helper()
	return New(ca.t).Leaf(names...)
}

// SignAnything signs with the intermediate's key what the pipeline would refuse: a certificate for
// servers and clients, good for a day, once spoil has spoilt it. It has no record.
func (ca *CA) SignAnything(spoil func(*x509.Certificate), names ...string) *tls.Certificate {
	ca.t.Helper()
	key, now := ca.newKey(), time.Now()
	csr := ca.CSR(key, names...)
	c := &x509.Certificate{
		SerialNumber: newSerial(), Subject: csr.Subject, DNSNames: csr.DNSNames, IPAddresses: csr.IPAddresses,
		EmailAddresses: csr.EmailAddresses, URIs: csr.URIs, NotBefore: now.Add(-time.Minute), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	spoil(c)
	leaf := ca.sign(c, ca.Intermediate, key.Public(), ca.key)
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw, ca.Intermediate.Raw}, PrivateKey: key, Leaf: leaf}
}

func keyPair(c *authority.Certificate, key crypto.Signer) *tls.Certificate {
	t := &tls.Certificate{PrivateKey: key, Leaf: c.Leaf}
	for _, k := range c.Chain {
		t.Certificate = append(t.Certificate, k.Raw)
	}
	return t
}
