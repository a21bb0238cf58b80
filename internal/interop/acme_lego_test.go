package interop

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	acmeserver "github.com/chancery-ca/chancery/acme/server"
	"github.com/chancery-ca/chancery/event"
)

// legoArgs are what every command of lego's begins with.
func (u *acmeUser) legoArgs(names []string, args ...string) []string {
	all := []string{"--server", u.lab.directory, "--path", "lego", "--accept-tos", "--email", "a@example.com"}
	for _, n := range names {
		all = append(all, "--domains", n)
	}
	return append(all, args...)
}

// lego gets a certificate.
func (u *acmeUser) lego(names []string, args ...string) {
	u.t.Helper()
	u.run("lego", append(u.legoArgs(names, args...), "run")...)
	u.got(legoFile(names[0])+".crt", names...)
	u.fits(legoFile(names[0])+".crt", legoFile(names[0])+".key")
}

func legoFile(name string) string {
	if name[0] == '*' {
		name = "_" + name[1:]
	}
	return "lego/certificates/" + name
}

func (l *acmeLab) legoHTTP() []string {
	return []string{"--http", "--http.port", "127.0.0.1:" + l.http}
}
func (l *acmeLab) legoTLS() []string { return []string{"--tls", "--tls.port", "127.0.0.1:" + l.tls} }

// legoDNS has TXT records written by a program.
func (u *acmeUser) legoDNS(value string) []string {
	present, clean := u.lab.zone.hook("add", "${2%.}", value), u.lab.zone.hook("clean", "${2%.}", value)
	u.env = append(u.env, "EXEC_PATH="+u.script("txt", `if [ "$1" = present ]; then `+present+"else "+clean+"fi\n"), "EXEC_PROPAGATION_TIMEOUT=5", "EXEC_POLLING_INTERVAL=1", "EXEC_SEQUENCE_INTERVAL=1")
	return []string{"--dns", "exec", "--dns.disable-cp", "--dns.resolvers", u.lab.zone.at.String()}
}

// C11: lego with each of its challenges.
func TestACMELego(t *testing.T) {
	t.Parallel()
	need(t, "lego")
	l := newACMELab(t, acmeOptions{})
	u := l.user()
	names := []string{"a.interop.test", "b.interop.test"}
	u.lego(names, l.legoHTTP()...)
	first := u.got(legoFile(names[0])+".crt", names...)

	renew := append(u.legoArgs(names, l.legoHTTP()...), "renew", "--days", "90", "--no-random-sleep")
	u.run("lego", renew...)
	second := u.got(legoFile(names[0])+".crt", names...)
	require.NotEqual(t, first.SerialNumber, second.SerialNumber)
	require.Equal(t, 1, len(l.requests("/new-account")), "one account for both")

	u.run("lego", append(u.legoArgs(names[:1], l.legoHTTP()...), "revoke", "--keep", "--reason", "4")...)
	require.Nil(t, l.record(first).Revocation)
	require.Equal(t, 4, l.record(second).Revocation.ReasonCode)

	u.lego([]string{"c.interop.test", "d.interop.test"}, append(l.legoTLS(), "--key-type", "rsa2048")...)
	u.lego([]string{"e.interop.test"}, append(l.legoTLS(), "--key-type", "ec384")...)
	require.Len(t, l.issued(), 4)

	u.lego([]string{"open.interop.test"}, l.legoTLS()...)
	u.refused([]string{"error:caa"}, "lego", append(u.legoArgs([]string{"closed.interop.test"}, l.legoTLS()...), "run")...)
}

func TestACMELegoDNS(t *testing.T) {
	t.Parallel()
	need(t, "lego")
	l := newACMELab(t, acmeOptions{})
	u := l.user()
	dns := u.legoDNS("$3")
	u.lego([]string{"zone.interop.test", "*.zone.interop.test"}, dns...)
	u.lego([]string{"*.wild.interop.test"}, dns...)
	require.Empty(t, l.zone.txt("_acme-challenge.zone.interop.test"), "nothing is left behind")
}

func TestACMELegoExternalKey(t *testing.T) {
	t.Parallel()
	need(t, "lego")
	l := newACMELab(t, acmeOptions{server: func(c *acmeserver.Config) { c.RequireExternalKey = true }})
	key := base64.RawURLEncoding.EncodeToString(l.externalKey("web-team"))
	wrong := base64.RawURLEncoding.EncodeToString([]byte("wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww"))
	names := []string{"eab.interop.test"}
	bound := func(key string) []string { return append(l.legoHTTP(), "--eab", "--kid", "web-team", "--hmac", key) }
	u := l.user()
	u.refused([]string{"xternal"}, "lego", append(u.legoArgs(names, l.legoHTTP()...), "run")...)
	u.refused([]string{"not accepted"}, "lego", append(u.legoArgs(names, bound(wrong)...), "run")...)
	u.lego(names, bound(key)...)
	require.Equal(t, "web-team", l.accountEvent(event.AccountCreated).ExternalKey)
}

func TestACMELegoRefused(t *testing.T) {
	t.Parallel()
	need(t, "lego")
	l := newACMELab(t, acmeOptions{})
	u := l.user()
	run := func(names []string, args ...string) []string { return append(u.legoArgs(names, args...), "run") }
	l.impostor()
	u.refused([]string{"incorrectResponse", "not the key authorization"}, "lego", run([]string{"web.interop.test"}, "--http", "--http.webroot", u.home)...)
	l.tlsImpostor()
	u.refused([]string{"web.interop.test", "incorrectResponse"}, "lego", run([]string{"web.interop.test"}, "--tls", "--tls.port", "127.0.0.1:"+quietPort(t))...)
	u.refused([]string{"incorrectResponse"}, "lego", run([]string{"*.zone.interop.test"}, u.legoDNS("another-$3")...)...)

	challenges := len(l.requests("/challenge/"))
	u.refused([]string{"rejectedIdentifier", `"secret.interop.test" is denied`}, "lego", run([]string{"ok.interop.test", "secret.interop.test"}, l.legoHTTP()...)...)
	u.refused([]string{"rejectedIdentifier", "elsewhere.test"}, "lego", run([]string{"elsewhere.test"}, l.legoHTTP()...)...)
	require.Len(t, l.requests("/challenge/"), challenges, "refused before any challenge")
	require.Empty(t, l.issued())
	l.refusedEvents(2, "ok.interop.test", "elsewhere.test")
}
