package interop

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCertificate(t *testing.T) {
	t.Parallel()
	s := shared(t)
	c := user(t, s)
	leaf := c.certificate("srv", "srv.internal", "--san", "srv.internal", "--san", "10.1.2.3", "--san", "joe@example.com", "--san", "spiffe://example.com/srv")
	require.Equal(t, "srv.internal", leaf.Subject.CommonName)
	require.Equal(t, []string{"srv.internal"}, leaf.DNSNames)
	require.Equal(t, []string{"joe@example.com"}, leaf.EmailAddresses)
	require.Len(t, leaf.IPAddresses, 1)
	require.Len(t, leaf.URIs, 1)
	require.Len(t, parse(t, c.path("srv.crt")), 2, "leaf and intermediate, no root")

	text := c.run("openssl", "x509", "-in", "srv.crt", "-noout", "-text")
	for _, want := range []string{
		"DNS:srv.internal", "IP Address:10.1.2.3", "email:joe@example.com", "URI:spiffe://example.com/srv",
		"TLS Web Server Authentication, TLS Web Client Authentication", "X509v3 Key Usage: critical", "Digital Signature",
		"X509v3 Subject Key Identifier", "X509v3 Authority Key Identifier", "1.3.6.1.4.1.37476.9000.64.1",
	} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "CA:TRUE")
	require.Contains(t, c.run("openssl", "asn1parse", "-in", "srv.crt"), "1.3.6.1.4.1.37476.9000.64.1")

	c.step("certificate", "verify", "srv.crt", "--roots", "certs/root_ca.crt", "--host", "srv.internal")
	inspect := c.step("certificate", "inspect", "srv.crt")
	require.Contains(t, inspect, "Provisioner")
	require.Contains(t, inspect, "admin")
}

func TestTokenIsSpentOnce(t *testing.T) {
	t.Parallel()
	c := user(t, shared(t))
	token := c.token("once.internal")
	c.certificate("first", "once.internal", "--token", token)
	c.denied("second", "once.internal", "--token", token)

	// A token for one name is not for another.
	other := c.token("one.internal")
	c.denied("other", "two.internal", "--token", other)
}

func TestTokenOfAStrangerIsRefused(t *testing.T) {
	t.Parallel()
	s := shared(t)
	c := user(t, s)
	c.step("crypto", "jwk", "create", "stranger.pub", "stranger.json", "--force", "--no-password", "--insecure")
	token := c.token("a.internal", "--key", "stranger.json", "--provisioner", "admin", "--offline",
		"--ca-url", s.url, "--root", "certs/root_ca.crt")
	c.denied("a", "a.internal", "--token", token)
}

func TestKeyTypes(t *testing.T) {
	t.Parallel()
	c := user(t, shared(t))
	for name, flags := range map[string][]string{
		"rsa":     {"--kty", "RSA", "--size", "2048"},
		"p256":    {"--kty", "EC", "--curve", "P-256"},
		"p384":    {"--kty", "EC", "--curve", "P-384"},
		"p521":    {"--kty", "EC", "--curve", "P-521"},
		"ed25519": {"--kty", "OKP", "--curve", "Ed25519"},
	} {
		leaf := c.certificate(name, name+".internal", flags...)
		switch key := leaf.PublicKey.(type) {
		case *rsa.PublicKey:
			require.Equal(t, 2048, key.N.BitLen())
			require.NotZero(t, leaf.KeyUsage&x509.KeyUsageKeyEncipherment, "step's template adds it for RSA")
		case *ecdsa.PublicKey:
			require.Equal(t, "P-"+name[1:], key.Params().Name)
		case ed25519.PublicKey:
			require.Equal(t, "ed25519", name)
		default:
			t.Fatalf("%T", key)
		}
	}
}

func TestWeakKeyIsRefused(t *testing.T) {
	t.Parallel()
	c := user(t, shared(t))
	c.run("openssl", "req", "-new", "-newkey", "rsa:1024", "-nodes", "-keyout", "weak.key", "-out", "weak.csr", "-subj", "/CN=weak.internal")
	out := c.refused("step", "ca", "sign", "weak.csr", "weak.crt", "--force", "--provisioner", "admin", "--provisioner-password-file", "password")
	require.Contains(t, out, "2048", "the user is told why")
}

func TestSignOfAnOpenSSLRequest(t *testing.T) {
	t.Parallel()
	c := user(t, shared(t))
	c.run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "o.key", "-out", "o.csr",
		"-subj", "/CN=o.internal", "-addext", "subjectAltName=DNS:o.internal")
	c.step("ca", "sign", "o.csr", "o.crt", "--force", "--provisioner", "admin", "--provisioner-password-file", "password")
	c.verify("o")
	require.Equal(t, []string{"o.internal"}, c.leaf("o").DNSNames)
}

func TestNotAfter(t *testing.T) {
	t.Parallel()
	c := user(t, shared(t))
	lasts := func(c *x509.Certificate) time.Duration { return time.Until(c.NotAfter) }
	near := func(want time.Duration, c *x509.Certificate) {
		t.Helper()
		require.InDelta(t, want.Seconds(), lasts(c).Seconds(), 30)
	}
	near(24*time.Hour, c.certificate("default", "d.internal"))
	near(time.Hour, c.certificate("duration", "d.internal", "--not-after", "1h"))
	end := time.Now().Add(2 * time.Hour).UTC().Truncate(time.Second)
	at := c.certificate("absolute", "d.internal", "--not-after", end.Format(time.RFC3339))
	require.Equal(t, end, at.NotAfter, "to the second")
	begin := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	later := c.certificate2("later", "d.internal", "--not-before", begin.Format(time.RFC3339), "--not-after", begin.Add(time.Hour).Format(time.RFC3339))
	require.Equal(t, begin.Add(time.Hour), later.NotAfter)

	long := c.denied("long", "d.internal", "--not-after", "25h")
	require.Contains(t, long, "24h", "the limit is named")
	short := c.denied("short", "d.internal", "--not-after", "1m")
	require.Contains(t, short, "5m", "the limit is named")
	c.denied("past", "d.internal", "--not-after", time.Now().Add(-time.Hour).Format(time.RFC3339))
}

// certificate2 is certificate for one that is not valid yet, so that verifying has to wait.
func (c *client) certificate2(name, subject string, flags ...string) *x509.Certificate {
	c.t.Helper()
	c.step(c.certificateArgs(name, subject, flags...)...)
	return c.leaf(name)
}

// A token made without the CA, from its folder, is for the name of the CA without a port.
func TestOfflineToken(t *testing.T) {
	t.Parallel()
	ours(t, "its database lets nobody else in while it runs")
	s := shared(t)
	c := user(t, s)
	token := c.token("off.internal", "--offline", "--ca-config", s.config())
	c.certificate("off", "off.internal", "--token", token)
	c.denied("again", "off.internal", "--token", token)
}

// A token may be for one request only.
func TestConfirmation(t *testing.T) {
	t.Parallel()
	c := user(t, shared(t))
	for _, name := range []string{"mine", "other"} {
		c.step("certificate", "create", "cnf.internal", name+".csr", name+".key", "--csr", "--san", "cnf.internal", "--no-password", "--insecure")
	}
	token := c.token("cnf.internal", "--cnf-file", "mine.csr")
	c.refused("step", "ca", "sign", "other.csr", "other.crt", "--token", token)
	c.step("ca", "sign", "mine.csr", "mine.crt", "--token", c.token("cnf.internal", "--cnf-file", "mine.csr"))
	c.verify("mine")
}
