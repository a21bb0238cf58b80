package oidc_test

import (
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/oidc"
	"github.com/chancery-ca/chancery/provisioner/provisionertest"
)

const (
	issuer = "https://idp.example.com"
	client = "the-client"
)

// idp is an OpenID provider that answers in memory.
type idp struct {
	t testing.TB

	mu        sync.Mutex
	keys      []jose.JSONWebKey // private ones
	issuer    string
	jwksURI   string
	fetches   int
	err       error         // of every connection
	status    int           // 0: 200
	body      func() []byte // instead of a document
	delay     time.Duration
	freshness string
}

func newIDP(t testing.TB) *idp {
	p := &idp{t: t, issuer: issuer, jwksURI: issuer + "/keys"}
	p.rotate("k1", jose.ES256)
	return p
}

func (p *idp) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// rotate puts a new key in the place of the others.
func (p *idp) rotate(id string, alg jose.SignatureAlgorithm) {
	k := jose.JSONWebKey{Key: provisionertest.NewKey(p.t, alg), KeyID: id, Algorithm: string(alg), Use: "sig"}
	p.set(func() { p.keys = []jose.JSONWebKey{k} })
}

func (p *idp) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fetches++
	if p.delay > 0 {
		d := p.delay
		p.mu.Unlock()
		select {
		case <-time.After(d):
		case <-r.Context().Done():
		}
		p.mu.Lock()
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
	}
	if p.err != nil {
		return nil, p.err
	}
	var v any = map[string]string{"issuer": p.issuer, "jwks_uri": p.jwksURI}
	if !strings.Contains(r.URL.Path, ".well-known") {
		set := jose.JSONWebKeySet{}
		for _, k := range p.keys {
			set.Keys = append(set.Keys, k.Public())
		}
		v = set
	}
	b, err := json.Marshal(v)
	if p.body != nil {
		b = p.body()
	}
	status := p.status
	if status == 0 {
		status = http.StatusOK
	}
	h := http.Header{}
	if p.freshness != "" {
		h["Cache-Control"] = strings.Split(p.freshness, "\n")
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(string(b))), Request: r}, err
}

// provisioner makes one that asks p.
func (p *idp) provisioner(change func(c *oidc.Config)) *oidc.Provisioner {
	p.t.Helper()
	c := oidc.Config{Name: "people", ClientID: client, ConfigurationEndpoint: issuer, Client: &http.Client{Transport: p, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	if change != nil {
		change(&c)
	}
	o, err := oidc.New(c)
	require.NoError(p.t, err)
	return o
}

// good are the claims of somebody who may.
func good() map[string]any {
	now := time.Now()
	return map[string]any{
		"iss": issuer, "aud": client, "sub": "4711", "email": "Joe.Smith@Example.com", "email_verified": true,
		"nonce": fmt.Sprintf("n-%d", serial()), "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
}

var counter struct {
	sync.Mutex
	n int
}

func serial() int {
	counter.Lock()
	defer counter.Unlock()
	counter.n++
	return counter.n
}

// token signs claims with the newest key.
func (p *idp) token(claims map[string]any) string {
	p.mu.Lock()
	k := p.keys[len(p.keys)-1]
	p.mu.Unlock()
	return sign(p.t, jose.SignatureAlgorithm(k.Algorithm), k.Key, k.KeyID, claims)
}

func sign(t testing.TB, alg jose.SignatureAlgorithm, key any, kid string, claims map[string]any) string {
	t.Helper()
	o := (&jose.SignerOptions{}).WithType("JWT")
	if kid != "" {
		o = o.WithHeader("kid", kid)
	}
	if s, ok := key.(crypto.Signer); ok {
		key = s
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, o)
	require.NoError(t, err)
	b, err := json.Marshal(claims)
	require.NoError(t, err)
	m, err := s.Sign(b)
	require.NoError(t, err)
	tok, err := m.CompactSerialize()
	require.NoError(t, err)
	return tok
}

// with changes claims; nil takes one away.
func with(claims map[string]any, changes map[string]any) map[string]any {
	out := maps.Clone(claims)
	for k, v := range changes {
		if out[k] = v; v == nil {
			delete(out, k)
		}
	}
	return out
}

func x509Request(t testing.TB, token string) *provisioner.Request {
	return &provisioner.Request{Operation: provisioner.X509Sign, Token: token, CSR: provisionertest.NewCSR(t, "whatever", "whatever.example.com"), Audiences: provisionertest.Audiences(provisioner.X509Sign)}
}

func sshRequest(t testing.TB, token string) *provisioner.Request {
	return &provisioner.Request{Operation: provisioner.SSHSign, Token: token, Audiences: provisionertest.Audiences(provisioner.SSHSign), SSH: &provisioner.SSHRequest{Key: provisionertest.NewSSHKey(t)}}
}

func requireCode(t testing.TB, err error, code string, what ...any) {
	t.Helper()
	r, ok := errors.AsType[*provisioner.Refusal](err)
	require.True(t, ok, "%v: not a refusal: %v", what, err)
	require.Equal(t, code, r.Code, "%v: %v", what, err)
}
