package server_test

import (
	"crypto/rand"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/server"
)

func TestAccountAbuse(t *testing.T) {
	make_ := func(payload any) func(*lab) *httptest.ResponseRecorder {
		return func(l *lab) *httptest.ResponseRecorder { return l.stranger().post(base+"/new-account", payload) }
	}
	contact := func(s ...string) func(*lab) *httptest.ResponseRecorder {
		return make_(map[string]any{"contact": s})
	}
	own := func(payload any) func(*lab) *httptest.ResponseRecorder {
		return func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			return c.post(c.kid, payload)
		}
	}
	ended := func(url func(l *lab, c *client) (string, any)) func(*lab) *httptest.ResponseRecorder {
		return func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			u, payload := url(l, c)
			require.Equal(t, 200, c.post(c.kid, map[string]any{"status": "deactivated"}).Code)
			return c.post(u, payload)
		}
	}
	many := make([]string, 11)
	for i := range many {
		many[i] = "mailto:a@example.com"
	}
	attempt(t, []abuse{
		{"only existing, and there is none", make_(map[string]any{"onlyReturnExisting": true}), 400, acme.AccountDoesNotExist},
		{"contacts that are no list", make_(`{"contact":"mailto:a@example.com"}`), 400, acme.Malformed},
		{"contact that is no URL", contact("alice"), 400, acme.InvalidContact},
		{"contact by telephone", contact("tel:+41791234567"), 400, acme.UnsupportedContact},
		{"contact with two addresses", contact("mailto:a@example.com,b@example.com"), 400, acme.InvalidContact},
		{"contact with headers", contact("mailto:a@example.com?subject=hi"), 400, acme.InvalidContact},
		{"contact without an address", contact("mailto:nobody"), 400, acme.InvalidContact},
		{"contact with a name", contact("mailto:Alice <a@example.com>"), 400, acme.InvalidContact},
		{"contact with a line break", contact("mailto:a@example.com\r\nBcc: b@example.com"), 400, acme.InvalidContact},
		{"too many contacts", contact(many...), 400, acme.InvalidContact},
		{"contact that is too long", contact("mailto:" + strings.Repeat("a", 400) + "@example.com"), 400, acme.InvalidContact},
		{"another's account", func(l *lab) *httptest.ResponseRecorder { return l.client().post(l.client().kid, nil) }, 403, acme.Unauthorized},
		{"another's account, deactivated", func(l *lab) *httptest.ResponseRecorder {
			return l.client().post(l.client().kid, map[string]any{"status": "deactivated"})
		}, 403, acme.Unauthorized},
		{"another's orders", func(l *lab) *httptest.ResponseRecorder { return l.client().post(l.client().kid+"/orders", nil) }, 403, acme.Unauthorized},
		{"orders with a payload", func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			return c.post(c.kid+"/orders", "{}")
		}, 400, acme.Malformed},
		{"status revoked", own(map[string]any{"status": "revoked"}), 400, acme.Malformed},
		{"status of nonsense", own(map[string]any{"status": "admin"}), 400, acme.Malformed},
		{"update with a bad contact", own(map[string]any{"contact": []string{"alice"}}), 400, acme.InvalidContact},
		{"deactivated: account", ended(func(_ *lab, c *client) (string, any) { return c.kid, nil }), 403, acme.Unauthorized},
		{"deactivated: reactivated", ended(func(_ *lab, c *client) (string, any) { return c.kid, map[string]any{"status": "valid"} }), 403, acme.Unauthorized},
		{"deactivated: new order", ended(func(*lab, *client) (string, any) { return base + "/new-order", ids("a.test") }), 403, acme.Unauthorized},
		{"deactivated: order", ended(func(_ *lab, c *client) (string, any) { return c.order("a.test").at, nil }), 403, acme.Unauthorized},
		{"deactivated: authorization", ended(func(_ *lab, c *client) (string, any) { return c.order("a.test").Authorizations[0], nil }), 403, acme.Unauthorized},
		{"deactivated: challenge", ended(func(l *lab, c *client) (string, any) {
			return l.obj(c.post(c.order("a.test").Authorizations[0], nil)).Challenges[0].URL, "{}"
		}), 403, acme.Unauthorized},
		{"deactivated: finalize", ended(func(_ *lab, c *client) (string, any) {
			o, name := c.ready()
			return o.Finalize, c.csr(name)
		}), 403, acme.Unauthorized},
		{"deactivated: certificate", ended(func(_ *lab, c *client) (string, any) {
			o, _ := c.certificate(newKey(t))
			return o.Certificate, nil
		}), 403, acme.Unauthorized},
		{"deactivated: new account with its key", func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			require.Equal(t, 200, c.post(c.kid, map[string]any{"status": "deactivated"}).Code)
			c.kid = ""
			return c.post(base+"/new-account", map[string]any{})
		}, 403, acme.Unauthorized},
	})
}

func TestTermsAndContacts(t *testing.T) {
	l := newLab(t, func(c *server.Config) { c.TermsOfService, c.RequireContact = "https://ca.test/terms", true })
	w := l.stranger().post(base+"/new-account", map[string]any{"contact": []string{"mailto:a@example.com"}})
	refused(t, w, 403, acme.UserActionRequired)
	require.Contains(t, w.Header().Values("Link"), `<https://ca.test/terms>;rel="terms-of-service"`)
	refused(t, l.stranger().post(base+"/new-account", map[string]any{"termsOfServiceAgreed": true}), 400, acme.InvalidContact)
	c := l.stranger()
	w = c.post(base+"/new-account", map[string]any{"termsOfServiceAgreed": true, "contact": []string{"mailto:a@example.com"}})
	require.Equal(t, 201, w.Code)
	again := c.post(base+"/new-account", map[string]any{"onlyReturnExisting": true})
	require.Equal(t, 200, again.Code)
	require.Equal(t, w.Header().Get("Location"), again.Header().Get("Location"))
	c.kid = w.Header().Get("Location")
	refused(t, c.post(c.kid, map[string]any{"contact": []string{}}), 400, acme.InvalidContact)
}

// bound is a lab whose accounts need a key, and one such key.
func bound(t *testing.T, change func(k *acme.ExternalKey)) (*lab, *acme.ExternalKey) {
	t.Helper()
	l := newLab(t, func(c *server.Config) { c.RequireExternalKey = true })
	k := &acme.ExternalKey{ID: "key-1", Provisioner: "acme", Key: make([]byte, 32), CreatedAt: time.Now()}
	rand.Read(k.Key)
	change(k)
	require.NoError(t, l.store.PutExternalKey(t.Context(), k))
	return l, k
}

func TestExternalKeyAbuse(t *testing.T) {
	to := base + "/new-account"
	bind := func(c *client, k *acme.ExternalKey, header map[string]any, payload []byte) json.RawMessage {
		h := map[string]any{"alg": "HS256", "kid": k.ID, "url": to}
		for name, v := range header {
			if h[name] = v; v == nil {
				delete(h, name)
			}
		}
		if payload == nil {
			payload = payloadOf(jwk(&c.key.PublicKey))
		}
		return mac(k.Key, h, payload)
	}
	for name, a := range map[string]struct {
		change  func(k *acme.ExternalKey)
		field   func(c *client, k *acme.ExternalKey) any
		status  int
		problem acme.ProblemType
	}{
		"none":     {field: func(*client, *acme.ExternalKey) any { return nil }, status: 403, problem: acme.ExternalAccountRequired},
		"a string": {field: func(*client, *acme.ExternalKey) any { return "x" }, status: 400, problem: acme.Malformed},
		"other MAC": {field: func(c *client, k *acme.ExternalKey) any {
			return bind(c, &acme.ExternalKey{ID: k.ID, Key: make([]byte, 32)}, nil, nil)
		}, status: 403, problem: acme.Unauthorized},
		"other kid":  {field: func(c *client, k *acme.ExternalKey) any { return bind(c, k, map[string]any{"kid": "key-2"}, nil) }, status: 403, problem: acme.Unauthorized},
		"other url":  {field: func(c *client, k *acme.ExternalKey) any { return bind(c, k, map[string]any{"url": base + "/x"}, nil) }, status: 403, problem: acme.Unauthorized},
		"no url":     {field: func(c *client, k *acme.ExternalKey) any { return bind(c, k, map[string]any{"url": nil}, nil) }, status: 400, problem: acme.Malformed},
		"with nonce": {field: func(c *client, k *acme.ExternalKey) any { return bind(c, k, map[string]any{"nonce": "x"}, nil) }, status: 400, problem: acme.Malformed},
		"ES256":      {field: func(c *client, k *acme.ExternalKey) any { return bind(c, k, map[string]any{"alg": "ES256"}, nil) }, status: 400, problem: acme.BadSignatureAlgorithm},
		"other key": {field: func(c *client, k *acme.ExternalKey) any {
			return bind(c, k, nil, payloadOf(jwk(&c.l.stranger().key.PublicKey)))
		}, status: 403, problem: acme.Unauthorized},
		"expired":                {change: func(k *acme.ExternalKey) { k.Expires = time.Now().Add(-time.Minute) }, status: 403, problem: acme.Unauthorized},
		"revoked":                {change: func(k *acme.ExternalKey) { k.RevokedAt = time.Now() }, status: 403, problem: acme.Unauthorized},
		"used":                   {change: func(k *acme.ExternalKey) { k.Account = "somebody" }, status: 403, problem: acme.Unauthorized},
		"of another provisioner": {change: func(k *acme.ExternalKey) { k.Provisioner = "other" }, status: 403, problem: acme.Unauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			if a.change == nil {
				a.change = func(*acme.ExternalKey) {}
			}
			l, k := bound(t, a.change)
			c := l.stranger()
			payload := map[string]any{"externalAccountBinding": bind(c, k, nil, nil)}
			if a.field != nil {
				payload["externalAccountBinding"] = a.field(c, k)
			}
			refused(t, c.post(to, payload), a.status, a.problem)
			_, err := l.store.AccountByKey(t.Context(), "acme", "")
			require.ErrorIs(t, err, acme.ErrNotFound)
		})
	}
	t.Run("once", func(t *testing.T) {
		l, k := bound(t, func(*acme.ExternalKey) {})
		won := make(chan int, 10)
		for range cap(won) {
			c := l.stranger()
			h, payload := c.header(to), payloadOf(map[string]any{"externalAccountBinding": bind(c, k, nil, nil)})
			go func() {
				w := httptest.NewRecorder()
				r := httptest.NewRequest("POST", to, strings.NewReader(string(sign(c.key, h, payload))))
				r.RequestURI = "/acme/acme/new-account"
				r.Header.Set("Content-Type", jose)
				l.h.ServeHTTP(w, r)
				won <- w.Code
			}()
		}
		count := map[int]int{}
		for range cap(won) {
			count[<-won]++
		}
		require.Equal(t, map[int]int{201: 1, 403: 9}, count)
	})
	t.Run("reusable", func(t *testing.T) {
		l, k := bound(t, func(k *acme.ExternalKey) { k.Reusable = true })
		for range 3 {
			c := l.stranger()
			require.Equal(t, 201, c.post(to, map[string]any{"externalAccountBinding": bind(c, k, nil, nil)}).Code)
		}
	})
}

func TestKeyChangeAbuse(t *testing.T) {
	to := base + "/key-change"
	inner := func(c, n *client, header map[string]any, payload map[string]any) json.RawMessage {
		h := map[string]any{"alg": "ES256", "jwk": jwk(&n.key.PublicKey), "url": to}
		for k, v := range header {
			if h[k] = v; v == nil {
				delete(h, k)
			}
		}
		p := map[string]any{"account": c.kid, "oldKey": jwk(&c.key.PublicKey)}
		for k, v := range payload {
			p[k] = v
		}
		return sign(n.key, h, payloadOf(p))
	}
	change := func(header, payload map[string]any) func(*lab) *httptest.ResponseRecorder {
		return func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			return c.post(to, string(inner(c, l.stranger(), header, payload)))
		}
	}
	attempt(t, []abuse{
		{"no inner JWS", func(l *lab) *httptest.ResponseRecorder { return l.client().post(to, map[string]any{}) }, 400, acme.Malformed},
		{"inner of another account", change(nil, map[string]any{"account": base + "/account/x"}), 403, acme.Unauthorized},
		{"inner of another old key", func(l *lab) *httptest.ResponseRecorder {
			return change(nil, map[string]any{"oldKey": jwk(&l.stranger().key.PublicKey)})(l)
		}, 403, acme.Unauthorized},
		{"inner for another url", change(map[string]any{"url": base + "/new-order"}, nil), 403, acme.Unauthorized},
		{"inner with a nonce", change(map[string]any{"nonce": "abc"}, nil), 400, acme.Malformed},
		{"inner without a key", change(map[string]any{"jwk": nil}, nil), 400, acme.Malformed},
		{"inner with a MAC's alg", change(map[string]any{"alg": "HS256"}, nil), 400, acme.BadSignatureAlgorithm},
		{"inner signed by the old key", func(l *lab) *httptest.ResponseRecorder {
			c, n := l.client(), l.stranger()
			h := map[string]any{"alg": "ES256", "jwk": jwk(&n.key.PublicKey), "url": to}
			return c.post(to, string(sign(c.key, h, payloadOf(map[string]any{"account": c.kid, "oldKey": jwk(&c.key.PublicKey)}))))
		}, 400, acme.Malformed},
		{"the same key", func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			return c.post(to, string(inner(c, c, nil, nil)))
		}, 409, acme.Malformed},
		{"another account's key", func(l *lab) *httptest.ResponseRecorder {
			c, other := l.client(), l.client()
			w := c.post(to, string(inner(c, other, nil, nil)))
			require.Equal(t, other.kid, w.Header().Get("Location"))
			return w
		}, 409, acme.Malformed},
		{"the old key afterwards", func(l *lab) *httptest.ResponseRecorder {
			c, n := l.client(), l.stranger()
			require.Equal(t, 200, c.post(to, string(inner(c, n, nil, nil))).Code)
			n.kid = c.kid
			require.Equal(t, 200, n.post(c.kid, nil).Code)
			return c.post(c.kid, nil)
		}, 400, acme.Malformed},
	})
}
