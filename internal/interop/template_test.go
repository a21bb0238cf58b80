package interop

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func by(provisioner string, more ...string) []string {
	return append([]string{"--provisioner", provisioner, "--provisioner-password-file", "password"}, more...)
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	c := user(t, laboratory(t))
	leaf := c.certificate("t", "t.internal", by("team", "--set", "team=payments")...)
	require.Equal(t, []string{"payments"}, leaf.Subject.OrganizationalUnit)
	require.Equal(t, []string{"Interop"}, leaf.Subject.Organization)
	require.Equal(t, []string{"t.internal"}, leaf.DNSNames)
	text := c.run("openssl", "x509", "-in", "t.crt", "-noout", "-text", "-certopt", "ext_parse")
	require.Contains(t, text, "1.3.6.1.4.1.99999.1")
	require.Contains(t, text, "made to measure")
	require.Contains(t, text, "1.3.6.1.4.1.99999.2")
	require.NotContains(t, text, "TLS Web Server Authentication")

	// What a template says is kept by a renewal.
	time.Sleep(1100 * time.Millisecond)
	renewed := c.renew("t")
	require.Equal(t, leaf.RawSubject, renewed.RawSubject)
	require.Equal(t, leaf.ExtKeyUsage, renewed.ExtKeyUsage)

	file := c.write("set.json", `{"team": "from a file"}`)
	leaf = c.certificate("f", "f.internal", by("team", "--set-file", file)...)
	require.Equal(t, []string{"from a file"}, leaf.Subject.OrganizationalUnit)
}

func TestHostileTextStaysText(t *testing.T) {
	t.Parallel()
	c := user(t, laboratory(t))
	set := c.write("set.json", `{"team": "x\"]}, \"basicConstraints\": {\"isCA\": true}, \"dnsNames\": [\"bank.example.com\"], \"z\": {\"y\": [\""}`)
	for _, provisioner := range []string{"team", "raw"} {
		if provisioner == "raw" && peer() {
			continue // there it is no text
		}
		leaf := c.certificate(provisioner, "t.internal", by(provisioner, "--set-file", set)...)
		require.Len(t, leaf.Subject.OrganizationalUnit, 1)
		require.Contains(t, leaf.Subject.OrganizationalUnit[0], "bank.example.com")
		require.False(t, leaf.IsCA)
		require.Equal(t, []string{"t.internal"}, leaf.DNSNames)
	}
	// Nor from a CSR.
	c.run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "h.key", "-out", "h.csr",
		"-subj", "/CN=h.internal/OU="+`x"}\, "isCA": true\, "y": {"z": "`)
	c.step("ca", "sign", "h.csr", "h.crt", "--force", "--provisioner", "admin", "--provisioner-password-file", "password")
	require.False(t, c.leaf("h").IsCA)
}

// A template is the operator's, so it may add a name; what it may not is make a CA where none belongs.
func TestTemplateOfACA(t *testing.T) {
	t.Parallel()
	ours(t, "there it fails later, and differently")
	c := user(t, laboratory(t))
	leaf := c.certificate("own", "t.internal", by("own")...)
	require.Equal(t, []string{"bank.example.com"}, leaf.DNSNames)
	c.denied("ca", "t.internal", by("ca")...)
}

// K01: a default above the usual maximum raises that.
func TestDefaultDuration(t *testing.T) {
	t.Parallel()
	c := user(t, laboratory(t))
	leaf := c.certificate("w", "w.internal", by("workloads")...)
	require.InDelta(t, (720 * time.Hour).Seconds(), time.Until(leaf.NotAfter).Seconds(), 60)
	require.Contains(t, c.denied("long", "w.internal", by("workloads", "--not-after", "721h")...), "720h")
}

func TestX5C(t *testing.T) {
	t.Parallel()
	s := laboratory(t)
	c := user(t, s)
	identity := c.certificate("me", "me.internal", "--not-after", "1h")
	x5c := []string{"--provisioner", "x5c", "--x5c-cert", "me.crt", "--x5c-key", "me.key"}
	leaf := c.certificate("srv", "srv.internal", slices.Concat(x5c, []string{"--not-after", "10m"})...)
	require.Equal(t, []string{"srv.internal"}, leaf.DNSNames)

	// Nothing outlives what vouched for it.
	leaf = c.certificate("default", "srv.internal", x5c...)
	require.False(t, leaf.NotAfter.After(identity.NotAfter))
	c.denied("long", "srv.internal", slices.Concat(x5c, []string{"--not-after", "2h"})...)

	// A certificate of nobody vouches for nothing.
	c.step("certificate", "create", "stranger", "s.crt", "s.key", "--profile", "self-signed", "--subtle", "--no-password", "--insecure")
	c.denied("stranger", "srv.internal", "--provisioner", "x5c", "--x5c-cert", "s.crt", "--x5c-key", "s.key")

	token := c.token("once.internal", x5c...)
	c.certificate("first", "once.internal", "--token", token)
	c.denied("second", "once.internal", "--token", token)
}
