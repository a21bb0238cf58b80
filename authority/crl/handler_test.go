package crl_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/crl"
	"github.com/chancery-ca/chancery/authority/storetest"
)

// ask asks a handler; headers are pairs.
func ask(h http.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPaths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, pointers(2, true), func(c *authority.Config) {
			c.Issuers[1].Name = "b/é {x}"
			c.Profiles, c.Bindings = nil, nil
			c.Issuers[1].Pointers = crl.Pointers(base+"/", c.Issuers[1].Name, 2, true)
		})
		p := l.publisher(crl.Options{})
		require.NoError(t, p.Publish(t.Context()))
		h := p.Handler()
		const b = "/crl/b%2F%C3%A9%20%7Bx%7D"
		for path, c := range map[string]*authority.CRL{
			"/crl": l.crl("a", 0, false), "/crl/a.crl": l.crl("a", 0, false), "/crl/a/0.crl": l.crl("a", 0, false), "/crl/a/delta.crl": l.crl("a", 0, true),
			"/crl/a/0/delta.crl": l.crl("a", 0, true), "/crl/a/2.crl": l.crl("a", 2, false), "/crl/a/2/delta.crl": l.crl("a", 2, true),
			b + ".crl": l.crl("b/é {x}", 0, false), b + "/1.crl": l.crl("b/é {x}", 1, false), b + "/1/delta.crl": l.crl("b/é {x}", 1, true),
		} {
			w := ask(h, "GET", path)
			require.Equal(t, 200, w.Code, path)
			require.True(t, bytes.Equal(c.DER, w.Body.Bytes()), path)
			behind := http.StripPrefix("/.well-known/pki", h)
			require.Equal(t, c.DER, ask(behind, "GET", "/.well-known/pki"+path).Body.Bytes(), path)
		}
		for _, path := range []string{
			"/", "/crl/", "/crl/.crl", "/crl/a", "/crl/c.crl", "/crl/a/3.crl", "/crl/a/01.crl", "/crl/a/+1.crl", "/crl/a/-1.crl", "/crl/a/4097.crl", "/crl/a/70000.crl",
			"/crl/a/delta/delta.crl", "/crl/a/1/2.crl", "/crl/a/1/delta/delta.crl", "/crl//1.crl", "/crl/delta.crl", "/crl/b/é.crl", "/1.0/crl", "/crl/a.crl/", "/crl/a/x.crl", "/CRL",
			"/crl/%2e%2e/a.crl",
		} {
			w := ask(h, "GET", path)
			require.Equal(t, 404, w.Code, path)
			require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		}
		for _, m := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"} {
			w := ask(h, m, "/crl")
			require.Equal(t, 405, w.Code)
			require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
		}
		l.reconfigure(func(c *authority.Config) { c.Issuers[0].State = authority.Retired })
		require.Equal(t, l.crl("b/é {x}", 0, false).DER, ask(h, "GET", "/crl").Body.Bytes(), "the default issuer is another one")
		require.Equal(t, 200, ask(h, "GET", "/crl/a.crl").Code, "retired ones are still served")
	})
}

// What the pointers say is what is served, and what they say is what certificates carry.
func TestPointersAreServed(t *testing.T) {
	for _, shards := range []int{0, 3} {
		p := crl.Pointers(base+"/", "a b", shards, true)
		l := newLab(t, func(c *authority.Config) {
			c.Issuers[0].Name, c.Issuers[0].Pointers, c.Profiles, c.Bindings = "a b", p, nil, nil
		})
		pub := l.publisher(crl.Options{})
		require.NoError(t, pub.Publish(t.Context()))
		for n := range shards + 1 {
			for _, u := range append(authority.Expand(p.CRLDistributionPoints, n), authority.Expand(p.FreshestCRL, n)...) {
				require.Equal(t, 200, ask(pub.Handler(), "GET", strings.TrimPrefix(u, base)).Code, u)
			}
		}
	}
	require.Empty(t, crl.Pointers(base, "a", 0, false).FreshestCRL)
}

func TestHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		p := l.publisher(crl.Options{MaxAge: time.Hour})
		require.NoError(t, p.Publish(t.Context()))
		c, h := l.crl("a", 0, false), p.Handler()
		w := ask(h, "GET", "/crl")
		require.Equal(t, http.Header{
			"Content-Type": {"application/pkix-crl"}, "Content-Disposition": {`attachment; filename="crl.crl"`}, "Content-Length": {strconv.Itoa(len(c.DER))},
			"Etag": {w.Header().Get("ETag")}, "Last-Modified": {c.ThisUpdate.Format(http.TimeFormat)},
			"Cache-Control": {"public, max-age=3600"}, "Expires": {time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)},
		}, w.Header())
		tag, modified := w.Header().Get("ETag"), w.Header().Get("Last-Modified")
		head := ask(h, "HEAD", "/crl")
		require.Equal(t, w.Header(), head.Header())
		require.Empty(t, head.Body.Bytes())

		armoured := ask(h, "GET", "/crl?pem=true")
		require.Equal(t, "application/x-pem-file", armoured.Header().Get("Content-Type"))
		require.Equal(t, `attachment; filename="crl.pem"`, armoured.Header().Get("Content-Disposition"))
		block, rest := pem.Decode(armoured.Body.Bytes())
		require.Empty(t, rest)
		require.Equal(t, "X509 CRL", block.Type)
		require.Equal(t, c.DER, block.Bytes)
		require.NotEqual(t, tag, armoured.Header().Get("ETag"))
		require.NotEqual(t, tag, ask(h, "GET", "/crl/b.crl").Header().Get("ETag"))

		for _, yes := range [][]string{
			{"If-None-Match", tag}, {"If-None-Match", "W/" + tag}, {"If-None-Match", `"x", ` + tag}, {"If-None-Match", "*"}, {"If-None-Match", `"x"`, "If-None-Match", tag},
			{"If-Modified-Since", modified}, {"If-None-Match", tag, "If-Modified-Since", "x"},
		} {
			w := ask(h, "GET", "/crl", yes...)
			require.Equal(t, 304, w.Code, yes)
			require.Empty(t, w.Body.Bytes())
			require.Equal(t, tag, w.Header().Get("ETag"))
			require.NotEmpty(t, w.Header().Get("Cache-Control"))
		}
		for _, no := range [][]string{
			{"If-None-Match", `"x"`}, {"If-None-Match", ""}, {"If-None-Match", strings.Trim(tag, `"`)}, {"If-None-Match", `"x"`, "If-Modified-Since", modified},
			{"If-Modified-Since", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}, {"If-Modified-Since", "x"},
		} {
			require.Equal(t, 200, ask(h, "GET", "/crl", no...).Code, no)
		}
		for _, step := range []struct {
			after time.Duration
			want  string
		}{
			{15*time.Hour + 30*time.Minute, "public, max-age=1800"}, {30 * time.Minute, "public, max-age=10"}, {7*time.Hour + 59*time.Minute + 55*time.Second, "public, max-age=5"}, {5 * time.Second, "no-store"}, {day, "no-store"},
		} {
			time.Sleep(step.after)
			w := ask(h, "GET", "/crl")
			require.Equal(t, 200, w.Code)
			require.Equal(t, step.want, w.Header().Get("Cache-Control"))
			require.Equal(t, c.DER, w.Body.Bytes())
		}
	})
}

// A node that makes nothing serves what others made, a second later.
func TestServesWhatOthersMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads atomic.Int64
		l := newLab(t, pointers(1, false), func(c *authority.Config) {
			c.Store = &storetest.Faulty{Store: c.Store, On: func(op string, apply func() error) error {
				if op == "CRL" {
					reads.Add(1)
				}
				return apply()
			}}
		})
		server := l.publisher(crl.Options{}).Handler()
		require.Equal(t, 503, ask(server, "GET", "/crl").Code)
		require.Equal(t, 503, ask(server, "GET", "/crl/a/1.crl").Code)
		maker := l.publisher(crl.Options{})
		require.NoError(t, maker.Publish(t.Context()))
		time.Sleep(time.Second)
		first := ask(server, "GET", "/crl").Body.Bytes()
		require.Equal(t, l.crl("a", 0, false).DER, first)
		s := l.revoked("a", 0, time.Now().Add(day))
		require.NoError(t, maker.Publish(t.Context()))
		require.NotEqual(t, first, ask(maker.Handler(), "GET", "/crl").Body.Bytes(), "the maker needs no second")
		time.Sleep(time.Second)
		got, err := x509.ParseRevocationList(ask(server, "GET", "/crl").Body.Bytes())
		require.NoError(t, err)
		require.Equal(t, s, authority.SerialOf(got.RevokedCertificateEntries[0].SerialNumber))

		reads.Store(0)
		for range 10 {
			time.Sleep(200 * time.Millisecond)
			for range 20 {
				require.Equal(t, 200, ask(server, "GET", "/crl").Code)
				require.Equal(t, 404, ask(server, "GET", "/crl/a/4000.crl").Code)
			}
		}
		require.EqualValues(t, 2+1, reads.Load(), "once a second, and once a minute for what nobody expects")
	})
}

// Any number of clients make one question to the store, and one that has a good CRL does not wait for it.
func TestNoStampede(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads atomic.Int64
		var hang atomic.Bool
		l := newLab(t, func(c *authority.Config) {
			c.Store = &storetest.Faulty{Store: c.Store, On: func(op string, apply func() error) error {
				if op == "CRL" {
					reads.Add(1)
					time.Sleep(time.Second)
					for hang.Load() {
						time.Sleep(time.Second)
					}
				}
				return apply()
			}}
		})
		require.NoError(t, l.publisher(crl.Options{}).Publish(t.Context()))
		h := l.publisher(crl.Options{}).Handler()
		reads.Store(0)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { require.Equal(t, 200, ask(h, "GET", "/crl").Code) })
		}
		wg.Wait()
		require.EqualValues(t, 1, reads.Load())
		time.Sleep(2 * time.Second)
		hang.Store(true)
		wg.Go(func() { ask(h, "GET", "/crl") })
		synctest.Wait()
		started := time.Now()
		require.Equal(t, 200, ask(h, "GET", "/crl").Code)
		require.Zero(t, time.Since(started))
		hang.Store(false)
		wg.Wait()
	})
}

func TestStoreDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		l := newLab(t, func(c *authority.Config) {
			c.Store = &storetest.Faulty{Store: c.Store, On: func(_ string, apply func() error) error {
				if down.Load() {
					return authority.ErrUnavailable
				}
				return apply()
			}}
		})
		require.NoError(t, l.publisher(crl.Options{}).Publish(t.Context()))
		h := l.publisher(crl.Options{}).Handler()
		require.Equal(t, 200, ask(h, "GET", "/crl").Code)
		down.Store(true)
		time.Sleep(time.Hour)
		require.Equal(t, 200, ask(h, "GET", "/crl").Code)
		w := ask(h, "GET", "/crl/b.crl")
		require.Equal(t, 503, w.Code, "nobody asked for it before")
		require.Equal(t, "5", w.Header().Get("Retry-After"))
		time.Sleep(23 * time.Hour)
		require.Equal(t, 503, ask(h, "GET", "/crl").Code, "there may be a newer one")
		down.Store(false)
		time.Sleep(time.Second)
		require.Equal(t, 200, ask(h, "GET", "/crl").Code, "there is none, so relying parties may judge")
	})
}

// A client that hangs up does not take the answer away from those who wait with it.
func TestClientHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		require.NoError(t, l.publisher(crl.Options{}).Publish(t.Context()))
		slow := &slowStore{Store: l.store}
		ca, err := authority.New(func() authority.Config { c := l.config; c.Store = slow; return c }())
		require.NoError(t, err)
		p, err := crl.New(ca, crl.Options{})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			w := httptest.NewRecorder()
			p.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/crl", nil).WithContext(ctx))
		})
		synctest.Wait()
		code := 0
		wg.Go(func() { code = ask(p.Handler(), "GET", "/crl").Code })
		synctest.Wait()
		cancel()
		wg.Wait()
		require.Equal(t, 200, code)
	})
}

type slowStore struct{ authority.Store }

func (s *slowStore) CRL(ctx context.Context, q authority.CRLScope, above int64) (*authority.CRL, error) {
	select {
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), authority.ErrUnavailable)
	case <-time.After(time.Second):
		return s.Store.CRL(ctx, q, above)
	}
}

func TestTagIsOfTheBytes(t *testing.T) {
	l := newLab(t)
	p := l.publisher(crl.Options{})
	require.NoError(t, p.Publish(t.Context()))
	w := ask(p.Handler(), "GET", "/crl/b.crl")
	sum := sha256.Sum256(w.Body.Bytes())
	require.Equal(t, `"`+hexOf(sum[:16])+`"`, w.Header().Get("ETag"))
}

func FuzzPath(f *testing.F) {
	needSeeds(f)
	l := newLab(f)
	p := l.publisher(crl.Options{})
	require.NoError(f, p.Publish(context.Background()))
	want := map[string]bool{}
	for _, i := range []string{"a", "b"} {
		want[string(l.crl(i, 0, false).DER)] = true
	}
	f.Fuzz(func(t *testing.T, path string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path, r.URL.RawPath = path, path
		w := httptest.NewRecorder()
		p.Handler().ServeHTTP(w, r)
		if w.Code != 404 {
			require.Equal(t, 200, w.Code)
			require.True(t, want[w.Body.String()])
		}
	})
}
