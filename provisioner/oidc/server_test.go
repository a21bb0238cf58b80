package oidc_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/oidc"
)

// site serves a provider over TLS, for what only sockets show. Handlers in special come first.
func site(t *testing.T, special map[string]http.HandlerFunc) (*idp, *httptest.Server) {
	t.Helper()
	p := newIDP(t)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := special[r.URL.Path]; h != nil {
			h(w, r)
			return
		}
		a, err := p.RoundTrip(r)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer a.Body.Close()
		w.WriteHeader(a.StatusCode)
		_, _ = io.Copy(w, a.Body)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	p.issuer, p.jwksURI = s.URL, s.URL+"/keys"
	return p, s
}

func (p *idp) ask(t *testing.T, c *http.Client) error {
	t.Helper()
	o := p.provisioner(func(d *oidc.Config) { d.ConfigurationEndpoint, d.Client = p.issuer, c })
	_, err := o.Authorize(context.Background(), x509Request(t, p.token(with(good(), map[string]any{"iss": p.issuer}))))
	return err
}

func TestOverTLS(t *testing.T) {
	p, s := site(t, nil)
	require.NoError(t, p.ask(t, s.Client()))
	require.ErrorIs(t, p.ask(t, nil), provisioner.Unavailable, "our own client does not know who signed the provider's certificate")
	p.set(func() { p.err = io.ErrUnexpectedEOF })
	require.ErrorIs(t, p.ask(t, s.Client()), provisioner.Unavailable, "the connection breaks off")
	p.set(func() { p.err = nil })
	s.CloseClientConnections()
	require.NoError(t, p.ask(t, s.Client()))
	s.Close()
	require.ErrorIs(t, p.ask(t, s.Client()), provisioner.Unavailable, "nobody listens")
}

// What is endless is left after a while, whether it is compressed or not.
func TestLargeDocument(t *testing.T) {
	for _, compressed := range []bool{false, true} {
		var sent atomic.Int64
		p, s := site(t, map[string]http.HandlerFunc{"/keys": func(w http.ResponseWriter, _ *http.Request) {
			var out io.Writer = w
			if compressed {
				w.Header().Set("Content-Encoding", "gzip")
				z, err := gzip.NewWriterLevel(w, gzip.NoCompression)
				if err != nil {
					panic(err)
				}
				defer z.Close()
				out = z
			}
			block := make([]byte, 64<<10)
			for sent.Load() < 100<<20 {
				n, err := out.Write(block)
				if err != nil {
					return
				}
				sent.Add(int64(n))
			}
		}})
		err := p.ask(t, s.Client())
		require.ErrorIs(t, err, provisioner.Unavailable)
		require.ErrorContains(t, err, "longer than")
		s.Close() // waits for the handler
		require.Less(t, sent.Load(), int64(50<<20), "most of it was never sent")
	}
}

// A redirect is not followed, even by a client that would follow one, unless it says so.
func TestRedirect(t *testing.T) {
	for _, path := range []string{"/.well-known/openid-configuration", "/keys"} {
		var elsewhere atomic.Int64
		var p *idp
		p, s := site(t, map[string]http.HandlerFunc{
			path: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
			"/elsewhere": func(w http.ResponseWriter, _ *http.Request) {
				elsewhere.Add(1)
				if path == "/keys" {
					_, _ = fmt.Fprintf(w, `{"keys":[%s]}`, p.public(0))
					return
				}
				_ = json.NewEncoder(w).Encode(map[string]string{"issuer": p.issuer, "jwks_uri": p.jwksURI})
			},
		})
		err := p.ask(t, s.Client())
		require.ErrorIs(t, err, provisioner.Unavailable, path)
		require.ErrorContains(t, err, "status 302")
		require.Zero(t, elsewhere.Load(), path)

		willing := *s.Client()
		willing.CheckRedirect = func(*http.Request, []*http.Request) error { return nil }
		require.NoError(t, p.ask(t, &willing), path)
		require.EqualValues(t, 1, elsewhere.Load(), path)
	}
}

// A provider that sends a byte now and then is left after five seconds.
func TestTricklingProvider(t *testing.T) {
	if testing.Short() {
		t.Skip("takes five seconds")
	}
	t.Parallel()
	p, s := site(t, map[string]http.HandlerFunc{"/keys": func(w http.ResponseWriter, r *http.Request) {
		for range 200 {
			_, _ = w.Write([]byte(" "))
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}})
	began := time.Now()
	err := p.ask(t, s.Client())
	require.ErrorIs(t, err, provisioner.Unavailable)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(began), 8*time.Second)
}

// public is a key as the provider publishes it.
func (p *idp) public(i int) []byte {
	b, err := p.keys[i].Public().MarshalJSON()
	if err != nil {
		panic(err)
	}
	return b
}
