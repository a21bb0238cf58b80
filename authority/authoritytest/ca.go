package authoritytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/eventtest"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/jwk"
	"github.com/chancery-ca/chancery/provisioner/sshpop"
)

// URL is where the CA says it can be reached.
const URL = "https://ca.test"

// The provisioners that every CA has.
const (
	Local = "test"  // a provisioner.Local that grants whatever a test asks for
	JWK   = "admin" // a JWK provisioner; CA.Token makes its tokens

	SSHPOP = "sshpop" // a provisioner of SSH certificates by their keys; SSHPair.Token makes its tokens
)

// CA is a throwaway certificate authority: a root, an intermediate that issues, and everything behind
// them in memory. Its fields may be read, not changed. Its methods fail the test instead of returning
// errors, and are safe for concurrent use.
type CA struct {
	Authority    *authority.Authority
	Store        authority.Store // what the authority uses, faults included
	Root         *x509.Certificate
	Intermediate *x509.Certificate
	Events       *eventtest.Recorder // what was published
	Faults       *Faults

	t        testing.TB
	key      *ecdsa.PrivateKey // the intermediate's, for certificates that the pipeline would refuse
	tokenKey *ecdsa.PrivateKey
	tokens   *jwk.Signer
	userKey  crypto.Signer // the SSH CAs'
	hostKey  crypto.Signer

	mu        sync.Mutex
	issued    []*authority.Certificate // handed out
	issuedSSH []*ssh.Certificate
}

// Option changes the configuration before the authority is made of it.
type Option func(*authority.Config)

// New makes a CA that lives as long as the test.
func New(t testing.TB, options ...Option) *CA {
	t.Helper()
	ca := &CA{t: t, Events: &eventtest.Recorder{}}
	rootKey := ca.newKey()
	ca.key, ca.tokenKey = ca.newKey(), ca.newKey()
	now := time.Now()
	root := authorityTemplate("Test Root CA", 1, now)
	ca.Root = ca.sign(root, root, rootKey.Public(), rootKey)
	ca.Intermediate = ca.sign(authorityTemplate("Test Intermediate CA", 0, now), ca.Root, ca.key.Public(), rootKey)

	ca.Faults = &Faults{}
	public := jose.JSONWebKey{Key: ca.tokenKey.Public(), Use: "sig", Algorithm: string(jose.ES256)}
	p, err := jwk.New(jwk.Config{Name: JWK, Keys: []jwk.Key{{JWK: public}}})
	ca.must(err)
	pop, err := sshpop.New(sshpop.Config{Name: SSHPOP})
	ca.must(err)
	ca.tokens, err = jwk.NewSigner(JWK, jose.JSONWebKey{Key: ca.tokenKey, Algorithm: string(jose.ES256)})
	ca.must(err)
	c := authority.Config{
		URLs:         []string{URL},
		Roots:        []*x509.Certificate{ca.Root},
		Issuers:      []authority.Issuer{{Name: "intermediate", Chain: []*x509.Certificate{ca.Intermediate}, Signer: kms.FromCrypto(ca.key)}},
		Provisioners: []provisioner.Provisioner{&provisioner.Local{ID: Local, AnyName: true}, p, pop},
		Store:        authority.NewMemory(),
		SSH:          ca.ssh(),
		Bindings:     map[string]authority.Binding{Local: {SSH: []string{""}}, JWK: {SSH: []string{""}}, SSHPOP: {SSH: []string{""}}},
	}
	for _, o := range options {
		o(&c)
	}
	ca.Root, ca.Intermediate = c.Roots[0], c.Issuers[0].Chain[0]
	ca.Faults.wrap(&c)
	c.Sinks = append([]event.Sink{ca.Events}, c.Sinks...)
	ca.Store = c.Store
	ca.Authority, err = authority.New(c)
	ca.must(err)
	return ca
}

// Pool returns the root, for whoever has to trust the CA.
func (ca *CA) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(ca.Root)
	return p
}

// Signer is the intermediate's key, for tests that reconfigure the authority.
func (ca *CA) Signer() kms.Signer { return kms.FromCrypto(ca.key) }

func (ca *CA) must(err error) {
	if err != nil {
		ca.t.Helper()
		ca.t.Fatalf("authoritytest: %v", err)
	}
}

func (ca *CA) newKey() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ca.must(err)
	return k
}

func (ca *CA) sign(template, parent *x509.Certificate, public any, key *ecdsa.PrivateKey) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	ca.must(err)
	c, err := x509.ParseCertificate(der)
	ca.must(err)
	return c
}

func authorityTemplate(name string, pathLen int, now time.Time) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: newSerial(), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true,
		MaxPathLen: pathLen, MaxPathLenZero: pathLen == 0,
	}
}

func newSerial() *big.Int {
	n, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	return n.SetBit(n, 120, 1)
}
