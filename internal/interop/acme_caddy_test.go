package interop

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	acmeserver "github.com/chancery-ca/chancery/acme/server"
	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/event"
)

type object = map[string]any

// caddy runs Caddy with a site for each name, and certificates from the lab's CA. It listens on the user's ports,
// where it answers challenges itself.
func (u *acmeUser) caddy(names []string, change func(policy, issuer object)) *output {
	u.t.Helper()
	l := u.lab
	issuer := object{
		"module": "acme", "ca": l.directory, "email": "a@example.com", "trusted_roots_pem_files": []string{l.rootFile},
		"challenges": object{
			"bind_host": "127.0.0.1", "http": object{"alternate_port": portNumber(u.t, u.http)}, "tls-alpn": object{"alternate_port": portNumber(u.t, u.tls)},
		},
	}
	policy := object{"subjects": names, "issuers": []object{issuer}, "key_type": "p256"}
	if change != nil {
		change(policy, issuer)
	}
	config, err := json.MarshalIndent(object{
		"admin":   object{"disabled": true, "config": object{"persist": false}},
		"storage": object{"module": "file_system", "root": u.path("storage")},
		"apps": object{
			"http": object{
				"http_port": portNumber(u.t, u.http), "https_port": portNumber(u.t, u.tls),
				"servers": object{"s": object{
					"listen": []string{"127.0.0.1:" + u.tls, "127.0.0.1:" + u.http},
					"routes": []object{{"match": []object{{"host": names}}, "handle": []object{{"handler": "static_response", "body": "hello"}}}},
				}},
			},
			"tls": object{"automation": object{"policies": []object{policy}, "renew_interval": "1s"}},
		},
	}, "", "  ")
	require.NoError(u.t, err)
	u.write("caddy.json", string(config))
	return u.daemon("caddy", "run", "--config", "caddy.json")
}

// served waits until a client is shown a certificate of the CA's for a name other than one, and returns its serial.
func (l *acmeLab) served(name, not string) string {
	l.t.Helper()
	var serial string
	require.Eventually(l.t, func() bool {
		s, err := l.greet(name)
		serial = s
		return err == nil && s != not
	}, 30*time.Second, 100*time.Millisecond, name)
	return serial
}

func disable(challenge string) func(policy, issuer object) {
	return func(_, issuer object) { issuer["challenges"].(object)[challenge].(object)["disabled"] = true }
}

// C11: Caddy gets certificates by either of its challenges, and serves them.
func TestACMECaddy(t *testing.T) {
	t.Parallel()
	need(t, "caddy")
	for _, c := range []struct{ off, on string }{{"tls-alpn", "http-01"}, {"http", "tls-alpn-01"}} {
		t.Run(c.on, func(t *testing.T) {
			t.Parallel()
			l := newACMELab(t, acmeOptions{})
			names := []string{"a.interop.test", "b.interop.test"}
			l.user().caddy(names, disable(c.off))
			for _, n := range names {
				l.served(n, "")
			}
			for _, e := range l.Events.OfType(event.ChallengePassed) {
				require.Equal(t, c.on, e.Data.(event.Challenge).Type)
			}
		})
	}
}

// Caddy renews when a third of a certificate's life is left.
func TestACMECaddyRenewal(t *testing.T) {
	t.Parallel()
	need(t, "caddy")
	l := newACMELab(t, acmeOptions{authority: func(c *authority.Config) { acmeShort(10 * time.Second)(c) }})
	l.user().caddy([]string{"a.interop.test"}, nil)
	l.served("a.interop.test", l.served("a.interop.test", ""))
	t.Logf("renewal information was asked for %d times", len(l.requests("/renewal-info/"))) // newer ones do (RFC 9773)
}

func TestACMECaddyExternalKey(t *testing.T) {
	t.Parallel()
	need(t, "caddy")
	l := newACMELab(t, acmeOptions{server: func(c *acmeserver.Config) { c.RequireExternalKey = true }})
	key := base64.RawURLEncoding.EncodeToString(l.externalKey("web-team"))
	l.user().caddy([]string{"a.interop.test"}, func(_, issuer object) {
		issuer["external_account"] = object{"key_id": "web-team", "mac_key": key}
	})
	l.served("a.interop.test", "")
	require.Equal(t, "web-team", l.accountEvent(event.AccountCreated).ExternalKey)
}

// What Caddy is refused it says in its log, with the reason.
func TestACMECaddyRefused(t *testing.T) {
	t.Parallel()
	need(t, "caddy")
	l := newACMELab(t, acmeOptions{})
	log := l.user().caddy([]string{"secret.interop.test", "closed.interop.test"}, nil)
	for _, w := range []string{`\"secret.interop.test\" is denied`, "rejectedIdentifier", "error:caa"} {
		require.Eventually(t, func() bool { return strings.Contains(log.String(), w) }, 30*time.Second, 100*time.Millisecond, w)
	}
	require.Empty(t, l.issued())
}

// Nothing is issued to a Caddy that is not where the name is. It tries the other challenge in its next round, a minute
// later.
func TestACMECaddyElsewhere(t *testing.T) {
	t.Parallel()
	need(t, "caddy")
	for off, says := range map[string]string{"tls-alpn": "not the key authorization", "http": "the acmeIdentifier extension is missing"} {
		l := newACMELab(t, acmeOptions{})
		l.impostor()
		l.tlsImpostor()
		u := l.user()
		u.http, u.tls = quietPort(t), quietPort(t)
		log := u.caddy([]string{"a.interop.test"}, disable(off))
		require.Eventually(t, func() bool { return strings.Contains(log.String(), says) }, 30*time.Second, 100*time.Millisecond, says)
		require.Empty(t, l.issued())
	}
}
