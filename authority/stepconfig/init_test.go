package stepconfig_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/stepconfig"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/kms/softkms"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/jwk"
)

func initCA(t *testing.T) (*stepconfig.File, string) {
	dir := filepath.Join(t.TempDir(), "ca")
	f, err := stepconfig.Init(t.Context(), stepconfig.InitOptions{
		Dir: dir, Name: "Test", DNSNames: []string{"localhost", "127.0.0.1"}, Password: []byte("hunter2"), KeepPassword: true,
	})
	require.NoError(t, err)
	return f, dir
}

// original is one folder for all tests that do not mind whose copy they have: keys under a password are
// slow to make and to open, all the more under the race detector.
var original = sync.OnceValue(func() (o struct {
	dir string
	key *jose.JSONWebKey // the provisioner's
	err error
}) {
	if o.dir, o.err = os.MkdirTemp("", "stepconfig"); o.err != nil {
		return o
	}
	ctx := context.Background()
	f, err := stepconfig.Init(ctx, stepconfig.InitOptions{
		Dir: o.dir, Name: "Test", DNSNames: []string{"localhost", "127.0.0.1"}, Password: []byte("hunter2"), KeepPassword: true,
	})
	if o.err = err; err != nil {
		return o
	}
	b, err := os.ReadFile(f.Key)
	if o.err = err; err != nil {
		return o
	}
	key, err := softkms.Parse(b, func() ([]byte, error) { return []byte("hunter2"), nil })
	if o.err = err; err != nil {
		return o
	}
	if b, o.err = softkms.Marshal(key, nil); o.err != nil {
		return o
	}
	if o.err = os.WriteFile(f.Key, b, 0o600); o.err != nil {
		return o
	}
	o.key, o.err = jwk.Decrypt(f.Provisioners[0].EncryptedKeys[0], []byte("hunter2"))
	return o
})

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(original().dir)
	os.Exit(code)
}

// copyCA is initCA with the intermediate's key in the clear.
func copyCA(t *testing.T) (f *stepconfig.File, dir string, key *jose.JSONWebKey) {
	o := original()
	require.NoError(t, o.err)
	dir = filepath.Join(t.TempDir(), "ca")
	require.NoError(t, os.CopyFS(dir, os.DirFS(o.dir)))
	for _, name := range []string{"ca.json", "defaults.json"} {
		path := filepath.Join(dir, "config", name)
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		from, err := json.Marshal(o.dir)
		require.NoError(t, err)
		to, err := json.Marshal(dir)
		require.NoError(t, err)
		b = bytes.ReplaceAll(b, from[:len(from)-1], to[:len(to)-1])
		require.NoError(t, os.WriteFile(path, b, 0o600))
	}
	f, err := stepconfig.Load(filepath.Join(dir, "config", "ca.json"))
	require.NoError(t, err)
	return f, dir, o.key
}

func password(p string) func(context.Context, string) ([]byte, error) {
	return func(context.Context, string) ([]byte, error) { return []byte(p), nil }
}

func TestInitLayout(t *testing.T) {
	f, dir := initCA(t)
	require.Empty(t, f.Warnings)
	require.Equal(t, filepath.Join(dir, "db", "chancery.sqlite"), f.DB.Path)
	var files []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		if runtime.GOOS != "windows" {
			require.Zero(t, info.Mode().Perm()&0o077, "%s: %s", path, info.Mode())
		}
		if !d.IsDir() {
			rel, err := filepath.Rel(dir, path)
			require.NoError(t, err)
			files = append(files, filepath.ToSlash(rel))
		}
		return nil
	}))
	require.ElementsMatch(t, []string{
		"certs/intermediate_ca.crt", "certs/root_ca.crt", "config/ca.json", "config/defaults.json",
		"secrets/intermediate_ca_key", "secrets/password", "secrets/root_ca_key",
	}, files)
	for _, d := range []string{"templates", "db"} {
		require.DirExists(t, filepath.Join(dir, d))
	}

	root, inter := certificate(t, f.Roots[0]), certificate(t, f.Chain)
	require.Equal(t, "CN=Test Root CA,O=Test", root.Subject.String())
	require.Equal(t, "CN=Test Intermediate CA,O=Test", inter.Subject.String())
	require.Equal(t, 1, root.MaxPathLen)
	require.True(t, inter.IsCA && inter.MaxPathLen == 0 && inter.MaxPathLenZero)
	require.Equal(t, x509.KeyUsageCertSign|x509.KeyUsageCRLSign, inter.KeyUsage)
	require.NoError(t, inter.CheckSignatureFrom(root))
	require.Equal(t, root.SubjectKeyId, inter.AuthorityKeyId)
	require.Empty(t, inter.DNSNames)

	var defaults map[string]string
	b, err := os.ReadFile(filepath.Join(dir, "config", "defaults.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &defaults))
	require.Equal(t, stepconfig.Fingerprint(root), defaults["fingerprint"])
	require.Equal(t, "https://localhost:9000", defaults["ca-url"])
}

func certificate(t *testing.T, path string) *x509.Certificate {
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	p, rest := pem.Decode(b)
	require.NotNil(t, p)
	require.Empty(t, rest)
	c, err := x509.ParseCertificate(p.Bytes)
	require.NoError(t, err)
	return c
}

func TestInitRefusesWhatIsThere(t *testing.T) {
	_, dir, _ := copyCA(t)
	before, err := os.ReadFile(filepath.Join(dir, "secrets", "root_ca_key"))
	require.NoError(t, err)
	_, err = stepconfig.Init(t.Context(), stepconfig.InitOptions{Dir: dir, Name: "Other", DNSNames: []string{"x"}, Password: []byte("x")})
	require.ErrorContains(t, err, "no CA is made over another")
	after, err := os.ReadFile(filepath.Join(dir, "secrets", "root_ca_key"))
	require.NoError(t, err)
	require.Equal(t, before, after)

	unfinished := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(unfinished, ".chancery-init"), 0o700))
	_, err = stepconfig.Init(t.Context(), stepconfig.InitOptions{Dir: unfinished, Name: "Other", DNSNames: []string{"x"}, Password: []byte("x")})
	require.ErrorIs(t, err, stepconfig.ErrUnfinished)

	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	dir = t.TempDir()
	_, err = stepconfig.Init(canceled, stepconfig.InitOptions{Dir: dir, Name: "Other", DNSNames: []string{"x"}, Password: []byte("x")})
	require.ErrorIs(t, err, context.Canceled)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left, "a failed Init leaves nothing")

	_, err = stepconfig.Init(t.Context(), stepconfig.InitOptions{Dir: dir, Address: "x", DNSNames: []string{"a b"}})
	for _, want := range []string{"no name", `"a b"`, `"x" is not host:port`, "password"} {
		require.ErrorContains(t, err, want)
	}
}

func TestConfigIssues(t *testing.T) {
	f, _, key := copyCA(t)
	store, err := f.OpenStore(t.Context(), nil)
	require.NoError(t, err)
	defer store.Close()
	second, err := f.OpenStore(t.Context(), nil)
	require.Nil(t, second)
	require.ErrorIs(t, err, authority.ErrLocked)

	c, err := f.Config(t.Context(), stepconfig.Options{Password: password("hunter2"), Store: store})
	require.NoError(t, err)
	ca, err := authority.New(*c)
	require.NoError(t, err)
	defer ca.Close()

	id, err := authority.NewIdentity(t.Context(), ca, authority.IdentityOptions{Provisioner: stepconfig.Identity, CommonName: f.CommonName, Names: f.DNSNames})
	require.NoError(t, err)
	own, err := id.Certificate(t.Context())
	require.NoError(t, err)
	require.Equal(t, "Step Online CA", own.Leaf.Subject.CommonName)
	require.NoError(t, own.Leaf.VerifyHostname("127.0.0.1"))
	require.Len(t, own.Certificate, 2)

	for _, audience := range []string{"https://localhost:9000/1.0/sign", "https://localhost/1.0/sign"} {
		got, err := ca.Issue(t.Context(), &authority.Request{Token: token(t, key, audience), CSR: request(t, "db.internal")})
		require.NoError(t, err)
		require.Equal(t, []string{"db.internal"}, got.Leaf.DNSNames)
		require.Equal(t, "admin", got.Record.Provisioner)
	}
	_, err = ca.Issue(t.Context(), &authority.Request{Token: token(t, key, "https://localhost:9001/1.0/sign"), CSR: request(t, "db.internal")})
	require.ErrorIs(t, err, authority.Unauthenticated)
}

func token(t *testing.T, key *jose.JSONWebKey, audience string) string {
	s, err := jwk.NewSigner("admin", *key)
	require.NoError(t, err)
	tok, err := s.Sign(provisioner.Ticket{Audience: audience, Subject: "db.internal"})
	require.NoError(t, err)
	return tok
}

func request(t *testing.T, name string) *x509.CertificateRequest {
	key, err := kms.Generate(kms.ECDSAP256)
	require.NoError(t, err)
	csr, err := authority.NewRequest(key, name, provisioner.ParseNames([]string{name}))
	require.NoError(t, err)
	return csr
}

func TestConfigFaults(t *testing.T) {
	f, dir := initCA(t)
	_, err := f.Config(t.Context(), stepconfig.Options{Password: password("wrong"), Store: authority.NewMemory()})
	require.ErrorIs(t, err, kms.ErrPassword)
	fs := stepconfig.Faults(err)
	require.Len(t, fs, 1)
	require.Equal(t, "key", fs[0].Path)
	require.NotZero(t, fs[0].Line)
	require.NotContains(t, err.Error(), "wrong password: wrong")

	require.NoError(t, os.Remove(filepath.Join(dir, "certs", "root_ca.crt")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "certs", "intermediate_ca.crt"), []byte("nothing"), 0o600))
	_, err = f.Config(t.Context(), stepconfig.Options{Password: password("hunter2"), Store: authority.NewMemory()})
	fs = stepconfig.Faults(err)
	require.Len(t, fs, 2)
	require.Equal(t, "root", fs[0].Path)
	require.Equal(t, "crt", fs[1].Path)
	require.ErrorContains(t, fs[1], "holds no certificate")
}

func TestInitWithHTTP(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	f, err := stepconfig.Init(t.Context(), stepconfig.InitOptions{
		Dir: dir, Name: "Test", DNSNames: []string{"ca.internal"}, HTTP: "127.0.0.1:9080", Password: []byte("hunter2"), KeepPassword: true,
	})
	require.NoError(t, err)
	require.Empty(t, f.Warnings)
	require.Equal(t, "127.0.0.1:9080", f.Insecure)
	require.Equal(t, stepconfig.CRL{Enabled: true}, f.CRL)
	require.True(t, f.OCSP)
	for listens, at := range map[string]string{"": "http://ca.internal:9080", "127.0.0.1:8080": "http://ca.internal:8080"} {
		c, err := f.Config(t.Context(), stepconfig.Options{Password: password("hunter2"), Store: authority.NewMemory(), HTTP: listens})
		require.NoError(t, err)
		i := c.Issuers[0]
		require.Equal(t, authority.Pointers{
			CRLDistributionPoints: []string{at + "/crl/" + i.Name + ".crl"}, OCSPServers: []string{at + "/ocsp"},
			IssuingCertificateURLs: []string{at + "/issuers/" + i.Name + ".cer"},
		}, i.Pointers)
		_, err = authority.New(*c)
		require.NoError(t, err)
	}
	_, err = stepconfig.Init(t.Context(), stepconfig.InitOptions{Dir: t.TempDir(), Name: "Test", DNSNames: []string{"x"}, HTTP: "80", Password: []byte("x")})
	require.ErrorContains(t, err, `"80" is not host:port`)
}

func TestOpenStoreReadOnly(t *testing.T) {
	f, _, _ := copyCA(t)
	_, err := f.OpenStore(t.Context(), &stepconfig.StoreOptions{ReadOnly: true})
	require.ErrorIs(t, err, os.ErrNotExist, "nothing was ever issued")
	w, err := f.OpenStore(t.Context(), nil)
	require.NoError(t, err)
	defer w.Close()
	r, err := f.OpenStore(t.Context(), &stepconfig.StoreOptions{ReadOnly: true})
	require.NoError(t, err)
	defer r.Close()
	_, err = r.List(t.Context(), authority.Query{})
	require.NoError(t, err)
	require.ErrorIs(t, r.SetMark(t.Context(), "x", time.Now()), authority.ErrReadOnly)

	f.DB = stepconfig.DB{}
	_, err = f.OpenStore(t.Context(), &stepconfig.StoreOptions{ReadOnly: true})
	require.ErrorContains(t, err, "in the server's memory only")
}
