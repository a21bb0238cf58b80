package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/server"
)

func TestOrderAbuse(t *testing.T) {
	to := base + "/new-order"
	order := func(payload any) func(*lab) *httptest.ResponseRecorder {
		return func(l *lab) *httptest.ResponseRecorder { return l.client().post(to, payload) }
	}
	dns := func(names ...string) func(*lab) *httptest.ResponseRecorder { return order(ids(names...)) }
	typed := func(kind, value string) func(*lab) *httptest.ResponseRecorder {
		return order(map[string]any{"identifiers": []map[string]string{{"type": kind, "value": value}}})
	}
	with := func(more map[string]any) func(*lab) *httptest.ResponseRecorder {
		p := ids("a.test")
		for k, v := range more {
			p[k] = v
		}
		return order(p)
	}
	replaces := func(id func(l *lab, c *client) string, names ...string) func(*lab) *httptest.ResponseRecorder {
		return func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			p := ids(names...)
			p["replaces"] = id(l, c)
			return c.post(to, p)
		}
	}
	many := make([]string, 101)
	for i := range many {
		many[i] = fmt.Sprintf("a%d.test", i)
	}
	attempt(t, []abuse{
		{"no identifiers", order(map[string]any{}), 400, acme.Malformed},
		{"empty list of identifiers", order(`{"identifiers":[]}`), 400, acme.Malformed},
		{"identifiers that are no list", order(`{"identifiers":{"type":"dns","value":"a.test"}}`), 400, acme.Malformed},
		{"identifier that is a string", order(`{"identifiers":["a.test"]}`), 400, acme.Malformed},
		{"POST-as-GET", order(nil), 400, acme.Malformed},
		{"too many identifiers", dns(many...), 400, acme.RejectedIdentifier},
		{"unknown type", typed("email", "a@b.test"), 400, acme.UnsupportedIdentifier},
		{"type in capitals", typed("DNS", "a.test"), 400, acme.UnsupportedIdentifier},
		{"device without a validator", typed("permanent-identifier", "123"), 400, acme.UnsupportedIdentifier},
		{"empty name", dns(""), 400, acme.Malformed},
		{"empty label", dns("a..test"), 400, acme.Malformed},
		{"dot at the end", dns("a.test."), 400, acme.Malformed},
		{"underscore", dns("_a.test"), 400, acme.Malformed},
		{"space", dns("a b.test"), 400, acme.Malformed},
		{"NUL", dns("a\x00.test"), 400, acme.Malformed},
		{"letters that are not ASCII", dns("ä.test"), 400, acme.Malformed},
		{"label of 64", dns(strings.Repeat("a", 64) + ".test"), 400, acme.Malformed},
		{"name of 254", dns(strings.Repeat("a.", 125) + "test"), 400, acme.Malformed},
		{"address as a name", dns("192.0.2.1"), 400, acme.Malformed},
		{"star alone", dns("*"), 400, acme.Malformed},
		{"two stars", dns("*.*.test"), 400, acme.Malformed},
		{"star inside", dns("a.*.test"), 400, acme.Malformed},
		{"part of a label starred", dns("a*.test"), 400, acme.Malformed},
		{"port", dns("a.test:443"), 400, acme.Malformed},
		{"URL", dns("https://a.test"), 400, acme.Malformed},
		{"address that is none", typed("ip", "192.0.2.256"), 400, acme.Malformed},
		{"address with a zone", typed("ip", "fe80::1%eth0"), 400, acme.Malformed},
		{"address in brackets", typed("ip", "[2001:db8::1]"), 400, acme.Malformed},
		{"IPv4 in IPv6", typed("ip", "::ffff:192.0.2.1"), 400, acme.Malformed},
		{"network", typed("ip", "192.0.2.0/24"), 400, acme.Malformed},
		{"name outside the policy", dns("a.example"), 400, acme.RejectedIdentifier},
		{"address outside the policy", typed("ip", "198.51.100.1"), 400, acme.RejectedIdentifier},
		{"one name outside the policy", dns("a.test", "b.example"), 400, acme.RejectedIdentifier},
		{"one name good and one malformed", dns("a.test", "b..test"), 400, acme.Malformed},
		{"names bad in two ways", dns("b..test", "a.test", "*.*.test"), 400, acme.Malformed},
		{"profile of nobody", with(map[string]any{"profile": "long"}), 400, acme.InvalidProfile},
		{"profile that may not be used", with(map[string]any{"profile": "guarded"}), 400, acme.InvalidProfile},
		{"time of nonsense", with(map[string]any{"notAfter": "tomorrow"}), 400, acme.Malformed},
		{"time that is a number", with(map[string]any{"notBefore": 12}), 400, acme.Malformed},
		{"end in the past", with(map[string]any{"notAfter": "2001-01-01T00:00:00Z"}), 400, acme.Malformed},
		{"end before the beginning", with(map[string]any{
			"notBefore": time.Now().Add(3 * time.Hour).Format(time.RFC3339), "notAfter": time.Now().Add(2 * time.Hour).Format(time.RFC3339),
		}), 400, acme.Malformed},
		{"too long", with(map[string]any{"notAfter": time.Now().AddDate(10, 0, 0).Format(time.RFC3339)}), 400, acme.RejectedIdentifier},
		{"replaces nonsense", replaces(func(*lab, *client) string { return "nonsense" }, "a.test"), 400, acme.Malformed},
		{"replaces something unknown", replaces(func(*lab, *client) string { return "AAAA.AAE" }, "a.test"), 400, acme.Malformed},
		{"replaces what nobody has", replaces(func(*lab, *client) string { return b64([]byte("key")) + "." + b64([]byte{0x7f, 1, 2}) }, "a.test"), 404, acme.Malformed},
		{"replaces another's certificate", replaces(func(l *lab, _ *client) string {
			_, leaf := l.client().certificate(newKey(t))
			return certID(leaf)
		}, "n1.test"), 403, acme.Unauthorized},
		{"replaces a certificate of other names", replaces(func(l *lab, c *client) string {
			_, leaf := c.certificate(newKey(t))
			return certID(leaf)
		}, "a.test"), 400, acme.Malformed},
		{"replaces what is replaced", func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			_, leaf := c.certificate(newKey(t))
			p := ids(leaf.DNSNames[0])
			p["replaces"] = certID(leaf)
			w := c.post(to, p)
			require.Equal(t, 201, w.Code, w.Body)
			require.Contains(t, w.Body.String(), certID(leaf))
			return c.post(to, map[string]any{"identifiers": append(p["identifiers"].([]map[string]string), map[string]string{"type": "dns", "value": "a.test"}), "replaces": p["replaces"]})
		}, 409, acme.AlreadyReplaced},
		{"another's order", func(l *lab) *httptest.ResponseRecorder { return l.client().post(l.client().order("a.test").at, nil) }, 403, acme.Unauthorized},
		{"order with a payload", func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			return c.post(c.order("a.test").at, "{}")
		}, 400, acme.Malformed},
		{"order of nobody", func(l *lab) *httptest.ResponseRecorder {
			return l.client().post(base+"/order/00000000000000000000000000", nil)
		}, 404, acme.Malformed},
		{"order with an odd ID", func(l *lab) *httptest.ResponseRecorder { return l.client().post(base+"/order/a'--", nil) }, 404, acme.Malformed},
	})
}

// What is refused names what it is about (RFC 8555, section 6.7.1).
func TestSubproblems(t *testing.T) {
	l := newLab(t)
	w := l.client().post(base+"/new-order", ids("a.test", "b.example", "c.test"))
	refused(t, w, 400, acme.RejectedIdentifier)
	var p acme.Problem
	require.NoError(t, p.UnmarshalJSON(w.Body.Bytes()))
	require.Len(t, p.Subproblems, 1)
	require.Equal(t, &acme.Identifier{Type: acme.DNS, Value: "b.example"}, p.Subproblems[0].Identifier)
	require.Contains(t, p.Subproblems[0].Detail, "b.example")
	require.Nil(t, p.Identifier)
}

// Times that say nothing, as step's clients send them, are as good as none.
func TestZeroTimes(t *testing.T) {
	l := newLab(t)
	p := ids("a.test")
	p["notBefore"], p["notAfter"] = "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"
	w := l.client().post(base+"/new-order", p)
	require.Equal(t, 201, w.Code, w.Body)
	require.NotContains(t, w.Body.String(), "notBefore")
}

func TestChallengeAbuse(t *testing.T) {
	on := func(f func(l *lab, c *client, o obj, a obj) (string, any)) func(*lab) *httptest.ResponseRecorder {
		return func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			o := c.order("a.test")
			u, payload := f(l, c, o, l.obj(c.post(o.Authorizations[0], nil)))
			return c.post(u, payload)
		}
	}
	attempt(t, []abuse{
		{"another's authorization", func(l *lab) *httptest.ResponseRecorder {
			return l.client().post(l.client().order("a.test").Authorizations[0], nil)
		}, 403, acme.Unauthorized},
		{"another's authorization, deactivated", func(l *lab) *httptest.ResponseRecorder {
			return l.client().post(l.client().order("a.test").Authorizations[0], map[string]any{"status": "deactivated"})
		}, 403, acme.Unauthorized},
		{"another's challenge", func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			return l.client().post(l.obj(c.post(c.order("a.test").Authorizations[0], nil)).Challenges[0].URL, "{}")
		}, 403, acme.Unauthorized},
		{"authorization made valid", on(func(_ *lab, _ *client, o, _ obj) (string, any) {
			return o.Authorizations[0], map[string]any{"status": "valid"}
		}), 400, acme.Malformed},
		{"authorization of nobody", on(func(*lab, *client, obj, obj) (string, any) { return base + "/authz/00000000000000000000000000", nil }), 404, acme.Malformed},
		{"challenge of no type", on(func(_ *lab, _ *client, o, _ obj) (string, any) {
			return strings.Replace(o.Authorizations[0], "/authz/", "/challenge/", 1) + "/magic-01", "{}"
		}), 404, acme.Malformed},
		{"challenge that is not offered", on(func(_ *lab, _ *client, o, _ obj) (string, any) {
			return strings.Replace(o.Authorizations[0], "/authz/", "/challenge/", 1) + "/tls-alpn-01", "{}"
		}), 404, acme.Malformed},
		{"challenge with a list", on(func(_ *lab, _ *client, _, a obj) (string, any) { return a.Challenges[0].URL, "[]" }), 400, acme.Malformed},
		{"challenge of a deactivated authorization", on(func(_ *lab, c *client, o, a obj) (string, any) {
			require.Equal(t, 200, c.post(o.Authorizations[0], map[string]any{"status": "deactivated"}).Code)
			return a.Challenges[0].URL, "{}"
		}), 400, acme.Malformed},
		{"second challenge of a valid authorization", on(func(_ *lab, c *client, _, a obj) (string, any) {
			require.Equal(t, 200, c.post(a.Challenges[0].URL, "{}").Code)
			return a.Challenges[1].URL, "{}"
		}), 400, acme.Malformed},
		{"second challenge of an invalid authorization", on(func(l *lab, c *client, _, a obj) (string, any) {
			l.say = func(*acme.Validation) error { return &acme.Problem{Type: acme.IncorrectResponse, Detail: "wrong"} }
			require.Equal(t, "invalid", l.obj(c.post(a.Challenges[0].URL, "{}")).Status)
			l.say = nil
			return a.Challenges[1].URL, "{}"
		}), 400, acme.Malformed},
		{"deactivated twice", on(func(_ *lab, c *client, o, _ obj) (string, any) {
			require.Equal(t, 200, c.post(o.Authorizations[0], map[string]any{"status": "deactivated"}).Code)
			return o.Authorizations[0], map[string]any{"status": "deactivated"}
		}), 400, acme.Malformed},
	})
}

// A challenge that was met, or not, stays so whatever is sent to it, and the order follows.
func TestChallengeOnce(t *testing.T) {
	l := newLab(t)
	c := l.client()
	asked := 0
	l.say = func(*acme.Validation) error {
		asked++
		return &acme.Problem{Type: acme.IncorrectResponse, Detail: "wrong"}
	}
	o := c.order("a.test")
	a := l.obj(c.post(o.Authorizations[0], nil))
	for range 3 {
		ch := l.obj(c.post(a.Challenges[0].URL, "{}"))
		require.Equal(t, "invalid", ch.Status)
		require.Equal(t, acme.IncorrectResponse, ch.Error.Type)
	}
	require.Equal(t, 1, asked)
	require.Equal(t, "invalid", l.obj(c.post(o.Authorizations[0], nil)).Status)
	o = l.obj(c.post(o.at, nil))
	require.Equal(t, "invalid", o.Status)
	require.NotNil(t, o.Error)
	refused(t, c.post(o.Finalize, c.csr("a.test")), 403, acme.OrderNotReady)
	require.NotEqual(t, o.at, c.order("a.test").at, "an order that failed is not returned again")
}

func TestReuse(t *testing.T) {
	l := newLab(t)
	c := l.client()
	o := c.order("a.test", "b.test")
	require.Equal(t, o.at, c.order("b.test", "a.test").at)
	require.NotEqual(t, o.at, c.order("a.test").at)
	require.NotEqual(t, o.at, l.client().order("a.test", "b.test").at)
	c.prove(o)
	require.Equal(t, "ready", c.l.obj(c.post(base+"/new-order", ids("a.test"))).Status)
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, func(c *server.Config) { c.OrderLife, c.AuthorizationLife = 2*time.Hour, time.Hour })
		c := l.client()
		pending := c.order("p.test")
		chall := l.obj(c.post(pending.Authorizations[0], nil)).Challenges[0].URL
		ready, name := c.ready()
		nonce := l.nonce()
		time.Sleep(61 * time.Minute)
		refused(t, c.forge(c.kid, nil, map[string]any{"nonce": nonce}), 400, acme.BadNonce)
		require.Equal(t, "expired", l.obj(c.post(ready.Authorizations[0], nil)).Status)
		require.Equal(t, "invalid", l.obj(c.post(ready.at, nil)).Status)
		refused(t, c.post(ready.Finalize, c.csr(name)), 403, acme.OrderNotReady)
		require.Equal(t, "pending", l.obj(c.post(pending.at, nil)).Status)
		time.Sleep(time.Hour)
		require.Equal(t, "invalid", l.obj(c.post(pending.at, nil)).Status)
		refused(t, c.post(chall, "{}"), 400, acme.Malformed)
		require.NotEqual(t, pending.at, c.order("p.test").at)
	})
}

func TestLimits(t *testing.T) {
	limited := func(t *testing.T, w *httptest.ResponseRecorder) {
		t.Helper()
		refused(t, w, http.StatusTooManyRequests, acme.RateLimited)
		require.NotEmpty(t, w.Header().Get("Retry-After"))
	}
	t.Run("accounts", func(t *testing.T) {
		l := newLab(t, func(c *server.Config) { c.Limits.Accounts = 2 })
		l.client()
		c := l.client()
		limited(t, l.stranger().post(base+"/new-account", map[string]any{}))
		require.Equal(t, 201, c.post(base+"/new-order", ids("a.test")).Code)
	})
	t.Run("orders", func(t *testing.T) {
		l := newLab(t, func(c *server.Config) { c.Limits.Orders = 2 })
		c := l.client()
		o := c.order("a.test")
		c.order("b.test")
		limited(t, c.post(base+"/new-order", ids("c.test")))
		require.Equal(t, o.at, c.order("a.test").at, "what is there already costs nothing")
		l.client().order("c.test")
	})
	t.Run("refused orders", func(t *testing.T) {
		l := newLab(t, func(c *server.Config) { c.Limits.Orders = 2 })
		c := l.client()
		for range 2 {
			refused(t, c.post(base+"/new-order", ids("a.example")), 400, acme.RejectedIdentifier)
		}
		limited(t, c.post(base+"/new-order", ids("a.example")))
	})
	t.Run("pending authorizations", func(t *testing.T) {
		l := newLab(t, func(c *server.Config) { c.Limits.PendingAuthorizations = 3 })
		c := l.client()
		o := c.order("a.test", "b.test")
		limited(t, c.post(base+"/new-order", ids("c.test", "d.test")))
		c.prove(o)
		c.order("c.test", "d.test")
	})
	t.Run("failed validations", func(t *testing.T) {
		l := newLab(t, func(c *server.Config) { c.Limits.FailedValidations = 2 })
		c := l.client()
		l.say = func(*acme.Validation) error { return &acme.Problem{Type: acme.IncorrectResponse, Detail: "wrong"} }
		for range 2 {
			c.prove(c.order("a.test"))
		}
		limited(t, c.post(base+"/new-order", ids("a.test")))
		c.order("b.test")
		l.client().order("a.test")
	})
	t.Run("failures from an address", func(t *testing.T) {
		l := newLab(t, func(c *server.Config) { c.Limits.FailedFromAddress = 2 })
		l.say = func(*acme.Validation) error { return &acme.Problem{Type: acme.IncorrectResponse, Detail: "wrong"} }
		for range 2 {
			c := l.client()
			c.prove(c.order("a.test"))
		}
		limited(t, l.client().post(base+"/new-order", ids("b.test")))
	})
	t.Run("in an hour", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, func(c *server.Config) { c.Limits.Orders = 1 })
			c := l.client()
			c.order("a.test")
			limited(t, c.post(base+"/new-order", ids("b.test")))
			time.Sleep(time.Hour)
			c.order("b.test")
		})
	})
}
