package oidc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/oidc"
	"github.com/chancery-ca/chancery/provisioner/provisionertest"
)

// Whoever sends tokens with made-up key ids does not make us a nuisance to the provider.
func TestUnknownKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		o := p.provisioner(nil)
		_, err := o.Authorize(t.Context(), x509Request(t, p.token(good())))
		require.NoError(t, err)
		before := p.fetches
		r := x509Request(t, "")
		stranger := provisionertest.NewKey(t, jose.ES256)
		for i := range 1000 {
			r.Token = sign(t, jose.ES256, stranger, fmt.Sprintf("made-up-%d", i), good())
			_, err := o.Authorize(t.Context(), r)
			requireCode(t, err, "key")
		}
		require.LessOrEqual(t, p.fetches-before, 2, "one look, at two documents")
		time.Sleep(11 * time.Second)
		_, err = o.Authorize(t.Context(), r)
		requireCode(t, err, "key")
		require.LessOrEqual(t, p.fetches-before, 4)
	})
}

// Keys change while tokens come in, and none that is good is refused.
func TestRotationUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		o := p.provisioner(nil)
		var wg sync.WaitGroup
		var done atomic.Int64
		r := x509Request(t, "")
		for range 20 {
			wg.Go(func() {
				for range 20 {
					q := *r
					q.Token = p.token(good())
					if _, err := o.Authorize(t.Context(), &q); err != nil {
						t.Errorf("a good token is refused: %v", err)
					}
					done.Add(1)
					time.Sleep(3 * time.Second)
				}
			})
		}
		for i := range 4 {
			time.Sleep(15 * time.Second) // providers announce a key before they use it
			k := jose.JSONWebKey{Key: provisionertest.NewKey(t, jose.ES256), KeyID: fmt.Sprintf("next-%d", i), Algorithm: "ES256", Use: "sig"}
			p.set(func() { p.keys = append(p.keys, k) })
		}
		wg.Wait()
		require.EqualValues(t, 400, done.Load())
		require.LessOrEqual(t, p.fetches, 12)
	})
}

// A provider that is down takes nothing from those whose keys are known, for a while.
func TestProviderDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		p.set(func() { p.err = errors.New("connection refused") })
		o := p.provisioner(nil)
		_, err := o.Authorize(t.Context(), x509Request(t, p.token(good())))
		require.ErrorIs(t, err, provisioner.Unavailable)
		requireCode(t, err, "provider")
		before := p.fetches
		_, err = o.Authorize(t.Context(), x509Request(t, p.token(good())))
		require.ErrorIs(t, err, provisioner.Unavailable)
		require.Equal(t, before, p.fetches, "it is not asked at every token")
		p.set(func() { p.err = nil })
		time.Sleep(11 * time.Second)
		_, err = o.Authorize(t.Context(), x509Request(t, p.token(good())))
		require.NoError(t, err)

		p.set(func() { p.err = errors.New("connection refused") })
		for _, later := range []time.Duration{time.Hour, 24 * time.Hour, 40 * time.Hour} {
			time.Sleep(later)
			_, err = o.Authorize(t.Context(), x509Request(t, p.token(good())))
			require.NoError(t, err)
		}
		time.Sleep(8 * time.Hour)
		_, err = o.Authorize(t.Context(), x509Request(t, p.token(good())))
		require.ErrorIs(t, err, provisioner.Unavailable, "after three days nobody knows whether the keys are still good")
	})
}

// A key that the provider has taken away is not good for longer than its documents are fresh.
func TestWithdrawnKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		p.freshness = "public, max-age=3600"
		o := p.provisioner(nil)
		old := p.keys[0]
		_, err := o.Authorize(t.Context(), x509Request(t, p.token(good())))
		require.NoError(t, err)
		p.rotate("k2", jose.ES256)
		time.Sleep(time.Hour + time.Second)
		_, err = o.Authorize(t.Context(), x509Request(t, sign(t, jose.ES256, old.Key, old.KeyID, good())))
		requireCode(t, err, "key")
	})
}

func TestSlowProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		p.delay = time.Hour
		o := p.provisioner(nil)
		began := time.Now()
		_, err := o.Authorize(t.Context(), x509Request(t, p.token(good())))
		require.ErrorIs(t, err, provisioner.Unavailable)
		require.LessOrEqual(t, time.Since(began), 6*time.Second)
	})
}

// Those who come first together share one look, and one who leaves does not spoil it for the others.
func TestFirstTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		p.delay = time.Second
		o := p.provisioner(nil)
		r := x509Request(t, "")
		var wg sync.WaitGroup
		impatient, leave := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer leave()
		var left error
		wg.Go(func() {
			q := *r
			q.Token = p.token(good())
			_, left = o.Authorize(impatient, &q)
		})
		synctest.Wait()
		for range 20 {
			wg.Go(func() {
				q := *r
				q.Token = p.token(good())
				if _, err := o.Authorize(t.Context(), &q); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		_ = left // it was the one who asked, and may have got its answer
		require.Equal(t, 2, p.fetches)
	})
}

// Whatever a provider answers with, it is refused as a fault of the provider, and nothing of it is repeated.
func TestBadDocuments(t *testing.T) {
	const secret = "do-not-repeat-this"
	for name, spoil := range map[string]func(p *idp){
		"garbage":           func(p *idp) { p.body = func() []byte { return []byte(secret) } },
		"hundred megabytes": func(p *idp) { p.body = func() []byte { return bytes.Repeat([]byte("x"), 100<<20) } },
		"a list":            func(p *idp) { p.body = func() []byte { return []byte(`["` + secret + `"]`) } },
		"nothing":           func(p *idp) { p.body = func() []byte { return nil } },
		"another issuer":    func(p *idp) { p.issuer = "https://" + secret },
		"no issuer":         func(p *idp) { p.issuer = "" },
		"keys over http":    func(p *idp) { p.jwksURI = "http://" + secret + "/keys" },
		"keys nowhere":      func(p *idp) { p.jwksURI = "" },
		"no keys":           func(p *idp) { p.keys = nil },
		"keys for secrecy":  func(p *idp) { p.keys[0].Use = "enc" },
		"keys misnamed":     func(p *idp) { p.keys[0].Algorithm = "RS256" },
		"too many keys": func(p *idp) {
			for i := range 101 {
				k := p.keys[0]
				k.KeyID = fmt.Sprint(i)
				p.keys = append(p.keys, k)
			}
		},
		"redirect":     func(p *idp) { p.status = http.StatusFound },
		"server error": func(p *idp) { p.status = http.StatusInternalServerError },
	} {
		p := newIDP(t)
		token := p.token(good())
		spoil(p)
		_, err := p.provisioner(nil).Authorize(context.Background(), x509Request(t, token))
		require.ErrorIs(t, err, provisioner.Unavailable, name)
		require.NotContains(t, err.Error(), secret, name)
	}
}

// One key of a kind that nobody knows here does not spoil the others.
func TestUnknownKindOfKey(t *testing.T) {
	p := newIDP(t)
	real := p.token(good())
	jwk, err := p.keys[0].Public().MarshalJSON()
	require.NoError(t, err)
	n := 0
	p.body = func() []byte {
		if n++; n == 1 {
			return []byte(`{"issuer":"` + issuer + `","jwks_uri":"` + issuer + `/keys"}`)
		}
		return []byte(`{"keys":[{"kty":"XYZ","kid":"k1","x":"AA"},{"kty":"oct","k":"c2VjcmV0","kid":"k1"},` + string(jwk) + `]}`)
	}
	_, err = p.provisioner(nil).Authorize(context.Background(), x509Request(t, real))
	require.NoError(t, err)
}

// A document for all tenants says whose it is by a placeholder.
func TestTenants(t *testing.T) {
	p := newIDP(t)
	p.issuer = "https://login.example.com/{tenantid}/v2.0"
	o := p.provisioner(func(c *oidc.Config) {
		c.ConfigurationEndpoint, c.TenantID = "https://login.example.com/common/v2.0/.well-known/openid-configuration", "t-1"
	})
	claims := with(good(), map[string]any{"iss": "https://login.example.com/t-1/v2.0", "tid": "t-1"})
	_, err := o.Authorize(context.Background(), x509Request(t, p.token(claims)))
	require.NoError(t, err)
	_, err = o.Authorize(context.Background(), x509Request(t, p.token(with(claims, map[string]any{"iss": "https://login.example.com/t-2/v2.0"}))))
	requireCode(t, err, "issuer")
	p.issuer = "https://login.example.com/{tenantid}/{other}"
	_, err = p.provisioner(func(c *oidc.Config) { c.TenantID = "t-1" }).Authorize(context.Background(), x509Request(t, p.token(claims)))
	require.ErrorIs(t, err, provisioner.Unavailable)
}
