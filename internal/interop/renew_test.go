package interop

import (
	"crypto/x509"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func (c *client) renew(name string, flags ...string) *x509.Certificate {
	c.t.Helper()
	c.step(append([]string{"ca", "renew", name + ".crt", name + ".key", "--force"}, flags...)...)
	c.verify(name)
	return c.leaf(name)
}

func (c *client) renewalRefused(name string, flags ...string) string {
	c.t.Helper()
	before := c.read(name + ".crt")
	out := c.refused("step", append([]string{"ca", "renew", name + ".crt", name + ".key", "--force"}, flags...)...)
	require.Equal(c.t, before, c.read(name+".crt"))
	return out
}

// sameAs compares what a renewal just now has to keep: all that is said, and how long it lasts. Lengths are
// not compared, as a CA that is younger than the backdating of its certificates cuts that.
func sameAs(t *testing.T, old, renewed *x509.Certificate, life time.Duration) {
	t.Helper()
	require.NotEqual(t, old.SerialNumber, renewed.SerialNumber)
	require.Equal(t, old.RawSubject, renewed.RawSubject)
	require.Equal(t, old.DNSNames, renewed.DNSNames)
	require.Equal(t, old.ExtKeyUsage, renewed.ExtKeyUsage)
	require.InDelta(t, life.Seconds(), time.Until(renewed.NotAfter).Seconds(), 10, "as long as before")
	require.True(t, renewed.NotAfter.After(old.NotAfter), "later end")
}

func TestRenew(t *testing.T) {
	t.Parallel()
	c := user(t, shared(t))
	old := c.certificate("srv", "srv.internal", "--san", "srv.internal", "--san", "alias.internal", "--not-after", "1h")
	time.Sleep(1100 * time.Millisecond) // certificates count seconds

	renewed := c.renew("srv")
	sameAs(t, old, renewed, time.Hour)
	require.Equal(t, old.RawSubjectPublicKeyInfo, renewed.RawSubjectPublicKeyInfo)

	time.Sleep(1100 * time.Millisecond)
	again := c.renew("srv", "--mtls=false")
	sameAs(t, renewed, again, time.Hour)
	require.Equal(t, old.RawSubjectPublicKeyInfo, again.RawSubjectPublicKeyInfo)
}

func TestRekey(t *testing.T) {
	t.Parallel()
	c := user(t, shared(t))
	old := c.certificate("srv", "srv.internal", "--not-after", "1h")
	oldKey := c.read("srv.key")
	time.Sleep(1100 * time.Millisecond)
	c.step("ca", "rekey", "srv.crt", "srv.key", "--force")
	c.verify("srv")
	rekeyed := c.leaf("srv")
	sameAs(t, old, rekeyed, time.Hour)
	require.NotEqual(t, old.RawSubjectPublicKeyInfo, rekeyed.RawSubjectPublicKeyInfo)
	require.NotEqual(t, old.SubjectKeyId, rekeyed.SubjectKeyId)
	require.NotEqual(t, oldKey, c.read("srv.key"))
	c.pair("srv") // the key fits
}

func TestRenewExpired(t *testing.T) {
	t.Parallel()
	ours(t, "it judges the chain as of a minute before the end, when this young intermediate did not exist")
	s := laboratory(t)
	c := user(t, s)
	old := c.certificate("allowed", "e.internal", "--not-after", "2s", "--provisioner", "patient", "--provisioner-password-file", "password")
	c.certificate("refused", "e.internal", "--not-after", "2s", "--provisioner", "hasty", "--provisioner-password-file", "password")
	time.Sleep(time.Until(c.leaf("refused").NotAfter) + 1200*time.Millisecond)

	c.step("ca", "renew", "allowed.crt", "allowed.key", "--force")
	c.verify("allowed")
	sameAs(t, old, c.leaf("allowed"), 2*time.Second)
	require.Contains(t, c.renewalRefused("refused"), "expired")
}

func TestRenewalDisabled(t *testing.T) {
	t.Parallel()
	s := laboratory(t)
	c := user(t, s)
	c.certificate("srv", "srv.internal", "--provisioner", "final", "--provisioner-password-file", "password")
	c.renewalRefused("srv")
	c.renewalRefused("srv", "--mtls=false")
	status, _ := s.post(t, "/renew", nil, c.pair("srv"))
	require.Equal(t, http.StatusUnauthorized, status)
}

func TestRevokeByToken(t *testing.T) {
	t.Parallel()
	s := laboratory(t)
	c := user(t, s)
	leaf := c.certificate("srv", "srv.internal")
	serial := leaf.SerialNumber.String()

	if !peer() { // step-ca lets any provisioner revoke anything
		foreign := c.token(serial, "--revoke", "--provisioner", "hasty")
		out := c.refused("step", "ca", "revoke", serial, "--token", foreign)
		require.NotContains(t, out, serial+" has been revoked")
		time.Sleep(1100 * time.Millisecond)
		c.renew("srv")
		leaf = c.leaf("srv")
		serial = leaf.SerialNumber.String()
	}
	// A token for another serial, or made to sign, revokes nothing.
	require.Contains(t, c.token("12345", "--revoke"), ".")
	c.refused("step", "ca", "revoke", serial, "--token", c.read("token"))
	c.refused("step", "ca", "revoke", serial, "--token", c.token(serial))

	c.step("ca", "revoke", serial, "--token", c.token(serial, "--revoke"), "--reasonCode", "1", "--reason", "lost")
	c.renewalRefused("srv")
	c.renewalRefused("srv", "--mtls=false")
	c.refused("step", "ca", "rekey", "srv.crt", "srv.key", "--force")
	status, _ := s.post(t, "/renew", nil, c.pair("srv"))
	require.Equal(t, http.StatusUnauthorized, status)
	c.refused("step", "ca", "revoke", serial, "--token", c.token(serial, "--revoke"))
}

func TestRevokeByCertificate(t *testing.T) {
	t.Parallel()
	c := user(t, shared(t))
	c.certificate("srv", "srv.internal")
	other := c.certificate("other", "other.internal")
	out := c.refused("step", "ca", "revoke", other.SerialNumber.String(), "--cert", "srv.crt", "--key", "srv.key")
	require.NotContains(t, out, "has been revoked")

	c.step("ca", "revoke", "--cert", "srv.crt", "--key", "srv.key")
	c.renewalRefused("srv")
	c.renewalRefused("srv", "--mtls=false")
	time.Sleep(1100 * time.Millisecond)
	c.renew("other")
}

// Any client that can do mutual TLS can renew.
func TestRenewByCurl(t *testing.T) {
	t.Parallel()
	s := shared(t)
	c := user(t, s)
	c.certificate("srv", "srv.internal")
	curl := []string{"-sS", "--noproxy", "*", "--cacert", "certs/root_ca.crt", "-X", "POST", "-o", "answer.json", "-w", "%{http_code}", s.url + "/1.0/renew"}
	require.Equal(t, "201", c.run("curl", append(curl, "--cert", "srv.crt", "--key", "srv.key")...))
	require.Contains(t, c.read("answer.json"), `"certChain"`)
	require.Equal(t, "400", c.run("curl", curl...), "without a credential")
}
