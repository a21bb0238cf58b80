package crltest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/crl"
	"github.com/chancery-ca/chancery/authority/crl/crltest"
	"github.com/chancery-ca/chancery/provisioner"
)

// pointed gives the issuer shards and deltas.
func pointed(c *authority.Config) {
	c.Issuers[0].Pointers = crl.Pointers("http://crl.test", c.Issuers[0].Name, 2, true)
}

// Rely is quiet while all is well, and finds whatever a relying party would be deceived by.
func TestRely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		ca := authoritytest.New(t, pointed)
		p, err := crl.New(ca.Authority, crl.Options{OnChange: -1})
		require.NoError(t, err)
		h := p.Handler()
		finds := func(want string) {
			t.Helper()
			got := crltest.Rely(ctx, ca.Authority, h)
			require.NotEmpty(t, got)
			require.Contains(t, strings.Join(got, "\n"), want)
		}
		quiet := func() {
			t.Helper()
			require.NoError(t, p.Publish(ctx))
			require.Empty(t, crltest.Rely(ctx, ca.Authority, h))
		}
		for range 4 {
			ca.Leaf("good.internal")
			ca.Revoked("bad.internal")
		}
		finds("status 503")
		quiet()
		ca.Revoked("late.internal")
		finds("does not list it, and it is revoked")
		quiet()

		s := authority.SerialOf(ca.Leaf("held.internal").Leaf.SerialNumber)
		hold := &authority.Revocation{Serial: s, ReasonCode: authority.ReasonCertificateHold, RevokedAt: time.Now()}
		require.NoError(t, ca.Store.Revoke(ctx, hold, nil, provisioner.Spend{}, nil))
		quiet()
		require.NoError(t, ca.Store.Release(ctx, s, time.Now(), nil))
		finds("lists it, and it is not revoked")
		quiet()
		require.NoError(t, ca.Store.Revoke(ctx, hold, nil, provisioner.Spend{}, nil))
		quiet()
		require.NoError(t, ca.Store.Revoke(ctx, &authority.Revocation{Serial: s, ReasonCode: 4, RevokedAt: time.Now()}, nil, provisioner.Spend{}, nil))
		finds("with reason 6 instead of 4")
		quiet()
		time.Sleep(23 * time.Hour)
		ca.Leaf("young.internal")
		quiet()
		time.Sleep(4 * time.Hour) // the rest has ended
		finds("and now is")
		quiet()
	})
}

// What is served under a URL is what counts.
func TestRelyIsNotDeceived(t *testing.T) {
	ctx := t.Context()
	ca, other := authoritytest.New(t, pointed), authoritytest.New(t, pointed)
	p, err := crl.New(ca.Authority, crl.Options{OnChange: -1})
	require.NoError(t, err)
	foreign, err := crl.New(other.Authority, crl.Options{OnChange: -1})
	require.NoError(t, err)
	require.NoError(t, foreign.Publish(ctx))
	for range 4 {
		ca.Leaf("good.internal")
		ca.Revoked("bad.internal")
	}
	require.NoError(t, p.Publish(ctx))
	old := map[string][]byte{}
	for _, at := range []string{"/crl", "/crl/intermediate/1.crl"} {
		w := httptest.NewRecorder()
		p.Handler().ServeHTTP(w, httptest.NewRequest("GET", at, nil))
		old[at] = w.Body.Bytes()
	}
	for range 4 {
		ca.Revoked("late.internal")
	}
	require.NoError(t, p.Publish(ctx))
	require.Empty(t, crltest.Rely(ctx, ca.Authority, p.Handler()))
	instead := func(at, other string) http.Handler { // another path is served
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == at {
				r.URL = &url.URL{Path: other}
			}
			p.Handler().ServeHTTP(w, r)
		})
	}
	bytes := func(at string, b []byte) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == at {
				w.Write(b)
				return
			}
			p.Handler().ServeHTTP(w, r)
		})
	}
	for name, c := range map[string]struct {
		want string
		h    http.Handler
	}{
		"another shard":           {"of another distribution point", instead("/crl/intermediate/1.crl", "/crl/intermediate/2.crl")},
		"nothing":                 {"status 404", instead("/crl/intermediate/2.crl", "/none")},
		"garbage":                 {"x509: ", bytes("/crl/intermediate/2.crl", []byte{1})},
		"another key":             {"x509: ", foreign.Handler()},
		"a delta":                 {"it is a delta", instead("/crl/intermediate/1.crl", "/crl/intermediate/1/delta.crl")},
		"no delta":                {"its delta", instead("/crl/intermediate/1/delta.crl", "/none")},
		"no delta, a full one":    {"does not add to it", instead("/crl/intermediate/1/delta.crl", "/crl/intermediate/1.crl")},
		"delta of another scope":  {"of another scope", instead("/crl/intermediate/1/delta.crl", "/crl/intermediate/2/delta.crl")},
		"old one":                 {"its delta", bytes("/crl/intermediate/1.crl", old["/crl/intermediate/1.crl"])},
		"old one at another path": {"/crl: its delta", bytes("/crl", old["/crl"])},
	} {
		require.Contains(t, strings.Join(crltest.Rely(ctx, ca.Authority, c.h), "\n"), c.want, name)
	}
}

// The store's own idea of a certificate's shard and issuer counts for nothing.
func TestRelyDoesNotBelieveRecords(t *testing.T) {
	for name, spoil := range map[string]func(*authority.Record){
		"shard":  func(r *authority.Record) { r.Shard = 0 },
		"issuer": func(r *authority.Record) { r.Issuer = "renamed" },
	} {
		ca := authoritytest.New(t, pointed)
		leaf := ca.Leaf("a.internal").Leaf
		r, err := ca.Store.Certificate(t.Context(), authority.SerialOf(leaf.SerialNumber))
		require.NoError(t, err)
		require.NotZero(t, r.Shard)
		spoil(r)
		lost := authoritytest.New(t, func(c *authority.Config) { // restored from a copy that is older
			c.Roots, c.Issuers = append(c.Roots, ca.Root), c.Issuers[:1]
			c.Issuers[0].Chain, c.Issuers[0].Signer = append(c.Issuers[0].Chain[:0:0], ca.Intermediate), ca.Signer()
			pointed(c)
		})
		v := &authority.Revocation{Serial: r.Serial, ReasonCode: 1, RevokedAt: time.Now()}
		require.NoError(t, lost.Store.Revoke(t.Context(), v, r, provisioner.Spend{}, nil))
		p, err := crl.New(lost.Authority, crl.Options{OnChange: -1})
		require.NoError(t, err)
		require.NoError(t, p.Publish(t.Context()))
		require.Empty(t, crltest.Verify(t.Context(), lost.Authority), name)
		require.Contains(t, strings.Join(crltest.Rely(t.Context(), lost.Authority, p.Handler()), "\n"), "does not list it", name)
	}
}

// A certificate that was perhaps signed and never handed out counts as revoked; one that nobody can have may
// be listed or not. What is no certificate is a fault.
func TestRelyOnAbandoned(t *testing.T) {
	ctx := t.Context()
	ca := authoritytest.New(t, pointed)
	p, err := crl.New(ca.Authority, crl.Options{OnChange: -1})
	require.NoError(t, err)
	leaf := ca.Leaf("a.internal").Leaf
	r, err := ca.Store.Certificate(ctx, authority.SerialOf(leaf.SerialNumber))
	require.NoError(t, err)
	lost := authority.NewMemory()
	ca2 := authoritytest.New(t, func(c *authority.Config) {
		c.Store, c.Roots = lost, append(c.Roots, ca.Root)
		c.Issuers[0].Chain, c.Issuers[0].Signer = append(c.Issuers[0].Chain[:0:0], ca.Intermediate), ca.Signer()
		pointed(c)
	})
	q, err := crl.New(ca2.Authority, crl.Options{OnChange: -1})
	require.NoError(t, err)
	require.NoError(t, lost.Reserve(ctx, r, provisioner.Spend{ID: "x"}))
	require.NoError(t, q.Publish(ctx))
	require.Empty(t, crltest.Rely(ctx, ca2.Authority, q.Handler()), "reserved")
	require.NoError(t, lost.Abandon(ctx, r.Serial, false, time.Now(), nil))
	require.Contains(t, strings.Join(crltest.Rely(ctx, ca2.Authority, q.Handler()), "\n"), "does not list it")
	require.NoError(t, q.Publish(ctx))
	require.Empty(t, crltest.Rely(ctx, ca2.Authority, q.Handler()))

	require.NoError(t, p.Publish(ctx))
	require.NoError(t, ca.Store.Reserve(ctx, &authority.Record{Serial: "99", Issuer: "intermediate", TBS: []byte{1}, NotAfter: r.NotAfter, ReservedAt: time.Now()}, provisioner.Spend{}))
	require.NoError(t, ca.Store.Abandon(ctx, "99", true, time.Now(), nil))
	require.Contains(t, strings.Join(crltest.Rely(ctx, ca.Authority, p.Handler()), "\n"), "certificate 99: x509")
}
