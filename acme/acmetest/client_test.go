package acmetest_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	xacme "golang.org/x/crypto/acme"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/acmetest"
	"github.com/chancery-ca/chancery/acme/server"
)

// Nothing is left of a CA, nor of what was asked for its sake, when its test has ended.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// refusal is the type of the problem that a request was answered with.
func refusal(t *testing.T, err error) string {
	t.Helper()
	e, ok := errors.AsType[*xacme.Error](err)
	require.True(t, ok, "%v", err)
	return e.ProblemType
}

func TestRevokeAccount(t *testing.T) {
	ca := acmetest.New(t)
	ca.World.Believe(true)
	c := register(t, ca)
	_, err := obtain(t.Context(), t, ca, c, "http-01", "a.test")
	require.NoError(t, err)
	a, err := c.GetReg(t.Context(), "")
	require.NoError(t, err)
	ca.RevokeAccount(a.URI)
	_, err = c.AuthorizeOrder(t.Context(), xacme.DomainIDs("b.test"))
	require.Equal(t, urn+"unauthorized", refusal(t, err))
	_, err = (&xacme.Client{Key: c.Key, DirectoryURL: ca.DirectoryURL, HTTPClient: ca.Client()}).Register(t.Context(), &xacme.Account{}, xacme.AcceptTOS)
	require.Error(t, err, "its key has had its day")
	c = register(t, ca)
	_, err = obtain(t.Context(), t, ca, c, "http-01", "b.test")
	require.NoError(t, err, "another one is another one")
}

func TestRevokeAuthorization(t *testing.T) {
	ca := acmetest.New(t)
	ca.World.Believe(true)
	c := register(t, ca)
	o, err := c.AuthorizeOrder(t.Context(), xacme.DomainIDs("a.test"))
	require.NoError(t, err)
	z, err := c.GetAuthorization(t.Context(), o.AuthzURLs[0])
	require.NoError(t, err)
	require.NoError(t, meet(t, c, z.URI, z.Challenges[0]))
	ca.RevokeAuthorization(z.URI)
	got, err := c.GetOrder(t.Context(), o.URI)
	require.NoError(t, err)
	require.Equal(t, xacme.StatusInvalid, got.Status)
	next, err := c.AuthorizeOrder(t.Context(), xacme.DomainIDs("a.test"))
	require.NoError(t, err)
	require.NotEqual(t, o.AuthzURLs, next.AuthzURLs)
	require.Equal(t, xacme.StatusPending, next.Status)
}

// Authorizations are used again, until they have expired.
func TestAuthorizationsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := acmetest.New(t)
		ca.World.Believe(true)
		c := register(t, ca)
		_, err := obtain(t.Context(), t, ca, c, "http-01", "a.test")
		require.NoError(t, err)
		o, err := c.AuthorizeOrder(t.Context(), xacme.DomainIDs("a.test"))
		require.NoError(t, err)
		require.Equal(t, xacme.StatusReady, o.Status)
		time.Sleep(25 * time.Hour)
		z, err := c.GetAuthorization(t.Context(), o.AuthzURLs[0])
		require.NoError(t, err)
		require.Equal(t, "expired", z.Status)
		o, err = c.AuthorizeOrder(t.Context(), xacme.DomainIDs("a.test"))
		require.NoError(t, err)
		require.Equal(t, xacme.StatusPending, o.Status)
	})
}

func TestFailOrder(t *testing.T) {
	ca := acmetest.New(t)
	ca.World.Believe(true)
	c := register(t, ca)
	for name, why := range map[string]*acme.Problem{"a.test": nil, "b.test": {Type: acme.CAA, Detail: "not you"}} {
		o, err := c.AuthorizeOrder(t.Context(), xacme.DomainIDs(name))
		require.NoError(t, err)
		ca.FailOrder(o.URI, why)
		_, err = c.WaitOrder(t.Context(), o.URI)
		oe, ok := errors.AsType[*xacme.OrderError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, xacme.StatusInvalid, oe.Status)
		_, err = obtain(t.Context(), t, ca, c, "http-01", name)
		require.NoError(t, err, "a new order is another one")
	}
}

func TestRevoke(t *testing.T) {
	ca := acmetest.New(t)
	ca.World.Believe(true)
	c := register(t, ca)
	leaf, err := obtain(t.Context(), t, ca, c, "http-01", "a.test")
	require.NoError(t, err)
	require.True(t, suggested(t, ca, leaf).After(time.Now()))
	ca.Revoke(leaf, 1)
	require.True(t, suggested(t, ca, leaf).Before(time.Now()))
	require.NoError(t, c.RevokeCert(t.Context(), nil, leaf.Raw, xacme.CRLReasonUnspecified), "the client takes alreadyRevoked for an answer")
	ca.Check()
}

func TestExternalKey(t *testing.T) {
	ca := acmetest.New(t, func(c *server.Config) { c.RequireExternalKey = true })
	c := &xacme.Client{Key: newKey(t), DirectoryURL: ca.DirectoryURL, HTTPClient: ca.Client()}
	_, err := c.Register(t.Context(), &xacme.Account{}, xacme.AcceptTOS)
	require.Equal(t, urn+"externalAccountRequired", refusal(t, err))
	eab := &xacme.ExternalAccountBinding{KID: "k1", Key: ca.ExternalKey("k1")}
	_, err = c.Register(t.Context(), &xacme.Account{ExternalAccountBinding: eab}, xacme.AcceptTOS)
	require.NoError(t, err)
	c = &xacme.Client{Key: newKey(t), DirectoryURL: ca.DirectoryURL, HTTPClient: ca.Client()}
	_, err = c.Register(t.Context(), &xacme.Account{ExternalAccountBinding: eab}, xacme.AcceptTOS)
	require.Equal(t, urn+"unauthorized", refusal(t, err), "a key is good for one account")
}

// What does not exist ends the test, rather than being passed over.
func TestNoSuchObject(t *testing.T) {
	said := &fatal{TB: t}
	ca := acmetest.New(said)
	for _, f := range []func(string){ca.RevokeAccount, ca.RevokeAuthorization, func(u string) { ca.FailOrder(u, nil) }} {
		said.what = ""
		f("https://ca.test/acme/acme/x/nothing")
		require.NotEmpty(t, said.what)
	}
}

// fatal hears what would end a test.
type fatal struct {
	testing.TB
	what string
}

func (f *fatal) Fatalf(format string, args ...any) { f.what = fmt.Sprintf(format, args...) }
