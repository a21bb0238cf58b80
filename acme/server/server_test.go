package server_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	xacme "golang.org/x/crypto/acme"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/server"
	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
)

// told is a validator that says what a test tells it to.
type told struct {
	kind acme.ChallengeType
	say  func(c *acme.Validation) error
}

func (v *told) Type() acme.ChallengeType { return v.kind }
func (v *told) Offers(id acme.Identifier) bool {
	return id.Type == acme.DNS && (v.kind == acme.DNS01 || !id.Wildcard()) || id.Type == acme.IP && v.kind == acme.HTTP01
}
func (v *told) Validate(_ context.Context, c *acme.Validation) (*acme.Evidence, error) {
	if v.say != nil {
		if err := v.say(c); err != nil {
			return nil, err
		}
	}
	return &acme.Evidence{Address: "192.0.2.1:80"}, nil
}

func newKey(t testing.TB) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return k
}

// start serves a CA with an ACME provisioner over TLS on loopback.
func start(t *testing.T, c server.Config) (*authoritytest.CA, *server.Server, *httptest.Server) {
	t.Helper()
	if c.Validators == nil {
		c.Validators = []acme.Validator{&told{kind: acme.HTTP01}, &told{kind: acme.DNS01}}
	}
	s, err := server.New(c)
	require.NoError(t, err)
	ca := authoritytest.New(t, func(c *authority.Config) { c.Provisioners = append(c.Provisioners, s) })
	h := httptest.NewTLSServer(http.StripPrefix("/ca/acme/acme", s.Handler(ca.Authority)))
	t.Cleanup(h.Close)
	return ca, s, h
}

func TestIssuance(t *testing.T) {
	ca, _, h := start(t, server.Config{})
	ctx := t.Context()
	client := &xacme.Client{Key: newKey(t), HTTPClient: h.Client(), DirectoryURL: h.URL + "/ca/acme/acme/directory"}
	_, err := client.Register(ctx, &xacme.Account{Contact: []string{"mailto:a@example.com"}}, xacme.AcceptTOS)
	require.NoError(t, err)
	o, err := client.AuthorizeOrder(ctx, xacme.DomainIDs("a.internal", "*.b.internal"))
	require.NoError(t, err)
	for _, u := range o.AuthzURLs {
		z, err := client.GetAuthorization(ctx, u)
		require.NoError(t, err)
		_, err = client.Accept(ctx, z.Challenges[0])
		require.NoError(t, err)
		_, err = client.WaitAuthorization(ctx, u)
		require.NoError(t, err)
	}
	o, err = client.WaitOrder(ctx, o.URI)
	require.NoError(t, err)
	key := newKey(t)
	csr := ca.CSR(key, "a.internal", "*.b.internal")
	der, curl, err := client.CreateOrderCert(ctx, o.FinalizeURL, csr.Raw, true)
	require.NoError(t, err)
	require.NotEmpty(t, curl)
	leaf, err := x509.ParseCertificate(der[0])
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"a.internal", "*.b.internal"}, leaf.DNSNames)
	pool := x509.NewCertPool()
	pool.AddCert(ca.Intermediate)
	_, err = leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), Intermediates: pool})
	require.NoError(t, err)
	require.NoError(t, client.RevokeCert(ctx, nil, der[0], xacme.CRLReasonSuperseded))
	require.NoError(t, client.AccountKeyRollover(ctx, newKey(t)))
	require.NoError(t, client.DeactivateReg(ctx))
}
