package x5c_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/provisionertest"
	"github.com/chancery-ca/chancery/provisioner/x5c"
)

const name = "machines & more/100%"

func open(t testing.TB, ca *provisionertest.CA, n provisioner.Renewal) *x5c.Provisioner {
	t.Helper()
	p, err := x5c.New(x5c.Config{Name: name, Roots: []*x509.Certificate{ca.Certificate}, Renewal: n})
	require.NoError(t, err)
	return p
}

func signer(t testing.TB, ca *provisionertest.CA, key crypto.Signer, change func(*x509.Certificate)) *x5c.Signer {
	t.Helper()
	s, err := x5c.NewSigner(name, []*x509.Certificate{ca.Leaf(t, key, "vm-17.example.com", change)}, key)
	require.NoError(t, err)
	return s
}

func TestConformance(t *testing.T) {
	for _, alg := range []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.EdDSA, jose.RS256} {
		t.Run(string(alg), func(t *testing.T) {
			ca, key, stranger := provisionertest.NewCA(t), provisionertest.NewKey(t, alg), provisionertest.NewKey(t, alg)
			s := signer(t, ca, key, nil)
			provisionertest.Run(t, func(t *testing.T) provisionertest.Harness {
				return provisionertest.Harness{
					Provisioner: open(t, ca, provisioner.Renewal{}),
					Good:        provisionertest.OneTime(t, s.Sign),
					Tokens:      &provisionertest.Tokens{Key: key, Algorithm: alg, Stranger: stranger},
					WithRenewal: func(n provisioner.Renewal) provisioner.Provisioner { return open(t, ca, n) },
				}
			})
		})
	}
}

func TestGrant(t *testing.T) {
	ca, key := provisionertest.NewCA(t), provisionertest.NewKey(t, jose.ES256)
	leaf := ca.Leaf(t, key, "vm-17.example.com", nil)
	s, err := x5c.NewSigner(name, []*x509.Certificate{leaf}, key)
	require.NoError(t, err)
	r := provisionertest.OneTime(t, s.Sign)[provisioner.X509Sign]()
	g, err := open(t, ca, provisioner.Renewal{}).Authorize(context.Background(), r)
	require.NoError(t, err)
	require.Equal(t, "db.example.com", g.Subject)
	require.Equal(t, []string{"db.example.com", "192.0.2.7"}, g.Names.Strings())
	require.Equal(t, leaf.NotAfter, g.Validity.NotAfter, "not longer than the certificate that asks")
	require.Equal(t, leaf.NotBefore, g.Validity.NotBefore)
	require.Equal(t, leaf.Raw, g.Certificate.Raw)
	require.Equal(t, provisioner.Mark{Type: provisioner.TypeX5C}, g.Mark)
	require.Equal(t, provisioner.Fingerprint(leaf), g.Identifiers[0])
	require.Contains(t, g.Identifiers, provisioner.Identifier{Kind: provisioner.HostName, Value: "vm-17.example.com"})
	require.NotContains(t, g.Identifiers, provisioner.Identifier{Kind: provisioner.HostName, Value: "db.example.com"},
		"what the token asks for is not who asks")
}

func TestLeaf(t *testing.T) {
	ca := provisionertest.NewCA(t)
	cases := map[string]struct {
		change func(c *x509.Certificate)
		ok     bool
	}{
		"good":                   {nil, true},
		"no digital signature":   {func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }, false},
		"no key usage":           {func(c *x509.Certificate) { c.KeyUsage = 0 }, false},
		"server only":            {func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, false},
		"no extended key usage":  {func(c *x509.Certificate) { c.ExtKeyUsage = nil }, false},
		"any extended key usage": {func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }, true},
		"expired":                {func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) }, false},
		"not valid yet":          {func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }, false},
	}
	for what, c := range cases {
		t.Run(what, func(t *testing.T) {
			s := signer(t, ca, provisionertest.NewKey(t, jose.ES256), c.change)
			g, err := open(t, ca, provisioner.Renewal{}).Authorize(context.Background(), provisionertest.OneTime(t, s.Sign)[provisioner.X509Sign]())
			if c.ok {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, provisioner.Unauthenticated)
			require.Nil(t, g)
		})
	}
}

func TestOtherRoot(t *testing.T) {
	s := signer(t, provisionertest.NewCA(t), provisionertest.NewKey(t, jose.ES256), nil)
	_, err := open(t, provisionertest.NewCA(t), provisioner.Renewal{}).Authorize(context.Background(), provisionertest.OneTime(t, s.Sign)[provisioner.X509Sign]())
	require.ErrorIs(t, err, provisioner.Unauthenticated)
}

func TestClaims(t *testing.T) {
	p := open(t, provisionertest.NewCA(t), provisioner.Renewal{})
	require.True(t, p.Claims(&provisioner.Token{Audience: []string{"https://ca/1.0/sign#x5c/machines%20&%20more/100%25"}}))
	for _, aud := range []string{"", "https://ca/1.0/sign", "https://ca/1.0/sign#x5c/", "https://ca/1.0/sign#aws/machines%20&%20more/100%25", "https://ca/#x5c/machines"} {
		require.False(t, p.Claims(&provisioner.Token{Issuer: name, Audience: []string{aud}}), aud)
	}
	require.False(t, p.Claims(&provisioner.Token{Issuer: name}))
}

func TestPublic(t *testing.T) {
	ca := provisionertest.NewCA(t)
	p, err := x5c.New(x5c.Config{
		Name: "machines", Roots: []*x509.Certificate{ca.Certificate, ca.Certificate},
		Extra: map[string]any{"claims": map[string]any{"disableRenewal": true}, "type": "JWK"},
	})
	require.NoError(t, err)
	b, err := json.Marshal(p.Public())
	require.NoError(t, err)
	var got struct {
		Type, Name string
		Roots      string
		Claims     map[string]any
	}
	require.NoError(t, json.Unmarshal(b, &got))
	require.Equal(t, "X5C", got.Type)
	require.Equal(t, "machines", got.Name)
	require.Equal(t, map[string]any{"disableRenewal": true}, got.Claims)
	bundle, err := base64.StdEncoding.DecodeString(got.Roots)
	require.NoError(t, err)
	require.Contains(t, string(bundle), "-----BEGIN CERTIFICATE-----")
	_, ok := p.EncryptedKey("")
	require.False(t, ok)
	require.True(t, p.Marked(provisioner.Mark{Type: provisioner.TypeX5C}))
	require.False(t, p.Marked(provisioner.Mark{Type: provisioner.TypeJWK}))
}

func TestConfig(t *testing.T) {
	_, err := x5c.New(x5c.Config{Roots: []*x509.Certificate{nil}, Extra: map[string]any{"claims": func() {}}})
	require.ErrorContains(t, err, "no name")
	require.ErrorContains(t, err, "root 0")
	require.ErrorContains(t, err, "public form")
	_, err = x5c.New(x5c.Config{Name: "machines"})
	require.ErrorContains(t, err, "no root")
}

func TestSignerWantsItsKey(t *testing.T) {
	ca := provisionertest.NewCA(t)
	leaf := ca.Leaf(t, provisionertest.NewKey(t, jose.ES256), "vm", nil)
	_, err := x5c.NewSigner(name, []*x509.Certificate{leaf}, provisionertest.NewKey(t, jose.ES256))
	require.ErrorContains(t, err, "not the certificate's")
}
