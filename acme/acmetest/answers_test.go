package acmetest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	xacme "golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/acmetest"
	"github.com/chancery-ca/chancery/acme/server"
)

// challengeOf orders a certificate, and returns its authorization's URL and the challenge of that type.
func challengeOf(t *testing.T, c *xacme.Client, kind, name string) (string, *xacme.Challenge) {
	t.Helper()
	o, err := c.AuthorizeOrder(t.Context(), xacme.DomainIDs(name))
	require.NoError(t, err)
	z, err := c.GetAuthorization(t.Context(), o.AuthzURLs[0])
	require.NoError(t, err)
	for _, ch := range z.Challenges {
		if ch.Type == kind {
			return z.URI, ch
		}
	}
	t.Fatalf("no %s", kind)
	return "", nil
}

func meet(t *testing.T, c *xacme.Client, authz string, ch *xacme.Challenge) error {
	t.Helper()
	_, err := c.Accept(t.Context(), ch)
	require.NoError(t, err)
	_, err = c.WaitAuthorization(t.Context(), authz)
	return err
}

// failure is the type of the problem that ended an authorization.
func failure(t *testing.T, err error) string {
	t.Helper()
	ae, ok := errors.AsType[*xacme.AuthorizationError](err)
	require.True(t, ok, "%v", err)
	require.NotEmpty(t, ae.Errors)
	e, ok := errors.AsType[*xacme.Error](ae.Errors[0])
	require.True(t, ok)
	return e.ProblemType
}

const urn = "urn:ietf:params:acme:error:"

func TestAnswers(t *testing.T) {
	ca := acmetest.New(t)
	c := register(t, ca)

	authz, ch := challengeOf(t, c, "http-01", "a.test")
	answer, err := c.HTTP01ChallengeResponse(ch.Token)
	require.NoError(t, err)
	ca.SetHTTP01(ch.Token, answer) // whatever the host
	require.NoError(t, meet(t, c, authz, ch))
	ca.SetHTTP01(ch.Token, "")

	authz, ch = challengeOf(t, c, "dns-01", "*.b.test")
	record, err := c.DNS01ChallengeRecord(ch.Token)
	require.NoError(t, err)
	ca.SetTXT("_acme-challenge.B.test.", record, "another one")
	require.NoError(t, meet(t, c, authz, ch))

	authz, ch = challengeOf(t, c, "tls-alpn-01", "c.test")
	cert, err := c.TLSALPN01ChallengeCert(ch.Token, "c.test")
	require.NoError(t, err)
	ca.SetTLSALPN("c.test", &cert)
	require.NoError(t, meet(t, c, authz, ch))
	ca.SetTLSALPN("c.test", nil)
}

func TestAnswersThatAreWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := acmetest.New(t)
		c := register(t, ca)
		ca.SetHTTP01("other-token", "other-token.thumbprint")
		ca.SetTXT("_acme-challenge.b.test", "wrong")
		_, wrong := challengeOf(t, c, "tls-alpn-01", "c.test")
		cert, err := c.TLSALPN01ChallengeCert(wrong.Token+"x", "c.test")
		require.NoError(t, err)
		ca.SetTLSALPN("c.test", &cert)
		ca.FailDNS("_acme-challenge.d.test")
		for _, k := range []struct{ kind, name, problem string }{
			{"http-01", "a.test", "unauthorized"},
			{"dns-01", "b.test", "incorrectResponse"},
			{"tls-alpn-01", "c.test", "incorrectResponse"},
			{"tls-alpn-01", "nobody.test", "connection"},
			{"dns-01", "d.test", "dns"},
			{"dns-01", "nothing.test", "dns"},
		} {
			authz, ch := challengeOf(t, c, k.kind, k.name)
			require.Equal(t, urn+k.problem, failure(t, meet(t, c, authz, ch)), "%s %s", k.kind, k.name)
		}
		ca.SetHTTP01("other-token", "")
		authz, ch := challengeOf(t, c, "http-01", "e.test")
		require.Equal(t, urn+"dns", failure(t, meet(t, c, authz, ch)), "there is nobody left")
	})
}

// An answer that comes late, but before the CA gives up.
func TestAnswersThatAreLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := acmetest.New(t)
		c := register(t, ca)
		ca.FailDNS("_acme-challenge.a.test")
		authz, ch := challengeOf(t, c, "dns-01", "a.test")
		record, err := c.DNS01ChallengeRecord(ch.Token)
		require.NoError(t, err)
		ca.SetTXT("_acme-challenge.a.test", record)
		_, err = c.Accept(t.Context(), ch)
		require.NoError(t, err)
		ca.FailDNS()
		_, err = c.WaitAuthorization(t.Context(), authz)
		require.NoError(t, err)
	})
}

func TestJudge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := acmetest.New(t)
		ca.World.Believe(true)
		c := register(t, ca)
		var seen []string
		verdict := error(nil)
		ca.Judge(func(_ context.Context, kind acme.ChallengeType, v *acme.Validation) error {
			seen = append(seen, string(kind)+" "+v.Identifier.Value)
			return verdict
		})
		authz, ch := challengeOf(t, c, "http-01", "a.test")
		require.NoError(t, meet(t, c, authz, ch))
		verdict = &acme.Problem{Type: acme.CAA, Detail: "not you"}
		authz, ch = challengeOf(t, c, "dns-01", "b.test")
		require.Equal(t, urn+"caa", failure(t, meet(t, c, authz, ch)))
		require.Equal(t, []string{"http-01 a.test", "dns-01 b.test"}, seen)
		verdict = errors.New("out of order")
		authz, ch = challengeOf(t, c, "dns-01", "c.test")
		require.Equal(t, urn+"serverInternal", failure(t, meet(t, c, authz, ch)))
		ca.Judge(nil)
		authz, ch = challengeOf(t, c, "dns-01", "d.test")
		require.NoError(t, meet(t, c, authz, ch))
	})
}

// autocert answers tls-alpn-01 by itself, in its own TLS configuration.
func TestAutocertTLSALPN(t *testing.T) {
	once := func(t *testing.T, trouble func(*acmetest.Trouble)) {
		ca := acmetest.New(t)
		m := &autocert.Manager{
			Prompt: autocert.AcceptTOS, HostPolicy: autocert.HostWhitelist("a.test"),
			Client: &xacme.Client{DirectoryURL: ca.DirectoryURL, HTTPClient: ca.Client(), Key: newKey(t)},
		}
		ca.World.TLS("a.test", m.TLSConfig())
		trouble(ca.Trouble)
		cert, err := m.GetCertificate(&tls.ClientHelloInfo{
			ServerName: "a.test", SupportedVersions: []uint16{tls.VersionTLS13}, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
			SupportedCurves: []tls.CurveID{tls.CurveP256}, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		})
		require.NoError(t, err)
		_, err = cert.Leaf.Verify(x509.VerifyOptions{Roots: ca.Roots(), DNSName: "a.test", CurrentTime: time.Now(), Intermediates: intermediates(cert)})
		require.NoError(t, err)
	}
	once(t, func(*acmetest.Trouble) {})
	synctest.Test(t, func(t *testing.T) {
		once(t, func(trouble *acmetest.Trouble) { trouble.BadNonceEvery(3) })
		time.Sleep(time.Hour) // autocert tidies up behind the caller's back, and that takes time now
	})
}

// A CA by another name has another directory, and the same troubles.
func TestAnotherName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := acmetest.New(t, func(c *server.Config) { c.Name = "other" })
		require.NotEqual(t, acmetest.DirectoryURL, ca.DirectoryURL)
		ca.World.Believe(true)
		ca.Trouble.BadNonces(2)
		c := &xacme.Client{Key: newKey(t), DirectoryURL: ca.DirectoryURL, HTTPClient: ca.Client()}
		_, err := c.Register(t.Context(), &xacme.Account{}, xacme.AcceptTOS)
		require.NoError(t, err)
		_, err = obtain(t.Context(), t, ca, c, "http-01", "a.test")
		require.NoError(t, err)
	})
}
