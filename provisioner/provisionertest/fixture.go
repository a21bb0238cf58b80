package provisionertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/chancery-ca/chancery/provisioner"
)

// Host is where the fixtures' authority is served.
const Host = "https://ca.example.com:9000"

// Audiences are the URLs of an operation at Host.
func Audiences(op provisioner.Operation) []string {
	path := map[provisioner.Operation]string{
		provisioner.X509Sign: "sign", provisioner.X509Renew: "renew",
		provisioner.X509Rekey: "rekey", provisioner.X509Revoke: "revoke",
		provisioner.SSHSign: "ssh/sign", provisioner.SSHRenew: "ssh/renew",
		provisioner.SSHRekey: "ssh/rekey", provisioner.SSHRevoke: "ssh/revoke",
	}[op]
	return []string{Host + "/1.0/" + path, Host + "/" + path}
}

// NewKey makes a key for signatures with that algorithm.
func NewKey(t testing.TB, alg jose.SignatureAlgorithm) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch alg {
	case jose.ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.ES384:
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case jose.ES512:
		key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case jose.EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A CA makes what good requests are made of.
type CA struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// NewCA makes a CA that is good for a day.
func NewCA(t testing.TB) *CA {
	t.Helper()
	key := NewKey(t, jose.ES256)
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Fixture"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &CA{parse(t, der), key}
}

// Leaf makes a certificate of the key for a name. change, if not nil, has the last word.
func (ca *CA) Leaf(t testing.TB, key crypto.Signer, name string, change func(c *x509.Certificate)) *x509.Certificate {
	t.Helper()
	now := time.Now()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: serial.SetBit(serial, 121, 1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now.Add(-time.Minute), NotAfter: now.Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, ca.Certificate, key.Public(), ca.Key)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, der)
}

func parse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Fingerprint is the certificate's as Request.Roots has it.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// NewCSR makes a CSR with that common name, which may be empty, and those names.
func NewCSR(t testing.TB, cn string, names ...string) *x509.CertificateRequest {
	t.Helper()
	n := provisioner.ParseNames(names)
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: cn}, DNSNames: n.DNS, EmailAddresses: n.Emails}
	for _, ip := range n.IPs {
		template.IPAddresses = append(template.IPAddresses, net.IP(ip.AsSlice()))
	}
	for _, s := range n.URIs {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		template.URIs = append(template.URIs, u)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, NewKey(t, jose.ES256))
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	return csr
}

// OneTime makes the requests of a provisioner of step's one-time tokens: sign and revoke, for X.509 and SSH,
// with a token from sign, and X.509 renew and rekey with a certificate.
func OneTime(t testing.TB, sign func(provisioner.Ticket) (string, error)) map[provisioner.Operation]func() *provisioner.Request {
	ca := NewCA(t)
	const name = "db.example.com"
	sshKey := NewSSHKey(t)
	csr, leaf := NewCSR(t, name, name, "192.0.2.7"), ca.Leaf(t, NewKey(t, jose.ES256), name, nil)
	request := func(op provisioner.Operation, ticket *provisioner.Ticket) *provisioner.Request {
		r := &provisioner.Request{Operation: op, Audiences: Audiences(op), Roots: []string{Fingerprint(ca.Certificate)}}
		if ticket == nil {
			r.Certificate, r.Proof = leaf, provisioner.TLSProof
			return r
		}
		ticket.Audience, ticket.Root = r.Audiences[0], ca.Certificate
		token, err := sign(*ticket)
		if err != nil {
			t.Error(err)
		}
		r.Token = token
		return r
	}
	return map[provisioner.Operation]func() *provisioner.Request{
		provisioner.X509Sign: func() *provisioner.Request {
			r := request(provisioner.X509Sign, &provisioner.Ticket{Subject: name, SANs: []string{name, "192.0.2.7"}})
			r.CSR = csr
			return r
		},
		provisioner.X509Renew: func() *provisioner.Request { return request(provisioner.X509Renew, nil) },
		provisioner.X509Rekey: func() *provisioner.Request {
			r := request(provisioner.X509Rekey, nil)
			r.CSR = csr
			return r
		},
		provisioner.X509Revoke: func() *provisioner.Request {
			r := request(provisioner.X509Revoke, &provisioner.Ticket{Subject: leaf.SerialNumber.String()})
			r.Serial = leaf.SerialNumber.Text(16)
			return r
		},
		provisioner.SSHSign: func() *provisioner.Request {
			r := request(provisioner.SSHSign, &provisioner.Ticket{Subject: name, SSH: &provisioner.SSHTicket{CertType: "host", Principals: []string{name}}})
			r.SSH = &provisioner.SSHRequest{Key: sshKey, Type: provisioner.SSHHost, Principals: []string{name}}
			return r
		},
		provisioner.SSHRevoke: func() *provisioner.Request {
			r := request(provisioner.SSHRevoke, &provisioner.Ticket{Subject: "12345"})
			r.Serial, r.SSH = "3039", &provisioner.SSHRequest{}
			return r
		},
	}
}
