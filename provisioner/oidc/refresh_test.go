package oidc_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/oidc"
	"github.com/chancery-ca/chancery/provisioner/provisionertest"
)

// A provider that hangs makes one request wait every ten seconds, and not all of them by turns: their keys
// are known.
func TestHangingProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		p.freshness = "max-age=3600"
		o := p.provisioner(nil)
		_, err := o.Authorize(t.Context(), x509Request(t, p.token(good())))
		require.NoError(t, err)
		time.Sleep(2 * time.Hour)
		p.set(func() { p.delay = time.Hour })
		r := x509Request(t, p.token(good()))
		var waited [20]time.Duration
		var wg sync.WaitGroup
		for i := range waited {
			wg.Go(func() {
				began := time.Now()
				if _, err := o.Authorize(t.Context(), r); err != nil {
					t.Error(err)
				}
				waited[i] = time.Since(began)
			})
		}
		wg.Wait()
		slow := 0
		for _, d := range waited {
			require.LessOrEqual(t, d, 6*time.Second)
			if d > 0 {
				slow++
			}
		}
		require.Equal(t, 1, slow, "who asked")
	})
}

// A key that is not known is refused while the provider is down, and those that are known stay good.
func TestUnknownKeyWhileDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		o := p.provisioner(nil)
		old := x509Request(t, p.token(good()))
		_, err := o.Authorize(t.Context(), old)
		require.NoError(t, err)
		p.rotate("k2", jose.ES256)
		p.set(func() { p.err = errors.New("connection refused") })
		fresh := x509Request(t, p.token(good()))
		for range 3 {
			time.Sleep(11 * time.Second)
			_, err = o.Authorize(t.Context(), fresh)
			requireCode(t, err, "key")
			_, err = o.Authorize(t.Context(), old)
			require.NoError(t, err)
		}
		p.set(func() { p.err = nil })
		time.Sleep(11 * time.Second)
		_, err = o.Authorize(t.Context(), fresh)
		require.NoError(t, err, "it is known as soon as the provider is back")
		_, err = o.Authorize(t.Context(), old)
		requireCode(t, err, "key", "and the old one is gone")
	})
}

// Keys are believed for three days after they were last seen, to the second.
func TestThreeDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		o := p.provisioner(nil)
		_, err := o.Authorize(t.Context(), x509Request(t, p.token(good())))
		require.NoError(t, err)
		p.set(func() { p.err = errors.New("connection refused") })
		time.Sleep(72 * time.Hour)
		_, err = o.Authorize(t.Context(), x509Request(t, p.token(good())))
		require.NoError(t, err)
		time.Sleep(time.Second)
		_, err = o.Authorize(t.Context(), x509Request(t, p.token(good())))
		require.ErrorIs(t, err, provisioner.Unavailable)
		p.set(func() { p.err = nil })
		time.Sleep(10 * time.Second)
		_, err = o.Authorize(t.Context(), x509Request(t, p.token(good())))
		require.NoError(t, err)
	})
}

// Whoever sends made-up key ids all the time delays a new key that was not announced by ten seconds at most.
func TestRotationUnderAttack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		o := p.provisioner(nil)
		_, err := o.Authorize(t.Context(), x509Request(t, p.token(good())))
		require.NoError(t, err)
		attack, end := context.WithCancel(t.Context())
		stranger := provisionertest.NewKey(t, jose.ES256)
		bad := x509Request(t, sign(t, jose.ES256, stranger, "made-up", good()))
		var wg sync.WaitGroup
		wg.Go(func() {
			for attack.Err() == nil {
				if _, err := o.Authorize(t.Context(), bad); err == nil {
					t.Error("a made-up key is good")
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
		time.Sleep(35 * time.Second)
		p.rotate("k2", jose.ES256)
		r := x509Request(t, p.token(good()))
		began := time.Now()
		for {
			if _, err = o.Authorize(t.Context(), r); err == nil {
				break
			}
			requireCode(t, err, "key")
			if time.Since(began) > time.Minute {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		end()
		wg.Wait()
		require.LessOrEqual(t, time.Since(began), 11*time.Second)
		require.LessOrEqual(t, p.fetches, 2*6, "two documents every ten seconds")
	})
}

// Old and new keys are used side by side, as they are while tokens by the old one still live.
func TestOldAndNewKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newIDP(t)
		o := p.provisioner(nil)
		old := p.keys[0]
		_, err := o.Authorize(t.Context(), x509Request(t, p.token(good())))
		require.NoError(t, err)
		time.Sleep(11 * time.Second)
		next := jose.JSONWebKey{Key: provisionertest.NewKey(t, jose.EdDSA), KeyID: "k2", Algorithm: "EdDSA", Use: "sig"}
		p.set(func() { p.keys = []jose.JSONWebKey{next, old} })
		before := p.fetches
		r := x509Request(t, "")
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				for j := range 10 {
					q, k, alg := *r, old, jose.ES256
					if (i+j)%2 == 0 {
						k, alg = next, jose.EdDSA
					}
					q.Token = sign(t, alg, k.Key, k.KeyID, good())
					if _, err := o.Authorize(t.Context(), &q); err != nil {
						t.Errorf("a good token is refused: %v", err)
					}
				}
			})
		}
		wg.Wait()
		require.Equal(t, 2, p.fetches-before, "one look was enough for all")
	})
}

// Who waits for another's look may leave when it likes, and who looks need not stay for the others.
func TestLeaving(t *testing.T) {
	for _, first := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			p := newIDP(t)
			p.delay = 2 * time.Second
			o := p.provisioner(nil)
			r := x509Request(t, p.token(good()))
			impatient, leave := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer leave()
			contexts := []context.Context{t.Context(), impatient, t.Context(), t.Context()}
			if first {
				contexts[0], contexts[1] = contexts[1], contexts[0]
			}
			began := time.Now()
			var wg sync.WaitGroup
			for _, ctx := range contexts {
				wg.Go(func() {
					_, err := o.Authorize(ctx, r)
					switch {
					case ctx != impatient && err != nil:
						t.Errorf("who stays gets nothing: %v", err)
					case ctx == impatient && !first:
						if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, provisioner.Unavailable) || time.Since(began) > time.Second {
							t.Errorf("who leaves gets %v after %s", err, time.Since(began))
						}
					}
				})
				synctest.Wait()
			}
			wg.Wait()
			require.Equal(t, 2, p.fetches)
		})
	}
}

// How long documents are kept follows from Cache-Control, within bounds: a key that was withdrawn is good
// until then and no longer.
func TestFreshness(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 12 * time.Hour, "public": 12 * time.Hour, "max-age=soon": 12 * time.Hour, "max-age=-1": 12 * time.Hour, "s-maxage=60": 12 * time.Hour,
		"public, max-age=3600": time.Hour, `Max-Age="7200", must-revalidate`: 2 * time.Hour,
		"max-age=0": 5 * time.Minute, "max-age=1": 5 * time.Minute, "max-age=1000000000": 24 * time.Hour, "max-age=9000000000000": 24 * time.Hour,
		"no-cache": 5 * time.Minute, "no-store, max-age=3600": 5 * time.Minute, "max-age=3600, NO-CACHE": 5 * time.Minute,
		"public\nmax-age=3600": time.Hour,
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newIDP(t)
			p.freshness = header
			o := p.provisioner(nil)
			r := x509Request(t, p.token(good()))
			r.Now = time.Now() // so that the token does not expire
			_, err := o.Authorize(t.Context(), r)
			require.NoError(t, err, header)
			p.rotate("k2", jose.ES256)
			time.Sleep(want)
			_, err = o.Authorize(t.Context(), r)
			require.NoError(t, err, "%q: it is good for %s", header, want)
			time.Sleep(time.Second)
			_, err = o.Authorize(t.Context(), r)
			requireCode(t, err, "key", header)
		})
	}
}

// A provider elsewhere cannot have us ask this machine for its keys, and one on this machine can.
func TestKeysOnLoopback(t *testing.T) {
	for name, x := range map[string]struct {
		endpoint, keys string
		ok             bool
	}{
		"both by https":      {issuer, issuer + "/keys", true},
		"another host":       {issuer, "https://www.keys.example.com/oauth2/v3/certs", true},
		"a query":            {issuer, issuer + "/keys?appid=00000000-0000-0000-66f3-3332eca7ea81", true},
		"a development one":  {"http://127.0.0.1:5556/dex", "http://127.0.0.1:5556/dex/keys", true},
		"keys on loopback":   {issuer, "http://127.0.0.1:8500/v1/kv/secret", false},
		"keys on loopback 6": {issuer, "http://[::1]/keys", false},
		"keys on localhost":  {issuer, "http://localhost/keys", false},
		"keys in a file":     {issuer, "file:///etc/passwd", false},
		"keys of a user":     {issuer, "https://a:b@idp.example.com/keys", false},
		"relative keys":      {issuer, "/keys", false},
	} {
		p := newIDP(t)
		p.issuer, p.jwksURI = x.endpoint, x.keys
		o := p.provisioner(func(c *oidc.Config) { c.ConfigurationEndpoint = x.endpoint })
		_, err := o.Authorize(context.Background(), x509Request(t, p.token(with(good(), map[string]any{"iss": x.endpoint}))))
		if x.ok {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, provisioner.Unavailable, name)
		require.Equal(t, 1, p.fetches, "%s: it was asked for", name)
	}
}

// As many keys as allowed do, and one more does not.
func TestManyKeys(t *testing.T) {
	for n, ok := range map[int]bool{100: true, 101: false, 1000: false} {
		p := newIDP(t)
		for i := len(p.keys); i < n; i++ {
			k := p.keys[0]
			k.KeyID = fmt.Sprint(i)
			p.keys = append(p.keys, k)
		}
		_, err := p.provisioner(nil).Authorize(context.Background(), x509Request(t, p.token(good())))
		require.Equal(t, ok, err == nil, "%d: %v", n, err)
	}
}

// The client of the configuration is asked, and is not changed.
func TestClientIsNotChanged(t *testing.T) {
	p := newIDP(t)
	c := &http.Client{Transport: p}
	require.NoError(t, p.ask(t, c))
	require.Nil(t, c.CheckRedirect)
}
