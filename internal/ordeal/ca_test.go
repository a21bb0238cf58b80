package ordeal

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/jwk"
)

// keys is what all processes of a test know of their CA, kept in its folder.
type keys struct {
	Root, Intermediate []byte // DER
	Key                []byte // the intermediate's, SEC 1
	Admin              jose.JSONWebKey

	guests []provisioner.Provisioner // further ones
}

const (
	keysFile  = "keys.json"
	storeFile = "ca.db"
	auditFile = "audit.jsonl"
	auditSink = "audit"
)

// tokenLife is long enough for no token to expire before the test ends: what is refused was spent.
const tokenLife = time.Hour

// newKeys makes the keys of a CA and keeps them in dir.
func newKeys(t testing.TB, dir string) *keys {
	t.Helper()
	k := &keys{}
	rootKey, key, admin := newKey(t), newKey(t), newKey(t)
	root := caTemplate("Ordeal Root CA", 1)
	k.Root = create(t, root, root, &rootKey.PublicKey, rootKey)
	parent, err := x509.ParseCertificate(k.Root)
	require.NoError(t, err)
	k.Intermediate = create(t, caTemplate("Ordeal Intermediate CA", 0), parent, &key.PublicKey, rootKey)
	k.Key, err = x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	k.Admin = jose.JSONWebKey{Key: admin, KeyID: "admin", Algorithm: string(jose.ES256), Use: "sig"}
	b, err := json.Marshal(k)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, keysFile), b, 0o600))
	return k
}

func readKeys(dir string) (*keys, error) {
	b, err := os.ReadFile(filepath.Join(dir, keysFile))
	if err != nil {
		return nil, err
	}
	k := &keys{}
	return k, json.Unmarshal(b, k)
}

// config puts the CA together, at any port of the loopback. A sink that is not nil reads from the outbox.
func (k *keys) config(store authority.Store, audit event.Sink) (authority.Config, error) {
	var c authority.Config
	root, err := x509.ParseCertificate(k.Root)
	if err != nil {
		return c, err
	}
	inter, err := x509.ParseCertificate(k.Intermediate)
	if err != nil {
		return c, err
	}
	key, err := x509.ParseECPrivateKey(k.Key)
	if err != nil {
		return c, err
	}
	admin, err := jwk.New(jwk.Config{Name: "admin", Keys: []jwk.Key{{JWK: k.Admin.Public()}}, MaxLife: 2 * tokenLife})
	if err != nil {
		return c, err
	}
	c = authority.Config{
		URLs:    []string{"https://127.0.0.1:*"},
		Roots:   []*x509.Certificate{root},
		Issuers: []authority.Issuer{{Name: "ordeal", Chain: []*x509.Certificate{inter}, Signer: kms.FromCrypto(key)}},
		Provisioners: []provisioner.Provisioner{
			&provisioner.Local{ID: "self", Names: provisioner.ParseNames([]string{"127.0.0.1"})}, admin,
		},
		Store: store,
	}
	c.Provisioners = append(c.Provisioners, k.guests...)
	if audit != nil {
		c.Outbox = []authority.Delivery{{Name: auditSink, Sink: audit}}
	}
	return c, nil
}

// authority makes the CA in this process.
func (k *keys) authority(t testing.TB, store authority.Store, audit event.Sink) *authority.Authority {
	t.Helper()
	c, err := k.config(store, audit)
	require.NoError(t, err)
	a, err := authority.New(c)
	require.NoError(t, err)
	return a
}

// token makes a one-time token for a path of the API.
func (k *keys) token(path, subject string) (string, error) {
	s, err := jwk.NewSigner("admin", k.Admin)
	if err != nil {
		return "", err
	}
	return s.Sign(provisioner.Ticket{Audience: "https://127.0.0.1:9000/1.0" + path, Subject: subject, Life: tokenLife})
}

// use makes a one-time token for a certificate, and the CSR to go with it.
func (k *keys) use(subject string, key *ecdsa.PrivateKey) (u use, err error) {
	u.subject = subject
	if u.token, err = k.token("/sign", subject); err == nil {
		u.csr, err = requestFor(key, subject)
	}
	return u, err
}

func (k *keys) root() (*x509.CertPool, error) {
	root, err := x509.ParseCertificate(k.Root)
	if err != nil {
		return nil, err
	}
	p := x509.NewCertPool()
	p.AddCert(root)
	return p, nil
}

func (k *keys) pool(t testing.TB) *x509.CertPool {
	t.Helper()
	p, err := k.root()
	require.NoError(t, err)
	return p
}

// audit is a sink that appends events to a file. A crash can tear a line, never what the next one says.
type audit struct{ f *os.File }

func openAudit(dir string) (*audit, error) {
	f, err := os.OpenFile(filepath.Join(dir, auditFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	return &audit{f}, err
}

func (a *audit) Publish(_ context.Context, e event.Event) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = a.f.Write(append(append([]byte("\n"), b...), '\n'))
	return err
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return k
}

func create(t testing.TB, template, parent *x509.Certificate, public any, by *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	require.NoError(t, err)
	return der
}

func caTemplate(name string, pathLen int) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(int64(pathLen) + 1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true,
		MaxPathLen: pathLen, MaxPathLenZero: pathLen == 0,
	}
}
