package interop

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// C05: what a TLS client gets to see.
func TestChainOnTheWire(t *testing.T) {
	t.Parallel()
	s := shared(t)
	c := user(t, s)
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		out := c.run("openssl", "s_client", "-connect", s.at("127.0.0.1"), "-servername", "localhost", "-showcerts", version,
			"-CAfile", "certs/root_ca.crt", "-verify_return_error", "-x509_strict", "-verify_hostname", "localhost")
		require.Contains(t, out, "Verify return code: 0 (ok)")
		require.Equal(t, 2, strings.Count(out, "BEGIN CERTIFICATE"), "leaf and intermediate, not the root")
		require.Contains(t, out, "Interop Intermediate CA")
		require.NotContains(t, out, " 2 s:")
	}
	out := c.run("openssl", "s_client", "-connect", s.at("127.0.0.1"), "-servername", "localhost", "-alpn", "h2")
	require.Contains(t, out, "ALPN protocol: h2")
	for _, version := range []string{"-tls1", "-tls1_1"} {
		c.refused("openssl", "s_client", "-connect", s.at("127.0.0.1"), version, "-cipher", "ALL:@SECLEVEL=0")
	}
}

// G02: every name of the CA passes TLS, and no other.
func TestServerNames(t *testing.T) {
	t.Parallel()
	s := shared(t)
	c := user(t, s)
	curl := func(host string) []string {
		return []string{"-sS", "--fail", "--noproxy", "*", "--cacert", "certs/root_ca.crt",
			"--resolve", host + ":" + s.port + ":127.0.0.1", "https://" + host + ":" + s.port + "/health"}
	}
	for _, host := range []string{"localhost", "127.0.0.1", "ca.interop.test"} {
		require.Contains(t, c.run("curl", curl(host)...), "ok", host)
	}
	for _, host := range []string{"other.interop.test", "interop.test", "x.ca.interop.test"} {
		require.Contains(t, c.refused("curl", curl(host)...), "SSL", host)
	}
	client := []string{"s_client", "-connect", s.at("127.0.0.1"), "-CAfile", "certs/root_ca.crt", "-verify_return_error"}
	for _, ip := range []string{"127.0.0.1", "::1"} {
		c.run("openssl", append(client, "-verify_ip", ip)...)
	}
	for _, ip := range []string{"127.0.0.2", "::2"} {
		c.refused("openssl", append(client, "-verify_ip", ip)...)
	}
}

// A client certificate of ours is accepted, one of a stranger ends the handshake, as does an expired one.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	s := shared(t)
	c := user(t, s)
	c.certificate("me", "me.internal")
	c.step("certificate", "create", "stranger", "s.crt", "s.key", "--profile", "self-signed", "--subtle", "--no-password", "--insecure")
	curl := []string{"-sS", "--fail", "--noproxy", "*", "--cacert", "certs/root_ca.crt", s.url + "/health"}
	require.Contains(t, c.run("curl", append(curl, "--cert", "me.crt", "--key", "me.key")...), "ok")
	c.refused("curl", append(curl, "--cert", "s.crt", "--key", "s.key")...)
}
