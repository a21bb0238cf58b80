package interop

import (
	"encoding/base64"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	acmeserver "github.com/chancery-ca/chancery/acme/server"
	"github.com/chancery-ca/chancery/event"
)

// certbotArgs keep certbot to the user's home, and off the terminal.
func (u *acmeUser) certbotArgs(verb string, args ...string) []string {
	return append([]string{
		verb, "--server", u.lab.directory, "--config-dir", "config", "--work-dir", "work", "--logs-dir", "logs", "--max-log-backups", "0", "--non-interactive",
	}, args...)
}

func (u *acmeUser) certbot(verb string, args ...string) string {
	u.t.Helper()
	return u.run("certbot", u.certbotArgs(verb, args...)...)
}

// certonlyArgs order a certificate. The account comes into being with the first.
func (u *acmeUser) certonlyArgs(names []string, args ...string) []string {
	args = append([]string{"--agree-tos", "-m", "a@example.com", "--no-eff-email"}, args...)
	for _, n := range names {
		args = append(args, "-d", n)
	}
	return args
}

// certbotRefused is for what has to fail, with these words in what is printed, or in the log: some versions stumble over
// their own report of an error.
func (u *acmeUser) certbotRefused(words []string, verb string, args ...string) {
	u.t.Helper()
	require.NoError(u.t, os.RemoveAll(u.path("logs")))
	out := u.refused(nil, "certbot", u.certbotArgs(verb, args...)...) + u.read("logs/letsencrypt.log")
	for _, w := range words {
		require.Contains(u.t, out, w)
	}
}

func (u *acmeUser) certonly(names []string, args ...string) {
	u.t.Helper()
	u.certbot("certonly", u.certonlyArgs(names, args...)...)
	u.got("config/live/"+names[0]+"/fullchain.pem", names...)
	u.fits("config/live/"+names[0]+"/cert.pem", "config/live/"+names[0]+"/privkey.pem")
}

func (l *acmeLab) certbotStandalone() []string {
	return []string{"--standalone", "--http-01-port", l.http, "--http-01-address", "127.0.0.1"}
}

// C11: certbot from the first certificate to the end of its account.
func TestACMECertbot(t *testing.T) {
	t.Parallel()
	need(t, "certbot")
	l := newACMELab(t, acmeOptions{})
	u := l.user()
	names := []string{"a.interop.test", "b.interop.test", "c.interop.test"}
	u.certonly(names, l.certbotStandalone()...)
	live := "config/live/a.interop.test/"
	first := u.got(live+"fullchain.pem", names...)
	require.Equal(t, []string{"mailto:a@example.com"}, l.accountEvent(event.AccountCreated).Contacts)

	u.certbot("renew", "--force-renewal", "--no-random-sleep-on-renew")
	second := u.got(live+"fullchain.pem", names...)
	require.NotEqual(t, first.SerialNumber, second.SerialNumber)
	require.NotEqual(t, first.PublicKey, second.PublicKey)

	u.certbot("update_account", "-m", "b@example.com", "--no-eff-email")
	require.Equal(t, []string{"mailto:b@example.com"}, l.accountEvent(event.AccountUpdated).Contacts)
	require.Contains(t, u.certbot("show_account"), "b@example.com")

	u.certbot("revoke", "--cert-path", live+"cert.pem", "--reason", "superseded", "--no-delete-after-revoke")
	require.NotNil(t, l.record(second).Revocation)
	require.Equal(t, 4, l.record(second).Revocation.ReasonCode)
	u.certbotRefused([]string{"alreadyRevoked"}, "revoke", "--cert-path", live+"cert.pem", "--no-delete-after-revoke")

	// With the certificate's key anybody may, but not with another.
	u.certbot("renew", "--force-renewal", "--no-random-sleep-on-renew", "--key-type", "rsa")
	third := u.got(live+"fullchain.pem", names...)
	other := l.user()
	u.run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "other.key")
	other.certbotRefused(nil, "revoke", "--cert-path", u.path(live+"cert.pem"), "--key-path", u.path("other.key"), "--no-delete-after-revoke")
	require.Nil(t, l.record(third).Revocation)
	other.certbot("revoke", "--cert-path", u.path(live+"cert.pem"), "--key-path", u.path(live+"privkey.pem"), "--reason", "keycompromise", "--no-delete-after-revoke")
	require.Equal(t, 1, l.record(third).Revocation.ReasonCode)

	u.certbot("unregister")
	require.Equal(t, l.accountEvent(event.AccountCreated).ID, l.accountEvent(event.AccountDeactivated).ID)
	require.Len(t, l.issued(), 3)
}

// accountEvent is the only one of its type.
func (l *acmeLab) accountEvent(kind event.Type) event.Account {
	l.t.Helper()
	all := l.Events.OfType(kind)
	require.Len(l.t, all, 1, kind)
	a, ok := all[0].Data.(event.Account)
	require.True(l.t, ok)
	return a
}

func TestACMECertbotWebroot(t *testing.T) {
	t.Parallel()
	need(t, "certbot")
	l := newACMELab(t, acmeOptions{})
	u := l.user()
	l.serveFiles(u.home)
	u.certonly([]string{"web.interop.test", "www.interop.test"}, "--webroot", "--webroot-path", u.home, "--key-type", "rsa")

	// CAA of the name's owner, and then of nobody.
	u.certonly([]string{"open.interop.test"}, "--webroot", "--webroot-path", u.home)
	u.certbotRefused([]string{"caa"}, "certonly", u.certonlyArgs([]string{"closed.interop.test"}, "--webroot", "--webroot-path", u.home)...)
	require.NoDirExists(t, u.path("config/live/closed.interop.test"))
}

// certbotHooks put TXT records where the CA looks for them.
func (u *acmeUser) certbotHooks() []string {
	auth := u.script("auth", u.lab.zone.hook("add", "_acme-challenge.$CERTBOT_DOMAIN", "$CERTBOT_VALIDATION"))
	clean := u.script("clean", u.lab.zone.hook("clean", "_acme-challenge.$CERTBOT_DOMAIN", "$CERTBOT_VALIDATION"))
	return []string{"--manual", "--preferred-challenges", "dns", "--manual-auth-hook", auth, "--manual-cleanup-hook", clean}
}

func TestACMECertbotDNS(t *testing.T) {
	t.Parallel()
	need(t, "certbot")
	l := newACMELab(t, acmeOptions{})
	u := l.user()
	names := []string{"zone.interop.test", "*.zone.interop.test", "other.interop.test"}
	u.certonly(names, u.certbotHooks()...)
	u.certbot("renew", "--force-renewal", "--no-random-sleep-on-renew")
	require.Len(t, l.issued(), 2)
	require.Empty(t, l.zone.txt("_acme-challenge.zone.interop.test"), "nothing is left behind")
}

func TestACMECertbotExternalKey(t *testing.T) {
	t.Parallel()
	need(t, "certbot")
	l := newACMELab(t, acmeOptions{server: func(c *acmeserver.Config) { c.RequireExternalKey = true }})
	key := base64.RawURLEncoding.EncodeToString(l.externalKey("web-team"))
	wrong := base64.RawURLEncoding.EncodeToString([]byte("wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww"))
	names := []string{"eab.interop.test"}
	standalone := l.certbotStandalone()
	u := l.user()
	u.certbotRefused([]string{"external account binding"}, "certonly", u.certonlyArgs(names, standalone...)...)
	u.certbotRefused([]string{"not accepted"}, "certonly", u.certonlyArgs(names, append(standalone, "--eab-kid", "web-team", "--eab-hmac-key", wrong)...)...)
	u.certbotRefused([]string{"not accepted"}, "certonly", u.certonlyArgs(names, append(standalone, "--eab-kid", "nobody", "--eab-hmac-key", key)...)...)
	u.certonly(names, append(standalone, "--eab-kid", "web-team", "--eab-hmac-key", key)...)
	require.Equal(t, "web-team", l.accountEvent(event.AccountCreated).ExternalKey)

	again := l.user() // the key is spent
	again.certbotRefused([]string{"was used"}, "certonly", again.certonlyArgs(names, append(standalone, "--eab-kid", "web-team", "--eab-hmac-key", key)...)...)
}

// Who answers wrongly gets nothing, and is told so; who asks for what policy refuses is told at once.
func TestACMECertbotRefused(t *testing.T) {
	t.Parallel()
	need(t, "certbot")
	l := newACMELab(t, acmeOptions{})
	u := l.user()
	l.impostor()
	u.certbotRefused([]string{"incorrectResponse", "web.interop.test", "not the key authorization"}, "certonly", u.certonlyArgs([]string{"web.interop.test"}, "--webroot", "--webroot-path", u.home)...)
	forged := u.script("forge", l.zone.hook("add", "_acme-challenge.$CERTBOT_DOMAIN", "anothers-$CERTBOT_VALIDATION"))
	u.certbotRefused([]string{"incorrectResponse", "zone.interop.test"}, "certonly", u.certonlyArgs([]string{"*.zone.interop.test"}, "--manual", "--preferred-challenges", "dns", "--manual-auth-hook", forged)...)

	before := len(l.requests("/challenge/"))
	u.certbotRefused([]string{"rejectedIdentifier", "secret.interop.test"}, "certonly", u.certonlyArgs([]string{"ok.interop.test", "secret.interop.test"}, "--webroot", "--webroot-path", u.home)...)
	u.certbotRefused([]string{"rejectedIdentifier", "elsewhere.test"}, "certonly", u.certonlyArgs([]string{"elsewhere.test"}, "--webroot", "--webroot-path", u.home)...)
	require.Len(t, l.requests("/challenge/"), before, "refused before any challenge")
	require.Empty(t, l.issued())
	l.refusedEvents(2, "ok.interop.test", "elsewhere.test")
}

// refusedEvents are those of orders that came to nothing before there was one.
func (l *acmeLab) refusedEvents(n int, names ...string) {
	l.t.Helper()
	var told []string
	count := 0
	for _, e := range l.Events.OfType(event.OrderFailed) {
		if o := e.Data.(event.Order); o.ID == "" {
			count++
			told = append(told, o.Identifiers...)
		}
	}
	require.Equal(l.t, n, count)
	for _, name := range names {
		require.Contains(l.t, told, "dns:"+name)
	}
}
