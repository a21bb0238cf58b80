package server_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
)

// abuse is something that a client must not get away with.
type abuse struct {
	name    string
	do      func(l *lab) *httptest.ResponseRecorder
	status  int
	problem acme.ProblemType
}

func attempt(t *testing.T, cases []abuse) {
	t.Helper()
	seen := map[string]bool{}
	for _, a := range cases {
		require.False(t, seen[a.name], "two cases are called %q", a.name)
		seen[a.name] = true
		t.Run(a.name, func(t *testing.T) {
			l := newLab(t)
			refused(t, a.do(l), a.status, a.problem)
		})
	}
}

// refused checks an answer that says no, in all that every answer has to have.
func refused(t *testing.T, w *httptest.ResponseRecorder, status int, kind acme.ProblemType) {
	t.Helper()
	require.Equal(t, status, w.Code, w.Body)
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	proper(t, w)
	var p acme.Problem
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &p), w.Body)
	require.Equal(t, kind, p.Type, w.Body)
	require.Contains(t, w.Body.String(), `"urn:ietf:params:acme:error:`+string(kind)+`"`)
	require.NotEmpty(t, p.Detail)
	for _, leak := range []string{"acme/server", "envelope:", "authority:", ".go:", "sql"} {
		require.NotContains(t, w.Body.String(), leak)
	}
}

// proper checks what every answer has, good or bad (RFC 8555, sections 6.5 and 7.1).
func proper(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	require.Len(t, w.Header().Values("Replay-Nonce"), 1)
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	require.Contains(t, w.Header().Values("Link"), "<"+base+`/directory>;rel="index"`)
}

// TestEnvelopeAbuse is about what requests are wrapped in. What can be told without a server is in package envelope.
func TestEnvelopeAbuse(t *testing.T) {
	to := base + "/new-order"
	good := func(l *lab) (*client, map[string]any) {
		c := l.client()
		return c, c.header(to)
	}
	raw := func(f func(l *lab, c *client, h map[string]any) []byte) func(*lab) *httptest.ResponseRecorder {
		return func(l *lab) *httptest.ResponseRecorder {
			c, h := good(l)
			return l.send(http.MethodPost, to, jose, f(l, c, h))
		}
	}
	change := func(changes map[string]any) func(*lab) *httptest.ResponseRecorder {
		return func(l *lab) *httptest.ResponseRecorder { return l.client().forge(to, ids("a.test"), changes) }
	}
	as := func(contentType string) func(*lab) *httptest.ResponseRecorder {
		return func(l *lab) *httptest.ResponseRecorder {
			c, h := good(l)
			return l.send(http.MethodPost, to, contentType, sign(c.key, h, payloadOf(ids("a.test"))))
		}
	}
	attempt(t, []abuse{
		{"no nonce", change(map[string]any{"nonce": nil}), 400, acme.Malformed},
		{"nonce that is no string", change(map[string]any{"nonce": 7}), 400, acme.Malformed},
		{"nonce that is not base64url", change(map[string]any{"nonce": "a+b/="}), 400, acme.Malformed},
		{"nonce made up", change(map[string]any{"nonce": b64(make([]byte, 40))}), 400, acme.BadNonce},
		{"nonce of another server", func(l *lab) *httptest.ResponseRecorder {
			return l.client().forge(to, ids("a.test"), map[string]any{"nonce": newLab(t).nonce()})
		}, 400, acme.BadNonce},
		{"nonce used before", func(l *lab) *httptest.ResponseRecorder {
			c, h := good(l)
			body := sign(c.key, h, payloadOf(ids("a.test")))
			require.Equal(t, 201, l.send(http.MethodPost, to, jose, body).Code)
			return l.send(http.MethodPost, to, jose, body)
		}, 400, acme.BadNonce},
		{"nonce used for something else", func(l *lab) *httptest.ResponseRecorder {
			c, h := good(l)
			require.Equal(t, 201, l.send(http.MethodPost, to, jose, sign(c.key, h, payloadOf(ids("a.test")))).Code)
			return c.forge(c.kid, nil, map[string]any{"nonce": h["nonce"]})
		}, 400, acme.BadNonce},
		{"kid and jwk", func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			return c.forge(to, ids("a.test"), map[string]any{"jwk": jwk(&c.key.PublicKey)})
		}, 400, acme.Malformed},
		{"neither kid nor jwk", change(map[string]any{"kid": nil}), 400, acme.Malformed},
		{"jwk where an account is wanted", func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			return c.forge(to, ids("a.test"), map[string]any{"kid": nil, "jwk": jwk(&c.key.PublicKey)})
		}, 400, acme.Malformed},
		{"kid where a key is wanted", func(l *lab) *httptest.ResponseRecorder {
			return l.client().post(base+"/new-account", map[string]any{})
		}, 400, acme.Malformed},
		{"kid of nobody", change(map[string]any{"kid": base + "/account/00000000000000000000000000"}), 400, acme.AccountDoesNotExist},
		{"kid that is no account", change(map[string]any{"kid": base + "/order/00000000000000000000000000"}), 400, acme.AccountDoesNotExist},
		{"kid that is no URL", change(map[string]any{"kid": "%zz"}), 400, acme.AccountDoesNotExist},
		{"kid with dots", change(map[string]any{"kid": base + "/x/../account/00000000000000000000000000"}), 400, acme.AccountDoesNotExist},
		{"kid at another host", func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			return c.forge(to, ids("a.test"), map[string]any{"kid": strings.Replace(c.kid, "ca.test", "evil.test", 1)})
		}, 400, acme.AccountDoesNotExist},
		{"kid at another provisioner", func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			there := "https://ca.test/acme/other"
			c.kid = strings.Replace(c.kid, base, there, 1)
			w := c.post(there+"/new-order", ids("a.test"))
			w.Header().Set("Link", "<"+base+`/directory>;rel="index"`)
			return w
		}, 400, acme.AccountDoesNotExist},
		{"kid of another account", func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			return c.forge(to, ids("a.test"), map[string]any{"kid": l.client().kid})
		}, 400, acme.Malformed},
		{"url of another resource", change(map[string]any{"url": base + "/key-change"}), 403, acme.Unauthorized},
		{"url at another host", change(map[string]any{"url": "https://evil.test/acme/acme/new-order"}), 403, acme.Unauthorized},
		{"url with a slash more", change(map[string]any{"url": to + "/"}), 403, acme.Unauthorized},
		{"url of another scheme", change(map[string]any{"url": "http" + strings.TrimPrefix(to, "https")}), 403, acme.Unauthorized},
		{"no url", change(map[string]any{"url": nil}), 400, acme.Malformed},
		{"alg none", change(map[string]any{"alg": "none"}), 400, acme.BadSignatureAlgorithm},
		{"alg of a MAC", change(map[string]any{"alg": "HS256"}), 400, acme.BadSignatureAlgorithm},
		{"alg of another curve", change(map[string]any{"alg": "ES384"}), 400, acme.BadSignatureAlgorithm},
		{"alg of another kind of key", change(map[string]any{"alg": "RS256"}), 400, acme.BadSignatureAlgorithm},
		{"no alg", change(map[string]any{"alg": nil}), 400, acme.Malformed},
		{"MAC with the public key", raw(func(l *lab, c *client, h map[string]any) []byte {
			h["alg"] = "HS256"
			point, err := c.key.PublicKey.Bytes()
			require.NoError(t, err)
			return mac(point, h, payloadOf(ids("a.test")))
		}), 400, acme.BadSignatureAlgorithm},
		{"crit", change(map[string]any{"crit": []string{"b64"}, "b64": true}), 400, acme.Malformed},
		{"b64 false", change(map[string]any{"b64": false}), 400, acme.Malformed},
		{"another key's signature", raw(func(l *lab, c *client, h map[string]any) []byte {
			return sign(l.stranger().key, h, payloadOf(ids("a.test")))
		}), 400, acme.Malformed},
		{"signature of another payload", raw(func(l *lab, c *client, h map[string]any) []byte {
			return bytes.Replace(sign(c.key, h, payloadOf(ids("a.test"))), []byte(b64(payloadOf(ids("a.test")))), []byte(b64(payloadOf(ids("b.test")))), 1)
		}), 400, acme.Malformed},
		{"no signature", raw(func(l *lab, c *client, h map[string]any) []byte {
			return []byte(`{"protected":"` + b64(payloadOf(h)) + `","payload":"","signature":""}`)
		}), 400, acme.Malformed},
		{"several signatures", raw(func(l *lab, c *client, h map[string]any) []byte {
			one := sign(c.key, h, payloadOf(ids("a.test")))
			return []byte(`{"payload":"","signatures":[` + string(one) + `]}`)
		}), 400, acme.Malformed},
		{"unprotected header", raw(func(l *lab, c *client, h map[string]any) []byte {
			one := sign(c.key, h, payloadOf(ids("a.test")))
			return append([]byte(`{"header":{"kid":"x"},`), one[1:]...)
		}), 400, acme.Malformed},
		{"compact JWS", raw(func(l *lab, c *client, h map[string]any) []byte {
			return []byte(b64(payloadOf(h)) + ".e30.AAAA")
		}), 400, acme.Malformed},
		{"member twice", raw(func(l *lab, c *client, h map[string]any) []byte {
			one := sign(c.key, h, payloadOf(ids("a.test")))
			return append([]byte(`{"payload":"e30",`), one[1:]...)
		}), 400, acme.Malformed},
		{"no JSON", raw(func(*lab, *client, map[string]any) []byte { return []byte("hello") }), 400, acme.Malformed},
		{"nothing", raw(func(*lab, *client, map[string]any) []byte { return nil }), 400, acme.Malformed},
		{"too much", raw(func(*lab, *client, map[string]any) []byte { return bytes.Repeat([]byte(" "), 1<<20) }), 413, acme.Malformed},
		{"too deep", raw(func(l *lab, c *client, h map[string]any) []byte {
			return sign(c.key, h, []byte(strings.Repeat(`{"a":`, 5000)+"1"+strings.Repeat("}", 5000)))
		}), 400, acme.Malformed},
		{"payload that is a list", raw(func(l *lab, c *client, h map[string]any) []byte { return sign(c.key, h, []byte("[]")) }), 400, acme.Malformed},
		{"payload that is not UTF-8", raw(func(l *lab, c *client, h map[string]any) []byte {
			return sign(c.key, h, []byte("{\"profile\":\"\xff\"}"))
		}), 400, acme.Malformed},
		{"payload with a member twice", raw(func(l *lab, c *client, h map[string]any) []byte {
			return sign(c.key, h, []byte(`{"profile":"","profile":"short"}`))
		}), 400, acme.Malformed},
		{"content type json", as("application/json"), 415, acme.Malformed},
		{"content type of nothing", as(""), 415, acme.Malformed},
		{"GET of an order", func(l *lab) *httptest.ResponseRecorder {
			return l.send(http.MethodGet, l.client().order("a.test").at, "", nil)
		}, 405, acme.Malformed},
		{"PUT to new-order", func(l *lab) *httptest.ResponseRecorder { return l.send(http.MethodPut, to, jose, nil) }, 405, acme.Malformed},
		{"POST to the directory", func(l *lab) *httptest.ResponseRecorder {
			return l.client().post(base+"/directory", nil)
		}, 405, acme.Malformed},
		{"no such resource", func(l *lab) *httptest.ResponseRecorder { return l.client().post(base+"/new-authz", ids("a.test")) }, 404, acme.Malformed},
		{"new-order with a slash more", func(l *lab) *httptest.ResponseRecorder { return l.client().post(to+"/", ids("a.test")) }, 404, acme.Malformed},
		{"new-order with a query", func(l *lab) *httptest.ResponseRecorder { return l.client().post(to+"?a=b", ids("a.test")) }, 404, acme.Malformed},
	})
}

// Every resource takes each nonce once, and answers with another.
func TestReplays(t *testing.T) {
	l := newLab(t)
	c := l.client()
	o, name := c.ready()
	_, leaf := c.certificate(newKey(t))
	for url, payload := range map[string]any{
		base + "/new-order": ids(l.fresh()), c.kid: nil, c.kid + "/orders": nil, o.at: nil, o.Authorizations[0]: nil,
		o.Finalize: c.csr(name), base + "/revoke-cert": map[string]any{"certificate": b64(leaf.Raw)},
	} {
		body := sign(c.key, c.header(url), payloadOf(payload))
		w := l.send(http.MethodPost, url, jose, body)
		require.Less(t, w.Code, 300, w.Body)
		proper(t, w)
		refused(t, l.send(http.MethodPost, url, jose, body), 400, acme.BadNonce)
	}
}

func TestOpenResources(t *testing.T) {
	l := newLab(t)
	w := l.send(http.MethodHead, base+"/new-nonce", "", nil)
	require.Equal(t, 200, w.Code)
	proper(t, w)
	w = l.send(http.MethodGet, base+"/new-nonce", "", nil)
	require.Equal(t, 204, w.Code)
	proper(t, w)
	w = l.send(http.MethodGet, base+"/directory", "", nil)
	require.Equal(t, 200, w.Code)
	require.JSONEq(t, `{"newNonce":"`+base+`/new-nonce","newAccount":"`+base+`/new-account","newOrder":"`+base+`/new-order",
		"revokeCert":"`+base+`/revoke-cert","keyChange":"`+base+`/key-change","renewalInfo":"`+base+`/renewal-info",
		"meta":{"profiles":{"short":"for an hour"}}}`, w.Body.String())
}
