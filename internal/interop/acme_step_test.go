package interop

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
	acmeserver "github.com/chancery-ca/chancery/acme/server"
	"github.com/chancery-ca/chancery/event"
)

// stepArgs ask the ACME provisioner for a certificate.
func (u *acmeUser) stepArgs(name string, sans []string, args ...string) []string {
	all := []string{"ca", "certificate", sans[0], name + ".crt", name + ".key", "--provisioner", "acme", "--ca-url", u.lab.url, "--root", u.lab.rootFile, "--force"}
	for _, s := range sans {
		all = append(all, "--san", s)
	}
	return append(all, args...)
}

func (l *acmeLab) stepHTTP() []string { return []string{"--http-listen", "127.0.0.1:" + l.http} }

func (u *acmeUser) stepCertificate(name string, sans []string, args ...string) {
	u.t.Helper()
	u.run("step", u.stepArgs(name, sans, args...)...)
	u.got(name+".crt", sans...)
	u.fits(name+".crt", name+".key")
}

// C11: the step CLI as an ACME client, and what it does with the certificate over the CA's own API.
func TestACMEStep(t *testing.T) {
	t.Parallel()
	need(t, "step")
	l := newACMELab(t, acmeOptions{})
	u := l.user()
	names := []string{"a.interop.test", "b.interop.test"}
	u.stepCertificate("a", names, append(l.stepHTTP(), "--standalone", "--contact", "a@example.com")...)
	require.Equal(t, []string{"mailto:a@example.com"}, l.accountEvent(event.AccountCreated).Contacts)
	first := u.leaf("a")
	require.Equal(t, "a.interop.test", first.Subject.CommonName)
	u.run("openssl", "verify", "-x509_strict", "-CAfile", l.rootFile, "-untrusted", "a.crt", "a.crt")
	require.Contains(t, u.run("step", "certificate", "inspect", "a.crt"), "Type: ACME")

	u.run("step", "ca", "renew", "a.crt", "a.key", "--force", "--ca-url", l.url, "--root", l.rootFile)
	second := u.got("a.crt", names...)
	require.NotEqual(t, first.SerialNumber, second.SerialNumber)
	u.run("step", "ca", "rekey", "a.crt", "a.key", "--force", "--ca-url", l.url, "--root", l.rootFile)
	third := u.got("a.crt", names...)
	require.NotEqual(t, second.PublicKey, third.PublicKey)

	u.run("step", "ca", "revoke", "--cert", "a.crt", "--key", "a.key", "--reasonCode", "superseded", "--ca-url", l.url, "--root", l.rootFile)
	require.Equal(t, 4, l.record(third).Revocation.ReasonCode)
	u.refused(nil, "step", "ca", "renew", "a.crt", "a.key", "--force", "--ca-url", l.url, "--root", l.rootFile)

	// With an end of the client's choosing, and by the address of the directory.
	u.stepCertificate("short", []string{"short.interop.test"}, append(l.stepHTTP(), "--not-after", "1h")...)
	require.WithinDuration(t, time.Now().Add(time.Hour), u.leaf("short").NotAfter, time.Minute)
	u.refused([]string{"24h"}, "step", u.stepArgs("long", []string{"long.interop.test"}, append(l.stepHTTP(), "--not-after", "48h")...)...)
	u.run("step", "ca", "certificate", "dir.interop.test", "dir.crt", "dir.key", "--acme", l.directory, "--root", l.rootFile, "--http-listen", "127.0.0.1:"+l.http)
	u.got("dir.crt", "dir.interop.test")
}

func TestACMEStepWebroot(t *testing.T) {
	t.Parallel()
	need(t, "step")
	l := newACMELab(t, acmeOptions{})
	u := l.user()
	l.serveFiles(u.home)
	u.stepCertificate("web", []string{"web.interop.test", "127.0.0.1"}, "--webroot", u.home, "--kty", "RSA")
	csr := []string{"csr.interop.test"}
	u.run("step", "certificate", "create", csr[0], "c.csr", "c.key", "--csr", "--san", csr[0], "--no-password", "--insecure")
	u.run("step", "ca", "sign", "c.csr", "c.crt", "--provisioner", "acme", "--ca-url", l.url, "--root", l.rootFile, "--webroot", u.home)
	u.got("c.crt", csr...)
}

func TestACMEStepRefused(t *testing.T) {
	t.Parallel()
	need(t, "step")
	l := newACMELab(t, acmeOptions{})
	u := l.user()
	l.impostor()
	u.refused([]string{"not the key authorization"}, "step", u.stepArgs("w", []string{"web.interop.test"}, "--webroot", u.home)...)
	challenges := len(l.requests("/challenge/"))
	u.refused([]string{`"secret.interop.test" is denied`}, "step", u.stepArgs("s", []string{"secret.interop.test"}, "--webroot", u.home)...)
	u.refused([]string{"elsewhere.test"}, "step", u.stepArgs("e", []string{"elsewhere.test"}, "--webroot", u.home)...)
	require.Len(t, l.requests("/challenge/"), challenges, "refused before any challenge")
	require.Empty(t, l.issued())
	l.refusedEvents(2, "secret.interop.test", "elsewhere.test")
}

// Clients that know nothing but http-01 say so where it is not offered.
func TestACMEStepWithoutHTTP(t *testing.T) {
	t.Parallel()
	need(t, "step")
	l := newACMELab(t, acmeOptions{server: func(c *acmeserver.Config) {
		var rest []acme.Validator
		for _, v := range c.Validators {
			if v.Type() != acme.HTTP01 {
				rest = append(rest, v)
			}
		}
		c.Validators = rest
	}})
	u := l.user()
	u.refused([]string{"unable to validate any challenges"}, "step", u.stepArgs("a", []string{"a.interop.test"}, l.stepHTTP()...)...)
}
