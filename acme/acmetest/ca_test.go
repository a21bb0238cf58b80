package acmetest_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	xacme "golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/chancery-ca/chancery/acme/acmetest"
	"github.com/chancery-ca/chancery/acme/server"
)

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return k
}

// register returns a client with an account.
func register(t testing.TB, ca *acmetest.CA) *xacme.Client {
	t.Helper()
	c := &xacme.Client{Key: newKey(t), DirectoryURL: acmetest.DirectoryURL, HTTPClient: ca.Client()}
	_, err := c.Register(t.Context(), &xacme.Account{}, xacme.AcceptTOS)
	require.NoError(t, err)
	return c
}

// obtain goes the whole way, and answers the challenge of that type.
func obtain(ctx context.Context, t testing.TB, ca *acmetest.CA, c *xacme.Client, kind, name string) (*x509.Certificate, error) {
	o, err := c.AuthorizeOrder(ctx, xacme.DomainIDs(name))
	if err != nil {
		return nil, err
	}
	z, err := c.GetAuthorization(ctx, o.AuthzURLs[0])
	if err != nil {
		return nil, err
	}
	for _, ch := range z.Challenges {
		if ch.Type != kind {
			continue
		}
		switch kind {
		case "http-01":
			answer, err := c.HTTP01ChallengeResponse(ch.Token)
			require.NoError(t, err)
			ca.World.Respond(name, ch.Token, answer)
		case "dns-01":
			answer, err := c.DNS01ChallengeRecord(ch.Token)
			require.NoError(t, err)
			ca.World.TXT("_acme-challenge."+name, answer)
		case "tls-alpn-01":
			cert, err := c.TLSALPN01ChallengeCert(ch.Token, name)
			require.NoError(t, err)
			ca.World.TLS(name, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"acme-tls/1"}})
		}
		if _, err := c.Accept(ctx, ch); err != nil {
			return nil, err
		}
		if _, err := c.WaitAuthorization(ctx, z.URI); err != nil {
			return nil, err
		}
	}
	if o, err = c.WaitOrder(ctx, o.URI); err != nil {
		return nil, err
	}
	csr := ca.CSR(newKey(t), name)
	der, _, err := c.CreateOrderCert(ctx, o.FinalizeURL, csr.Raw, true)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der[0])
}

func TestChallenges(t *testing.T) {
	ca := acmetest.New(t)
	c := register(t, ca)
	for _, kind := range []string{"http-01", "dns-01", "tls-alpn-01"} {
		leaf, err := obtain(t.Context(), t, ca, c, kind, kind+".test")
		require.NoError(t, err)
		require.Equal(t, []string{kind + ".test"}, leaf.DNSNames)
	}
	ca.Check()
}

func TestWrongAnswer(t *testing.T) {
	ca := acmetest.New(t, func(c *server.Config) { c.Retries = []time.Duration{} })
	c := register(t, ca)
	o, err := c.AuthorizeOrder(t.Context(), xacme.DomainIDs("b.test"))
	require.NoError(t, err)
	z, err := c.GetAuthorization(t.Context(), o.AuthzURLs[0])
	require.NoError(t, err)
	_, err = c.Accept(t.Context(), z.Challenges[0])
	require.NoError(t, err)
	_, err = c.WaitAuthorization(t.Context(), z.URI)
	require.Error(t, err)
	ca.World.Believe(true)
	_, err = obtain(t.Context(), t, ca, c, "http-01", "b.test")
	require.NoError(t, err)
}

func TestTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := acmetest.New(t, func(c *server.Config) { c.Patience = -1 })
		c := register(t, ca)
		ca.Trouble.BadNonces(3)
		_, err := obtain(t.Context(), t, ca, c, "http-01", "a.test")
		require.NoError(t, err, "badNonce is tried again")
		ca.Trouble.Slow(10 * time.Second)
		start := time.Now()
		_, err = obtain(t.Context(), t, ca, c, "dns-01", "b.test")
		require.NoError(t, err)
		require.GreaterOrEqual(t, time.Since(start), 20*time.Second)
		ca.Trouble.Slow(0)
		ca.Trouble.Down(2)
		_, err = obtain(t.Context(), t, ca, c, "http-01", "c.test")
		require.NoError(t, err, "503 is tried again")
		ca.Trouble.Limit(1, time.Minute)
		start = time.Now()
		_, err = obtain(t.Context(), t, ca, c, "http-01", "d.test")
		require.NoError(t, err)
		require.GreaterOrEqual(t, time.Since(start), time.Minute)
		ca.Trouble.Reject("e.test")
		_, err = obtain(t.Context(), t, ca, c, "http-01", "e.test")
		var e *xacme.Error
		require.True(t, errors.As(err, &e))
		require.Equal(t, "urn:ietf:params:acme:error:rejectedIdentifier", e.ProblemType)
		ca.Trouble.Reject()
		ca.Trouble.Lose(1)
		_, err = obtain(t.Context(), t, ca, c, "http-01", "f.test")
		require.ErrorIs(t, err, acmetest.ErrLost)
		_, err = obtain(t.Context(), t, ca, c, "http-01", "f.test")
		require.NoError(t, err)
		require.Positive(t, ca.Trouble.Requests())
	})
}

// A client that is used as its users do: in a handshake, and again when the certificate is about to end.
func TestAutocert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := acmetest.New(t)
		m := &autocert.Manager{
			Prompt: autocert.AcceptTOS, HostPolicy: autocert.HostWhitelist("a.test"), Cache: autocert.DirCache(t.TempDir()), RenewBefore: 8 * time.Hour,
			Client: &xacme.Client{DirectoryURL: acmetest.DirectoryURL, HTTPClient: ca.Client()},
		}
		ca.World.HTTP("a.test", m.HTTPHandler(nil))
		hello := &tls.ClientHelloInfo{
			ServerName: "a.test", SupportedCurves: []tls.CurveID{tls.CurveP256}, SupportedVersions: []uint16{tls.VersionTLS13},
			SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		}
		first, err := m.GetCertificate(hello)
		require.NoError(t, err)
		_, err = first.Leaf.Verify(x509.VerifyOptions{Roots: ca.Roots(), DNSName: "a.test", CurrentTime: time.Now(), Intermediates: intermediates(first)})
		require.NoError(t, err)
		time.Sleep(20 * time.Hour)
		synctest.Wait()
		second, err := m.GetCertificate(hello)
		require.NoError(t, err)
		require.NotEqual(t, first.Leaf.SerialNumber, second.Leaf.SerialNumber)
	})
}

func intermediates(c *tls.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, der := range c.Certificate[1:] {
		if k, err := x509.ParseCertificate(der); err == nil {
			p.AddCert(k)
		}
	}
	return p
}

func TestRenewNow(t *testing.T) {
	ca := acmetest.New(t)
	ca.World.Believe(true)
	ca.Trouble.RenewNow(true)
	res, err := ca.Client().Get("https://ca.test/acme/acme/renewal-info/AAAA.AQ")
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, res.StatusCode)
	res.Body.Close()
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		ca := acmetest.New(b)
		ca.World.Believe(true)
		c := register(b, ca)
		if _, err := obtain(b.Context(), b, ca, c, "http-01", "a.test"); err != nil {
			b.Fatal(err)
		}
	}
}
