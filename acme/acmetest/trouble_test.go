package acmetest_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	xacme "golang.org/x/crypto/acme"

	"github.com/chancery-ca/chancery/acme/acmetest"
)

// suggested is the end of the window in which a certificate should be renewed (RFC 9773, section 4.1).
func suggested(t *testing.T, ca *acmetest.CA, c *x509.Certificate) time.Time {
	t.Helper()
	serial := c.SerialNumber.Bytes()
	if serial[0] >= 0x80 {
		serial = append([]byte{0}, serial...)
	}
	id := base64.RawURLEncoding.EncodeToString(c.AuthorityKeyId) + "." + base64.RawURLEncoding.EncodeToString(serial)
	res, err := ca.Client().Get(strings.TrimSuffix(ca.DirectoryURL, "directory") + "renewal-info/" + id)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode)
	var v struct {
		Window struct{ Start, End time.Time } `json:"suggestedWindow"`
	}
	require.NoError(t, json.NewDecoder(res.Body).Decode(&v))
	require.True(t, v.Window.Start.Before(v.Window.End))
	return v.Window.End
}

// in runs f in a bubble, with a CA that believes everybody, and a client of it.
func in(t *testing.T, f func(t *testing.T, ca *acmetest.CA, c *xacme.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ca := acmetest.New(t)
		ca.World.Believe(true)
		f(t, ca, register(t, ca))
	})
}

func TestBadNonceEvery(t *testing.T) {
	in(t, func(t *testing.T, ca *acmetest.CA, c *xacme.Client) {
		ca.Trouble.BadNonceEvery(2)
		before := ca.Trouble.Requests()
		_, err := obtain(t.Context(), t, ca, c, "http-01", "a.test")
		require.NoError(t, err)
		withTrouble := ca.Trouble.Requests() - before
		ca.Trouble.BadNonceEvery(0)
		before = ca.Trouble.Requests()
		_, err = obtain(t.Context(), t, ca, c, "http-01", "b.test")
		require.NoError(t, err)
		require.Greater(t, withTrouble, ca.Trouble.Requests()-before)
		ca.Trouble.BadNonceEvery(1) // each one: the client has to give up some time
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err = c.AuthorizeOrder(ctx, xacme.DomainIDs("c.test"))
		require.Error(t, err)
	})
}

// An answer to finalize that is lost: the order is there, and so is the certificate.
func TestLoseFinalize(t *testing.T) {
	in(t, func(t *testing.T, ca *acmetest.CA, c *xacme.Client) {
		ca.Trouble.Only("finalize")
		ca.Trouble.Lose(1)
		o, err := c.AuthorizeOrder(t.Context(), xacme.DomainIDs("a.test"))
		require.NoError(t, err)
		z, err := c.GetAuthorization(t.Context(), o.AuthzURLs[0])
		require.NoError(t, err)
		require.NoError(t, meet(t, c, z.URI, z.Challenges[0]))
		_, _, err = c.CreateOrderCert(t.Context(), o.FinalizeURL, ca.CSR(newKey(t), "a.test").Raw, true)
		require.ErrorIs(t, err, acmetest.ErrLost)
		o, err = c.WaitOrder(t.Context(), o.URI)
		require.NoError(t, err)
		der, err := c.FetchCert(t.Context(), o.CertURL, true)
		require.NoError(t, err)
		require.Len(t, der, 2)
		ca.Check()
	})
}

// A lost answer to newOrder: asked again, the client gets the order that was made.
func TestLoseNewOrder(t *testing.T) {
	in(t, func(t *testing.T, ca *acmetest.CA, c *xacme.Client) {
		ca.Trouble.Only("new-order")
		ca.Trouble.Lose(1)
		_, err := c.AuthorizeOrder(t.Context(), xacme.DomainIDs("a.test"))
		require.ErrorIs(t, err, acmetest.ErrLost)
		one, err := c.AuthorizeOrder(t.Context(), xacme.DomainIDs("a.test"))
		require.NoError(t, err)
		two, err := c.AuthorizeOrder(t.Context(), xacme.DomainIDs("a.test"))
		require.NoError(t, err)
		require.Equal(t, one.URI, two.URI)
	})
}

func TestHang(t *testing.T) {
	in(t, func(t *testing.T, ca *acmetest.CA, c *xacme.Client) {
		ca.Trouble.Hang(1)
		hurried := *ca.Client()
		hurried.Timeout = 10 * time.Second
		start := time.Now()
		_, err := hurried.Get(ca.DirectoryURL)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 10*time.Second, time.Since(start))
		_, err = obtain(t.Context(), t, ca, c, "http-01", "a.test")
		require.NoError(t, err)
	})
}

// A client that does not wait for an answer does not get it late.
func TestImpatientClient(t *testing.T) {
	in(t, func(t *testing.T, ca *acmetest.CA, c *xacme.Client) {
		o, err := c.AuthorizeOrder(t.Context(), xacme.DomainIDs("a.test"))
		require.NoError(t, err)
		z, err := c.GetAuthorization(t.Context(), o.AuthzURLs[0])
		require.NoError(t, err)
		ca.Trouble.Slow(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err = c.Accept(ctx, z.Challenges[0])
		require.ErrorIs(t, err, context.DeadlineExceeded)
		z, err = c.WaitAuthorization(t.Context(), z.URI)
		require.NoError(t, err, "it took effect all the same")
		require.Equal(t, xacme.StatusValid, z.Status)
		ended, stop := context.WithCancel(t.Context())
		stop()
		_, err = c.GetOrder(ended, o.URI)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestSlow(t *testing.T) {
	in(t, func(t *testing.T, ca *acmetest.CA, c *xacme.Client) {
		ca.Trouble.Slow(10 * time.Second)
		authz, ch := challengeOf(t, c, "http-01", "a.test")
		got, err := c.Accept(t.Context(), ch)
		require.NoError(t, err)
		require.Equal(t, xacme.StatusProcessing, got.Status)
		time.Sleep(5 * time.Second)
		z, err := c.GetAuthorization(t.Context(), authz)
		require.NoError(t, err)
		require.Equal(t, xacme.StatusPending, z.Status)
		time.Sleep(6 * time.Second)
		z, err = c.GetAuthorization(t.Context(), authz)
		require.NoError(t, err)
		require.Equal(t, xacme.StatusValid, z.Status)
		start := time.Now()
		_, err = obtain(t.Context(), t, ca, c, "nothing", "a.test")
		require.NoError(t, err)
		require.GreaterOrEqual(t, time.Since(start), 10*time.Second)
	})
}

func TestBreak(t *testing.T) {
	in(t, func(t *testing.T, ca *acmetest.CA, c *xacme.Client) {
		for _, slow := range []time.Duration{0, 10 * time.Second} {
			ca.Trouble.Slow(slow)
			ca.Trouble.Break(1)
			o, err := c.AuthorizeOrder(t.Context(), xacme.DomainIDs("a.test"))
			require.NoError(t, err)
			z, err := c.GetAuthorization(t.Context(), o.AuthzURLs[0])
			require.NoError(t, err)
			if z.Status == xacme.StatusPending {
				require.NoError(t, meet(t, c, z.URI, z.Challenges[0]))
			}
			_, _, err = c.CreateOrderCert(t.Context(), o.FinalizeURL, ca.CSR(newKey(t), "a.test").Raw, true)
			require.Error(t, err)
			o, err = c.GetOrder(t.Context(), o.URI)
			require.NoError(t, err)
			require.Equal(t, xacme.StatusInvalid, o.Status)
			require.Equal(t, urn+"serverInternal", o.Error.ProblemType)
			_, err = obtain(t.Context(), t, ca, c, "nothing", "a.test")
			require.NoError(t, err, "a new order is another one")
		}
		ca.Check()
	})
}

// Slower than the server's own patience with validators and with the authority.
func TestVerySlow(t *testing.T) {
	in(t, func(t *testing.T, ca *acmetest.CA, c *xacme.Client) {
		ca.Trouble.Slow(100 * time.Second)
		start := time.Now()
		_, err := obtain(t.Context(), t, ca, c, "http-01", "a.test")
		require.NoError(t, err)
		require.Greater(t, time.Since(start), 200*time.Second)
		require.Less(t, time.Since(start), 250*time.Second)
		ca.Check()
	})
}

func TestDownAndLimited(t *testing.T) {
	in(t, func(t *testing.T, ca *acmetest.CA, c *xacme.Client) {
		ca.Trouble.Down(1)
		res, err := ca.Client().Head(ca.DirectoryURL)
		require.NoError(t, err)
		res.Body.Close()
		require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
		require.NotEmpty(t, res.Header.Get("Retry-After"))
		res, err = ca.Client().Get(ca.DirectoryURL)
		require.NoError(t, err)
		res.Body.Close()
		require.Equal(t, http.StatusOK, res.StatusCode)

		ca.Trouble.Limit(1000, 1500*time.Millisecond)
		gives := &xacme.Client{Key: c.Key, KID: c.KID, DirectoryURL: ca.DirectoryURL, HTTPClient: ca.Client()}
		gives.RetryBackoff = func(int, *http.Request, *http.Response) time.Duration { return -1 }
		_, err = gives.AuthorizeOrder(t.Context(), xacme.DomainIDs("a.test"))
		require.Equal(t, urn+"rateLimited", refusal(t, err))
		wait, limited := xacme.RateLimit(err)
		require.True(t, limited)
		require.Equal(t, 2*time.Second, wait)
	})
}

func TestRenewBetween(t *testing.T) {
	in(t, func(t *testing.T, ca *acmetest.CA, c *xacme.Client) {
		leaf, err := obtain(t.Context(), t, ca, c, "http-01", "a.test")
		require.NoError(t, err)
		own := suggested(t, ca, leaf)
		end := time.Now().Add(time.Hour).UTC()
		ca.Trouble.RenewBetween(end.Add(-time.Minute), end)
		require.Equal(t, end, suggested(t, ca, leaf))
		ca.Trouble.RenewNow(true)
		require.True(t, suggested(t, ca, leaf).Before(time.Now()))
		ca.Trouble.RenewNow(false)
		require.Equal(t, own, suggested(t, ca, leaf))
	})
}
