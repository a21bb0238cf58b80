package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/template"
	"github.com/chancery-ca/chancery/template/step"
)

var buildRootCA = sync.OnceValues(func() ([]byte, error) {
	return exec.Command(find("go"), "build", "-o", filepath.Join(scratch, "rootca"), "../../examples/rootca").CombinedOutput()
})

// rootCA runs examples/rootca.
func (c *client) rootCA(args ...string) (string, error) {
	c.t.Helper()
	need(c.t, "go")
	out, err := buildRootCA()
	require.NoErrorf(c.t, err, "%s", out)
	cmd := exec.CommandContext(c.t.Context(), filepath.Join(scratch, "rootca"), args...)
	cmd.Dir, cmd.Env = c.home, environment(c.home)
	b, err := cmd.CombinedOutput()
	return string(b), err
}

func (c *client) mustRootCA(args ...string) string {
	c.t.Helper()
	out, err := c.rootCA(args...)
	require.NoErrorf(c.t, err, "rootca %v\n%s", args, out)
	return out
}

// C04: an offline root signs CAs and nothing else; what stands below it works without its key.
func TestOfflineRoot(t *testing.T) {
	t.Parallel()
	ours(t, "a program of ours")
	c := newClient(t)
	c.write("password", password)
	c.mustRootCA("init", "-dir", "root", "-name", "Interop", "-path-len", "2", "-password-file", "password")
	root := filepath.Join("root", "root_ca.crt")
	require.Contains(t, c.run("openssl", "x509", "-in", root, "-noout", "-text"), "CA:TRUE, pathlen:2")
	c.run("openssl", "verify", "-x509_strict", "-CAfile", root, root)

	request := func(name string) {
		c.run("openssl", "ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", name+".sec1")
		c.run("openssl", "pkcs8", "-topk8", "-in", name+".sec1", "-out", name+".key", "-passout", "file:password")
		c.run("openssl", "req", "-new", "-key", name+".key", "-passin", "file:password", "-out", name+".csr", "-subj", "/O=Interop/CN=Interop "+name)
	}
	sign := func(name string, flags ...string) (string, error) {
		args := append([]string{"sign-intermediate", "-dir", "root", "-password-file", "password", "-yes", "-out", name + ".crt"}, flags...)
		return c.rootCA(append(args, name+".csr")...)
	}
	request("online")
	out, err := sign("online")
	require.NoError(t, err, out)
	require.Contains(t, out, "Interop online", "it says what it signs")
	require.Contains(t, c.run("openssl", "x509", "-in", "online.crt", "-noout", "-text"), "CA:TRUE, pathlen:0")
	c.run("openssl", "verify", "-x509_strict", "-CAfile", root, "online.crt")
	request("deep")
	out, err = sign("deep", "-path-len", "2")
	require.Error(t, err, "one tier too many\n%s", out)
	require.NoFileExists(t, c.path("deep.crt"))

	c.run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "leaf.key", "-out", "leaf.csr",
		"-subj", "/CN=leaf.internal", "-addext", "subjectAltName=DNS:leaf.internal")
	out, err = sign("leaf")
	require.Error(t, err, "a request for a leaf\n%s", out)
	require.NoFileExists(t, c.path("leaf.crt"))

	// A server below it, with the root's key far away.
	s := makeFolder(t, options{})
	s.install(t, c.read(root), c.read("online.crt"), c.read("online.key"))
	s.start(t)
	u := user(t, s)
	u.certificate("srv", "srv.internal")
	time.Sleep(1100 * time.Millisecond)
	u.renew("srv")

	// Its CRL is one, before and after it lists something.
	crl := func() string {
		c.mustRootCA("crl", "-dir", "root", "-password-file", "password", "-out", "root.crl.pem")
		return c.run("openssl", "crl", "-in", "root.crl.pem", "-CAfile", root, "-noout", "-text")
	}
	text := crl()
	require.Contains(t, text, "No Revoked Certificates")
	require.Contains(t, text, "verify OK")
	serial := parse(t, c.path("online.crt"))[0].SerialNumber.String()
	out, err = c.rootCA("revoke", "-dir", "root", "-password-file", "password", "-yes", "-reason", "5", serial)
	require.NoError(t, err, out)
	text = crl()
	require.Contains(t, text, "Cessation Of Operation")
	c.write("both.pem", c.read(root)+c.read("root.crl.pem"))
	require.Contains(t, c.refused("openssl", "verify", "-crl_check", "-CAfile", "both.pem", "online.crt"), "revoked")
}

// C20: the template engine makes certificate requests too.
func TestRequestTemplate(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	tpl, err := step.ParseRequest("request.tpl", `{
		"subject": {"commonName": {{ toJson .Subject.CommonName }}, "organization": "Interop"},
		"sans": {{ toJson .SANs }},
		"keyUsage": ["digitalSignature"],
		"extKeyUsage": ["serverAuth"]
	}`)
	require.NoError(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := tpl.Create(&template.Data{
		CommonName: `srv","organization":"Evil`,
		SANs:       []template.SAN{{Type: "dns", Value: "srv.internal"}, {Type: "ip", Value: "10.0.0.1"}},
	}, key)
	require.NoError(t, err)
	c.write("r.csr", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})))
	out := c.run("openssl", "req", "-in", "r.csr", "-noout", "-text", "-verify")
	for _, want := range []string{"verify OK", "DNS:srv.internal", "IP Address:10.0.0.1", "TLS Web Server Authentication", "O = Interop", `CN = "srv\",\"organization\":\"Evil"`} {
		require.Contains(t, out, want)
	}
}
