package interop

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const caExtensions = `[top]
basicConstraints = critical, CA:TRUE, pathlen:2
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[middle]
basicConstraints = critical, CA:TRUE, pathlen:1
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[bottom]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
`

// tier makes a CA certificate with OpenSSL, below another one.
func (c *client) tier(name, section, parent string, key ...string) {
	c.t.Helper()
	if len(key) == 0 {
		key = []string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"}
	}
	c.run("openssl", append([]string{"genpkey", "-out", name + ".key", "-aes256", "-pass", "pass:" + password}, key...)...)
	args := []string{"req", "-new", "-key", name + ".key", "-passin", "pass:" + password, "-subj", "/O=Interop/CN=" + name, "-out", name + ".csr"}
	c.run("openssl", args...)
	sign := []string{"x509", "-req", "-in", name + ".csr", "-out", name + ".crt", "-days", "365", "-extfile", "ext.cnf", "-extensions", section, "-passin", "pass:" + password}
	if parent == "" {
		sign = append(sign, "-signkey", name+".key")
	} else {
		sign = append(sign, "-CA", parent+".crt", "-CAkey", parent+".key", "-CAcreateserial")
	}
	c.run("openssl", sign...)
}

// install puts other CAs in the place of the folder's own. The root's key is not needed.
func (s *server) install(t *testing.T, root, chain, key string) {
	t.Helper()
	for path, text := range map[string]string{s.root(): root, s.intermediate(): chain, filepath.Join(s.dir, "secrets", "intermediate_ca_key"): key} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	require.NoError(t, os.Remove(filepath.Join(s.dir, "secrets", "root_ca_key")))
}

// C06: root, two intermediates and a leaf, with CAs that OpenSSL made.
func TestFourTiers(t *testing.T) {
	t.Parallel()
	s := makeFolder(t, options{byStep: []string{}})
	c := newClient(t)
	c.write("ext.cnf", caExtensions)
	c.tier("top", "top", "")
	c.tier("middle", "middle", "top")
	c.tier("bottom", "bottom", "middle")
	s.install(t, c.read("top.crt"), c.read("bottom.crt")+c.read("middle.crt"), c.read("bottom.key"))
	s.start(t)

	u := user(t, s)
	u.certificate("srv", "srv.internal")
	require.Len(t, parse(t, u.path("srv.crt")), 3, "leaf and both intermediates")
	time.Sleep(1100 * time.Millisecond)
	u.renew("srv")
	u.run("certtool", "--verify", "--load-ca-certificate", "certs/root_ca.crt", "--infile", "srv.crt")
	out := u.run("openssl", "s_client", "-connect", s.at("127.0.0.1"), "-servername", "localhost", "-CAfile", "certs/root_ca.crt", "-verify_return_error", "-x509_strict", "-showcerts")
	require.Contains(t, out, "Verify return code: 0 (ok)")
}

// Issuers of every kind of key sign leaves of every kind.
func TestIssuerKeys(t *testing.T) {
	t.Parallel()
	for name, key := range map[string][]string{
		"rsa":     {"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"},
		"p384":    {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"},
		"p521":    {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"},
		"ed25519": {"-algorithm", "ED25519"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "ed25519" && peer() {
				t.Skip("step-ca's cipher suites are for ECDSA and RSA")
			}
			s := makeFolder(t, options{byStep: []string{}})
			c := newClient(t)
			c.write("ext.cnf", caExtensions)
			c.tier("top", "top", "", key...)
			c.tier("bottom", "bottom", "top", key...)
			s.install(t, c.read("top.crt"), c.read("bottom.crt"), c.read("bottom.key"))
			s.start(t)
			u := user(t, s)
			u.certificate("ec", "srv.internal")
			u.certificate("okp", "srv.internal", "--kty", "OKP", "--curve", "Ed25519")
			u.certificate("rsa", "srv.internal", "--kty", "RSA", "--size", "2048")
			u.run("certtool", "--verify", "--load-ca-certificate", "certs/root_ca.crt", "--infile", "ec.crt")
			time.Sleep(1100 * time.Millisecond)
			u.renew("okp")
		})
	}
}
