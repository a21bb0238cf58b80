package interop

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// user is a client that trusts the server, the way step's documentation says to.
func user(t *testing.T, s *server) *client {
	t.Helper()
	c := newClient(t)
	c.step("ca", "bootstrap", "--ca-url", s.url, "--fingerprint", s.fingerprint(t), "--force")
	c.write("password", password)
	return c
}

// fingerprint is that of the root, by our own arithmetic.
func (s *server) fingerprint(t testing.TB) string {
	sum := sha256.Sum256(parse(t, s.root())[0].Raw)
	return hex.EncodeToString(sum[:])
}

// certificate gets one with the provisioner admin, or with what flags say, as name.crt and name.key.
func (c *client) certificate(name, subject string, flags ...string) *x509.Certificate {
	c.t.Helper()
	c.step(c.certificateArgs(name, subject, flags...)...)
	c.verify(name)
	return c.leaf(name)
}

// denied asks for one that has to be refused, and returns what the user is told.
func (c *client) denied(name, subject string, flags ...string) string {
	c.t.Helper()
	out := c.refused("step", c.certificateArgs(name, subject, flags...)...)
	require.NoFileExists(c.t, c.path(name+".crt"))
	return out
}

// verify has OpenSSL check a chain, by the book. One that ends any moment is judged by its last second.
func (c *client) verify(name string) {
	c.t.Helper()
	args := []string{"verify", "-x509_strict", "-CAfile", "certs/root_ca.crt", "-untrusted", name + ".crt"}
	if end := c.leaf(name).NotAfter; time.Until(end) < time.Minute {
		args = append(args, "-attime", strconv.FormatInt(end.Unix()-1, 10))
	}
	c.run("openssl", append(args, name+".crt")...)
}

func (c *client) certificateArgs(name, subject string, flags ...string) []string {
	args := []string{"ca", "certificate", subject, name + ".crt", name + ".key", "--force"}
	if len(flags) == 0 || !authorizes(flags) {
		args = append(args, "--provisioner", "admin", "--provisioner-password-file", "password")
	}
	return append(args, flags...)
}

// authorizes reports whether flags say themselves who vouches for the request.
func authorizes(flags []string) bool {
	for _, f := range flags {
		if f == "--provisioner" || f == "--token" || f == "--kid" {
			return true
		}
	}
	return false
}

// token asks for a one-time token of the provisioner admin, or of what flags say.
func (c *client) token(subject string, flags ...string) string {
	c.t.Helper()
	args := []string{"ca", "token", subject, "--output-file", "token", "--force", "--password-file", "password"}
	if !authorizes(flags) {
		args = append(args, "--provisioner", "admin")
	}
	c.step(append(args, flags...)...)
	return c.read("token")
}

func (c *client) leaf(name string) *x509.Certificate {
	c.t.Helper()
	return parse(c.t, c.path(name+".crt"))[0]
}

func (c *client) pair(name string) tls.Certificate {
	c.t.Helper()
	p, err := tls.LoadX509KeyPair(c.path(name+".crt"), c.path(name+".key"))
	require.NoError(c.t, err)
	return p
}

func parse(t testing.TB, path string) []*x509.Certificate {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	var out []*x509.Certificate
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		require.NoError(t, err)
		out = append(out, cert)
	}
	require.NotEmpty(t, out, path)
	return out
}

func TestBootstrap(t *testing.T) {
	t.Parallel()
	s := shared(t)
	c := newClient(t)
	c.step("ca", "bootstrap", "--ca-url", s.url, "--fingerprint", s.fingerprint(t))
	require.Equal(t, parse(t, s.root())[0].Raw, parse(t, c.path("certs/root_ca.crt"))[0].Raw)

	stranger := newClient(t)
	wrong := "00" + s.fingerprint(t)[2:]
	stranger.refused("step", "ca", "bootstrap", "--ca-url", s.url, "--fingerprint", wrong)
	require.NoFileExists(t, stranger.path("certs/root_ca.crt"))
}

func TestPublicRoutes(t *testing.T) {
	t.Parallel()
	s := shared(t)
	c := user(t, s)
	root := parse(t, s.root())[0].Raw

	require.Equal(t, "ok\n", c.step("ca", "health"))
	c.step("ca", "root", "root.crt")
	require.Equal(t, root, parse(t, c.path("root.crt"))[0].Raw)
	c.step("ca", "root", "root2.crt", "--fingerprint", s.fingerprint(t), "--ca-url", s.url)
	require.Equal(t, root, parse(t, c.path("root2.crt"))[0].Raw)
	c.step("ca", "roots", "roots.crt")
	require.Equal(t, root, parse(t, c.path("roots.crt"))[0].Raw)
	c.step("ca", "federation", "federation.crt")
	require.Equal(t, root, parse(t, c.path("federation.crt"))[0].Raw)

	list := c.step("ca", "provisioner", "list")
	require.Contains(t, list, `"name": "admin"`)
	require.NotContains(t, list, `"d":`, "a private key is published")

	for _, path := range []string{"/health", "/1.0/health", "/version", "/roots.pem", "/intermediates.pem", "/1.0/roots"} {
		out := c.run("curl", "-sS", "--fail", "--noproxy", "*", "--cacert", c.path("root.crt"), s.url+path)
		require.NotEmpty(t, out, path)
	}
}
