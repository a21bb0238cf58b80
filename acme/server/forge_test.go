package server_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/server"
	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/httpapi"
	"github.com/chancery-ca/chancery/authority/policy"
)

// base is the server's URL in tests without sockets.
const base = "https://ca.test/acme/acme"

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// lab is a CA whose requests are answered in process.
type lab struct {
	t     testing.TB
	ca    *authoritytest.CA
	store acme.Store
	h     http.Handler
	last  *httptest.ResponseRecorder
	say   func(c *acme.Validation) error // nil: every challenge passes
	names int
}

// newLab puts one together. change may change the configuration; a policy allows only names below .test.
func newLab(t testing.TB, change ...func(*server.Config)) *lab {
	t.Helper()
	l := &lab{t: t, store: acme.NewMemory()}
	c := server.Config{Store: l.store, Profiles: map[string]string{"short": "for an hour"}}
	say := func(v *acme.Validation) error {
		if l.say == nil {
			return nil
		}
		return l.say(v)
	}
	c.Validators = []acme.Validator{&told{kind: acme.HTTP01, say: say}, &told{kind: acme.DNS01, say: say}}
	c.Retries = nil
	for _, f := range change {
		f(&c)
	}
	l.store = c.Store
	s, err := server.New(c)
	require.NoError(t, err)
	other := c
	other.Name = "other"
	o, err := server.New(other)
	require.NoError(t, err)
	allowed, err := policy.New(policy.Config{Allow: policy.Rules{DNS: []string{"*.test"}, IP: []string{"192.0.2.0/24", "2001:db8::/32"}}, AllowWildcards: true})
	require.NoError(t, err)
	l.ca = authoritytest.New(t, func(c *authority.Config) {
		c.Provisioners = append(c.Provisioners, s, o)
		c.Profiles = append(c.Profiles, authority.Profile{Name: "guarded", Policy: allowed}, authority.Profile{Name: "short", Policy: allowed})
		c.Bindings = map[string]authority.Binding{
			"acme": {Profile: "guarded", Profiles: []string{"short"}}, "other": {Profile: "guarded"},
		}
	})
	l.h = httpapi.New(l.ca.Authority, nil)
	return l
}

// client is a key with an account, or without one yet.
type client struct {
	l   *lab
	key *ecdsa.PrivateKey
	kid string
}

func (l *lab) stranger() *client {
	l.t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(l.t, err)
	return &client{l: l, key: k}
}

// client returns one with an account.
func (l *lab) client() *client {
	l.t.Helper()
	c := l.stranger()
	w := c.post(base+"/new-account", map[string]any{"termsOfServiceAgreed": true})
	require.Equal(l.t, http.StatusCreated, w.Code, w.Body)
	c.kid = w.Header().Get("Location")
	return c
}

func jwk(k *ecdsa.PublicKey) map[string]any {
	p, _ := k.Bytes() // a good key
	return map[string]any{"kty": "EC", "crv": "P-256", "x": b64(p[1:33]), "y": b64(p[33:])}
}

// send passes a request to the handler.
func (l *lab) send(method, url, contentType string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, url, bytes.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	r.RequestURI = strings.TrimPrefix(url, "https://"+r.Host)
	w := httptest.NewRecorder()
	l.h.ServeHTTP(w, r)
	l.last = w
	return w
}

func (l *lab) nonce() string {
	return l.send(http.MethodHead, base+"/new-nonce", "", nil).Header().Get("Replay-Nonce")
}

// header is what a request's protected header has, unless it is changed.
func (c *client) header(url string) map[string]any {
	h := map[string]any{"alg": "ES256", "nonce": c.l.nonce(), "url": url}
	if c.kid != "" {
		h["kid"] = c.kid
	} else {
		h["jwk"] = jwk(&c.key.PublicKey)
	}
	return h
}

// payloadOf encodes a payload: nil is POST-as-GET, a string is taken as it is.
func payloadOf(v any) []byte {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		return []byte(v)
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// sign makes a flattened JWS.
func sign(k *ecdsa.PrivateKey, h map[string]any, payload []byte) []byte {
	head := b64(payloadOf(h))
	body := b64(payload)
	digest := sha256.Sum256([]byte(head + "." + body))
	r, s, err := ecdsa.Sign(rand.Reader, k, digest[:])
	if err != nil {
		panic(err)
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return []byte(`{"protected":"` + head + `","payload":"` + body + `","signature":"` + b64(sig) + `"}`)
}

const jose = "application/jose+json"

// post sends a good request.
func (c *client) post(url string, payload any) *httptest.ResponseRecorder {
	return c.forge(url, payload, nil)
}

// forge sends a request whose header has changes; those that are nil are taken out.
func (c *client) forge(url string, payload any, changes map[string]any) *httptest.ResponseRecorder {
	h := c.header(url)
	maps.Copy(h, changes)
	maps.DeleteFunc(h, func(_ string, v any) bool { return v == nil })
	return c.l.send(http.MethodPost, url, jose, sign(c.key, h, payloadOf(payload)))
}

// mac makes an external account binding.
func mac(key []byte, header map[string]any, payload []byte) json.RawMessage {
	head, body := b64(payloadOf(header)), b64(payload)
	m := hmac.New(sha256.New, key)
	m.Write([]byte(head + "." + body))
	return json.RawMessage(`{"protected":"` + head + `","payload":"` + body + `","signature":"` + b64(m.Sum(nil)) + `"}`)
}

// obj reads an answer.
type obj struct {
	Status         string
	Identifier     acme.Identifier
	Authorizations []string
	Finalize       string
	Certificate    string
	Challenges     []struct{ Type, URL, Status string }
	Orders         []string
	Error          *acme.Problem
	at             string // Location
}

func (l *lab) obj(w *httptest.ResponseRecorder) obj {
	l.t.Helper()
	var o obj
	require.Less(l.t, w.Code, 300, w.Body)
	require.NoError(l.t, json.Unmarshal(w.Body.Bytes(), &o))
	o.at = w.Header().Get("Location")
	return o
}

func ids(names ...string) map[string]any {
	var list []map[string]string
	for _, n := range names {
		list = append(list, map[string]string{"type": "dns", "value": n})
	}
	return map[string]any{"identifiers": list}
}

// fresh returns a name that nobody has had.
func (l *lab) fresh() string {
	l.names++
	return fmt.Sprintf("n%d.test", l.names)
}

func (c *client) order(names ...string) obj {
	c.l.t.Helper()
	return c.l.obj(c.post(base+"/new-order", ids(names...)))
}

// prove has every authorization of an order validated.
func (c *client) prove(o obj) obj {
	c.l.t.Helper()
	for _, u := range o.Authorizations {
		a := c.l.obj(c.post(u, nil))
		if a.Status == "pending" {
			c.l.obj(c.post(a.Challenges[0].URL, "{}"))
		}
	}
	return c.l.obj(c.post(o.at, nil))
}

// ready returns an order that can be finalized, and its name.
func (c *client) ready() (obj, string) {
	c.l.t.Helper()
	name := c.l.fresh()
	o := c.prove(c.order(name))
	require.Equal(c.l.t, "ready", o.Status)
	return o, name
}

func csrFor(t testing.TB, key crypto.Signer, q *x509.CertificateRequest) map[string]any {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, q, key)
	require.NoError(t, err)
	return map[string]any{"csr": b64(der)}
}

func (c *client) csr(names ...string) map[string]any {
	return csrFor(c.l.t, newKey(c.l.t), &x509.CertificateRequest{DNSNames: names})
}

func named(cn string) pkix.Name { return pkix.Name{CommonName: cn} }

// certificate goes the whole way, and returns the order, and the leaf.
func (c *client) certificate(key crypto.Signer) (obj, *x509.Certificate) {
	c.l.t.Helper()
	o, name := c.ready()
	o = c.l.obj(c.post(o.Finalize, csrFor(c.l.t, key, &x509.CertificateRequest{DNSNames: []string{name}})))
	require.Equal(c.l.t, "valid", o.Status)
	w := c.post(o.Certificate, nil)
	require.Equal(c.l.t, http.StatusOK, w.Code)
	return o, leafOf(c.l.t, w)
}

func leafOf(t testing.TB, w *httptest.ResponseRecorder) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(w.Body.Bytes())
	require.NotNil(t, block, w.Body)
	leaf, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return leaf
}

func decode(t testing.TB, w *httptest.ResponseRecorder, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), v), w.Body)
}
