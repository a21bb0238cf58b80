package main

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/internal/ceremony"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/kms/softkms"
)

// desk is a root's folder and somebody at it.
type desk struct {
	t             *testing.T
	dir, password string
}

// newDesk makes a root with its key in the clear: under a password it is slow to open, all the more under
// the race detector. TestInitAndPassword is about init as it is.
func newDesk(t *testing.T, pathLen, years int) *desk {
	d := &desk{t: t, dir: t.TempDir(), password: filepath.Join(t.TempDir(), "password")}
	require.NoError(t, os.WriteFile(d.password, []byte("secret\n"), 0o600))
	key, err := softkms.New(softkms.Options{Plain: true}).CreateKey(t.Context(), filepath.Join(d.dir, keyFile), kms.ECDSAP256)
	require.NoError(t, err)
	root, err := authority.SelfSign(t.Context(), authority.Root{
		Subject: pkix.Name{CommonName: "Test Root CA"}, Life: time.Duration(years) * year, MaxPathLen: pathLen,
	}, key)
	require.NoError(t, err)
	require.NoError(t, writeNew(filepath.Join(d.dir, certificateFile), encode(root)))
	return d
}

// run runs a command, with the folder's flags put in, and answers what it asks.
func (d *desk) run(answers string, args ...string) (string, error) {
	var out bytes.Buffer
	args = append([]string{args[0], "-dir", d.dir, "-password-file", d.password}, args[1:]...)
	err := run(d.t.Context(), args, &terminal{in: bufio.NewReader(strings.NewReader(answers)), out: &out})
	return out.String(), err
}

func (d *desk) request(csr *x509.CertificateRequest) (path string, key crypto.Signer) {
	key, err := kms.Generate(kms.ECDSAP256)
	require.NoError(d.t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, csr, key)
	require.NoError(d.t, err)
	path = filepath.Join(d.t.TempDir(), "request.csr")
	require.NoError(d.t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), 0o600))
	return path, key
}

func (d *desk) read(path string) *x509.Certificate {
	b, err := os.ReadFile(path)
	require.NoError(d.t, err)
	p, _ := pem.Decode(b)
	require.NotNil(d.t, p)
	c, err := x509.ParseCertificate(p.Bytes)
	require.NoError(d.t, err)
	return c
}

var someCA = &x509.CertificateRequest{Subject: pkix.Name{Organization: []string{"Test"}, Country: []string{"NO"}, CommonName: "Test Issuing CA"}}

func TestSignIntermediate(t *testing.T) {
	d := newDesk(t, 1, 20)
	csr, _ := d.request(someCA)
	out := filepath.Join(t.TempDir(), "ca.crt")

	text, err := d.run("no\n", "sign-intermediate", "-out", out, csr)
	require.ErrorIs(t, err, errRefused)
	for _, want := range []string{"CN=Test Issuing CA,O=Test,C=NO", "ECDSA P-256", "only leaves below it", "Sign it?"} {
		require.Contains(t, text, want)
	}
	require.NoFileExists(t, out)
	_, err = d.run("", "sign-intermediate", "-out", out, csr)
	require.ErrorContains(t, err, "nobody answered")
	require.NoFileExists(t, out)

	_, err = d.run("yes\n", "sign-intermediate", "-out", out, csr)
	require.NoError(t, err)
	root, c := d.read(filepath.Join(d.dir, certificateFile)), d.read(out)
	require.NoError(t, c.CheckSignatureFrom(root))
	require.Equal(t, "CN=Test Issuing CA,O=Test,C=NO", c.Subject.String())
	require.True(t, c.IsCA && c.MaxPathLen == 0 && c.MaxPathLenZero)
	require.Equal(t, x509.KeyUsageCertSign|x509.KeyUsageCRLSign, c.KeyUsage)
	require.Empty(t, c.ExtKeyUsage)
	require.WithinDuration(t, time.Now().Add(10*year), c.NotAfter, time.Minute)

	b, err := os.ReadFile(filepath.Join(d.dir, indexFile))
	require.NoError(t, err)
	var line struct {
		Type    string
		Subject string
		Data    struct{ Subject string }
	}
	require.NoError(t, json.Unmarshal(bytes.TrimSpace(b), &line), "one line: what was signed")
	require.Equal(t, string(authority.SerialOf(c.SerialNumber)), line.Subject)
	require.Contains(t, line.Data.Subject, "Test Issuing CA")

	_, err = d.run("", "sign-intermediate", "-yes", "-out", out, csr)
	require.ErrorContains(t, err, "exists", "never writes over a certificate")
}

func TestCutToTheRootsLife(t *testing.T) {
	d := newDesk(t, 1, 2)
	csr, _ := d.request(someCA)
	out := filepath.Join(t.TempDir(), "ca.crt")
	text, err := d.run("", "sign-intermediate", "-yes", "-out", out, csr)
	require.NoError(t, err)
	root := d.read(filepath.Join(d.dir, certificateFile))
	require.Equal(t, root.NotAfter, d.read(out).NotAfter)
	require.Contains(t, text, "to "+day(root.NotAfter)+"\n", "the summary has the real end")
}

func TestRefusesWhatIsNoCA(t *testing.T) {
	d := newDesk(t, 1, 20)
	ext := func(oid []int, value string) []pkix.Extension {
		return []pkix.Extension{{Id: oid, Value: []byte(value)}}
	}
	name := pkix.Name{CommonName: "x"}
	for want, csr := range map[string]*x509.CertificateRequest{
		"alternative names":      {Subject: name, DNSNames: []string{"web.internal"}},
		"extended key usage":     {Subject: name, ExtraExtensions: ext(oidExtKeyUsage, "\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01")},
		"CA:FALSE":               {Subject: name, ExtraExtensions: ext(oidBasicConstraints, "\x30\x00")},
		"certificate signing":    {Subject: name, ExtraExtensions: ext(oidKeyUsage, "\x03\x02\x07\x80")},
		"extension 1.2.3, which": {Subject: name, ExtraExtensions: ext([]int{1, 2, 3}, "\x05\x00")},
		"common name":            {Subject: pkix.Name{Organization: []string{"x"}}},
		"cannot be read":         {Subject: name, ExtraExtensions: ext(oidBasicConstraints, "nonsense")},
	} {
		path, _ := d.request(csr)
		out := filepath.Join(t.TempDir(), "x.crt")
		_, err := d.run("", "sign-intermediate", "-yes", "-out", out, path)
		require.ErrorContains(t, err, want)
		require.NoFileExists(t, out)
	}
	require.NoFileExists(t, filepath.Join(d.dir, indexFile), "nothing was signed")

	path, _ := d.request(&x509.CertificateRequest{Subject: name, ExtraExtensions: ext(oidBasicConstraints, "\x30\x03\x01\x01\xff")})
	_, err := d.run("", "sign-intermediate", "-yes", "-out", filepath.Join(t.TempDir(), "x.crt"), path)
	require.NoError(t, err, "CA:TRUE is what it gives")

	b, err := os.ReadFile(path)
	require.NoError(t, err)
	p, _ := pem.Decode(b)
	p.Bytes[len(p.Bytes)-1] ^= 1
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(p), 0o600))
	_, err = d.run("", "sign-intermediate", "-yes", "-out", filepath.Join(t.TempDir(), "x.crt"), path)
	require.Error(t, err, "a request that its key did not sign")
}

func TestPathLength(t *testing.T) {
	d := newDesk(t, 2, 20)
	csr, _ := d.request(someCA)
	_, err := d.run("", "sign-intermediate", "-yes", "-path-len", "2", "-out", filepath.Join(t.TempDir(), "x"), csr)
	require.ErrorContains(t, err, "no room for a path length of 2")

	// Four tiers, and one too many.
	csr, key1 := d.request(someCA)
	out := filepath.Join(t.TempDir(), "tier2.crt")
	_, err = d.run("", "sign-intermediate", "-yes", "-path-len", "1", "-out", out, csr)
	require.NoError(t, err)
	root, tier2 := d.read(filepath.Join(d.dir, certificateFile)), d.read(out)
	tier3, key2 := below(t, []*x509.Certificate{tier2, root}, key1, 0)
	_, err = x509.ParseCertificate(tier3.Raw)
	require.NoError(t, err)
	ca, err := ceremony.New(ceremony.CA{Chain: []*x509.Certificate{tier3, tier2, root}, Signer: kms.FromCrypto(key2), Store: authority.NewMemory(), Life: year})
	require.NoError(t, err)
	_, err = ceremony.Sign(t.Context(), ca, parse(t, csr), authority.When{})
	require.Error(t, err, "a CA of path length 0 signs no CA")
}

func below(t *testing.T, chain []*x509.Certificate, key crypto.Signer, pathLen int) (*x509.Certificate, crypto.Signer) {
	ca, err := ceremony.New(ceremony.CA{Chain: chain, Signer: kms.FromCrypto(key), Store: authority.NewMemory(), Life: year, MaxPathLen: pathLen})
	require.NoError(t, err)
	next, err := kms.Generate(kms.ECDSAP256)
	require.NoError(t, err)
	csr, err := ceremony.Request(t.Context(), pkix.Name{CommonName: "Below " + chain[0].Subject.CommonName}, kms.FromCrypto(next))
	require.NoError(t, err)
	c, err := ceremony.Sign(t.Context(), ca, csr, authority.When{})
	require.NoError(t, err)
	require.Equal(t, pathLen, c.Leaf.MaxPathLen)
	return c.Leaf, next
}

func parse(t *testing.T, path string) *x509.CertificateRequest {
	csr, err := readRequest(path)
	require.NoError(t, err)
	return csr
}

func TestCRL(t *testing.T) {
	d := newDesk(t, 1, 20)
	out, crl := filepath.Join(t.TempDir(), "ca.crt"), filepath.Join(t.TempDir(), "root.crl")
	csr, _ := d.request(someCA)
	_, err := d.run("", "sign-intermediate", "-yes", "-out", out, csr)
	require.NoError(t, err)
	root, c := d.read(filepath.Join(d.dir, certificateFile)), d.read(out)

	list := func() *x509.RevocationList {
		_, err := d.run("", "crl", "-out", crl)
		require.NoError(t, err)
		b, err := os.ReadFile(crl)
		require.NoError(t, err)
		l, err := x509.ParseRevocationList(b)
		require.NoError(t, err)
		require.NoError(t, l.CheckSignatureFrom(root))
		return l
	}
	first := list()
	require.Empty(t, first.RevokedCertificateEntries)

	serial := authority.SerialOf(c.SerialNumber)
	_, err = d.run("no\n", "revoke", "0x"+string(serial))
	require.ErrorIs(t, err, errRefused)
	require.Empty(t, list().RevokedCertificateEntries)
	_, err = d.run("yes\n", "revoke", "-reason", "1", serial.Decimal())
	require.NoError(t, err)
	last := list()
	require.Len(t, last.RevokedCertificateEntries, 1)
	require.Equal(t, c.SerialNumber, last.RevokedCertificateEntries[0].SerialNumber)
	require.Equal(t, 1, last.RevokedCertificateEntries[0].ReasonCode)
	require.Equal(t, "1 3", first.Number.String()+" "+last.Number.String(), "numbers rise")

	_, err = d.run("", "revoke", "-yes", "0x1234")
	require.ErrorIs(t, err, authority.NotFound)
	_, err = d.run("", "revoke", "-yes", serial.Decimal())
	require.ErrorIs(t, err, authority.Conflict)
}

func TestInitAndPassword(t *testing.T) {
	d := newDesk(t, 1, 20)
	_, err := d.run("", "init", "-name", "Other")
	require.ErrorContains(t, err, "no root is made over another")
	// Without a password file somebody is asked; for a new key, twice.
	ask := func(dir, answers string, args ...string) error {
		args = append([]string{args[0], "-dir", dir}, args[1:]...)
		return run(t.Context(), args, &terminal{in: bufio.NewReader(strings.NewReader(answers)), out: &bytes.Buffer{}})
	}
	dir := filepath.Join(t.TempDir(), "root")
	require.ErrorContains(t, ask(dir, "a\nb\n", "init", "-name", "Asked"), "not the same")
	require.NoError(t, ask(dir, "a\na\n", "init", "-name", "Asked", "-key", "Ed25519"))
	require.NoError(t, ask(dir, "a\n", "crl", "-out", filepath.Join(dir, "root.pem")))
	require.ErrorIs(t, ask(dir, "", "crl", "-password-file", d.password, "-out", filepath.Join(dir, "root.pem")), kms.ErrPassword)
	if runtime.GOOS != "windows" {
		info, err := os.Stat(filepath.Join(dir, keyFile))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}

	require.ErrorIs(t, ask(dir, "", "help"), flag.ErrHelp)
	require.ErrorContains(t, ask(dir, "", "sign"), `no command "sign"`)
	require.ErrorContains(t, ask(dir, "", "crl", "stray"), "wants 0 arguments")
}

func TestOpenSSLAgrees(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CHANCERY_INTEROP") == "require" {
			t.Fatal("openssl is not installed")
		}
		t.Skip("openssl is not installed")
	}
	d := newDesk(t, 1, 20)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	do := func(args ...string) string {
		b, err := exec.CommandContext(t.Context(), openssl, args...).CombinedOutput()
		require.NoError(t, err, "openssl %q: %s", args, b)
		return string(b)
	}
	do("req", "-new", "-newkey", "rsa:3072", "-nodes", "-keyout", file("key"), "-out", file("csr"), "-subj", "/O=Test/CN=Test Issuing CA",
		"-addext", "basicConstraints=critical,CA:true", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
	_, err = d.run("", "sign-intermediate", "-yes", "-out", file("crt"), file("csr"))
	require.NoError(t, err)
	root := filepath.Join(d.dir, certificateFile)
	do("verify", "-x509_strict", "-CAfile", root, root)
	do("verify", "-x509_strict", "-CAfile", root, file("crt"))
	_, err = d.run("", "crl", "-out", file("crl.pem"))
	require.NoError(t, err)
	require.Contains(t, do("crl", "-in", file("crl.pem"), "-CAfile", root, "-noout", "-text"), "verify OK")
	do("verify", "-x509_strict", "-crl_check", "-CRLfile", file("crl.pem"), "-CAfile", root, file("crt"))
	_, err = d.run("", "revoke", "-yes", authority.SerialOf(d.read(file("crt")).SerialNumber).Decimal())
	require.NoError(t, err)
	_, err = d.run("", "crl", "-out", file("crl.pem"))
	require.NoError(t, err)
	b, err := exec.CommandContext(t.Context(), openssl, "verify", "-crl_check", "-CRLfile", file("crl.pem"), "-CAfile", root, file("crt")).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(b), "revoked")
}
