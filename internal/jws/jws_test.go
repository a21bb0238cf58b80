package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/cryptosigner"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/provisionertest"
)

var all = []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512, jose.EdDSA, jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}

func sign(t testing.TB, alg jose.SignatureAlgorithm, key crypto.Signer, header map[string]any, payload string) string {
	t.Helper()
	o := new(jose.SignerOptions)
	for k, v := range header {
		o.WithHeader(jose.HeaderKey(k), v)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: cryptosigner.Opaque(key)}, o)
	require.NoError(t, err)
	m, err := s.Sign([]byte(payload))
	require.NoError(t, err)
	token, err := m.CompactSerialize()
	require.NoError(t, err)
	return token
}

// TestAlgorithms signs with go-jose under each algorithm, and verifies under each.
func TestAlgorithms(t *testing.T) {
	for _, alg := range all {
		key := provisionertest.NewKey(t, alg)
		algs := AlgorithmsFor(key.Public())
		require.Contains(t, algs, alg)
		token := sign(t, alg, key, nil, "{}")
		payload, err := Verify(token, key.Public(), algs)
		require.NoError(t, err, alg)
		require.Equal(t, "{}", string(payload))
		for _, other := range all {
			if other != alg {
				_, err := Verify(token, key.Public(), []jose.SignatureAlgorithm{other})
				require.ErrorIs(t, err, ErrAlgorithm)
			}
		}
		_, err = Verify(token, key.Public(), nil)
		require.ErrorIs(t, err, ErrAlgorithm)
		_, err = Verify(token, provisionertest.NewKey(t, alg).Public(), algs)
		require.ErrorIs(t, err, ErrSignature)
		_, err = Verify(token, []byte("secret"), all)
		require.ErrorIs(t, err, ErrSignature, "a symmetric key verifies nothing")
		_, err = Verify(token, nil, all)
		require.ErrorIs(t, err, ErrSignature)
		for _, kind := range []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.EdDSA, jose.RS256} {
			other := provisionertest.NewKey(t, kind).Public()
			_, err = Verify(token, other, all)
			require.ErrorIs(t, err, ErrSignature, "%s by a key for %s", alg, kind)
		}
	}
}

func TestAlgorithmsForWeakKeys(t *testing.T) {
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	t.Setenv("GODEBUG", "rsa1024min=0")
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	even := provisionertest.NewKey(t, jose.RS256).Public().(*rsa.PublicKey)
	even.E = 65536
	for _, k := range []any{nil, []byte("x"), p224.Public(), small.Public(), even, (*rsa.PublicKey)(nil), (*ecdsa.PublicKey)(nil), &rsa.PublicKey{}, "key"} {
		require.Empty(t, AlgorithmsFor(k), "%T", k)
	}
}

func TestHeaders(t *testing.T) {
	key := provisionertest.NewKey(t, jose.ES256)
	for _, h := range []map[string]any{
		{"crit": []string{"exp"}}, {"b64": true}, {"jku": "https://x"}, {"x5u": "https://x"}, {"zip": "DEF"}, {"enc": "A128GCM"},
		{"x5c": "one"}, {"x5c": []string{}}, {"x5c": []int{1}}, {"x5c": make([]string, MaxChain+1)}, {"kid": 1},
	} {
		_, err := Parse(sign(t, jose.ES256, key, h, "{}"))
		require.ErrorIs(t, err, ErrHeader, "%v", h)
	}
	m, err := Parse(sign(t, jose.ES256, key, map[string]any{"kid": "k", "typ": "JWT", "more": 1}, "{}"))
	require.NoError(t, err)
	require.Equal(t, Header{Algorithm: jose.ES256, KeyID: "k", Type: "JWT"}, m.Header)
	_, err = Parse(strings.Repeat("a", Max+1))
	require.ErrorIs(t, err, ErrMalformed)
}

func chainToken(t testing.TB, header string, key crypto.Signer, payload any, chain ...*x509.Certificate) string {
	t.Helper()
	var x5c []string
	for _, c := range chain {
		x5c = append(x5c, base64.StdEncoding.EncodeToString(c.Raw))
	}
	b, err := json.Marshal(payload)
	require.NoError(t, err)
	return sign(t, AlgorithmsFor(key.Public())[0], key, map[string]any{header: x5c}, string(b))
}

func TestCertificateChain(t *testing.T) {
	ca, key := provisionertest.NewCA(t), provisionertest.NewKey(t, jose.ES256)
	leaf := ca.Leaf(t, key, "vm", nil)
	token := chainToken(t, "x5c", key, 1, leaf, ca.Certificate)
	chain, err := CertificateChain(token, "x5c")
	require.NoError(t, err)
	require.Len(t, chain, 2)
	require.Equal(t, leaf.Raw, chain[0].Raw)
	for _, other := range []string{"x5cInsecure", "jwk", ""} {
		_, err = CertificateChain(token, other)
		require.ErrorIs(t, err, ErrChain)
	}
	der := base64.StdEncoding.EncodeToString(leaf.Raw)
	for _, bad := range []string{"AA==", der + "\n", der + "AAAA", strings.ReplaceAll(strings.ReplaceAll(der, "+", "-"), "/", "_") + "_"} {
		_, err = CertificateChain(sign(t, jose.ES256, key, map[string]any{"x5c": []string{bad}}, "{}"), "x5c")
		if bad == der+"\n" && err == nil {
			continue // base64 in mail's fashion means the same bytes
		}
		require.ErrorIs(t, err, ErrChain)
	}
}

func renewClaims(now time.Time, change func(m map[string]any)) map[string]any {
	m := map[string]any{
		"iss": "step-ca-client/1.0", "sub": "vm", "aud": provisionertest.Host + "/renew",
		"exp": now.Add(5 * time.Minute).Unix(), "nbf": now.Unix(), "iat": now.Unix(),
	}
	if change != nil {
		change(m)
	}
	return m
}

func TestRenewToken(t *testing.T) {
	ca, key := provisionertest.NewCA(t), provisionertest.NewKey(t, jose.ES256)
	leaf := ca.Leaf(t, key, "vm", nil)
	expired := ca.Leaf(t, key, "vm", func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-30*time.Minute), time.Now().Add(-29*time.Minute-30*time.Second)
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})
	nameless := ca.Leaf(t, key, "vm", func(c *x509.Certificate) { c.Subject.CommonName = "" })
	usage := ca.Leaf(t, key, "vm", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement })
	foreign := provisionertest.NewCA(t).Leaf(t, key, "vm", nil)
	now := time.Now()
	set := func(k string, v any) func(map[string]any) { return func(m map[string]any) { m[k] = v } }
	cases := []struct {
		name   string
		leaf   *x509.Certificate
		change func(map[string]any)
		want   string
	}{
		{"as the client makes it", leaf, nil, ""},
		{"certificate has expired", expired, nil, ""},
		{"by another issuer's name", leaf, set("iss", "admin"), ""},
		{"no common name", nameless, nil, ""},
		{"jti", leaf, set("jti", "1"), ""},
		{"subject", leaf, set("sub", "vm2"), "subject"},
		{"no subject", leaf, set("sub", ""), "subject"},
		{"no issuer", leaf, set("iss", ""), "issuer"},
		{"audience", leaf, set("aud", provisionertest.Host+"/sign"), "audience"},
		{"audience with fragment", leaf, set("aud", provisionertest.Host+"/renew#x5c/a"), "audience"},
		{"expired", leaf, set("exp", now.Add(-2*time.Minute).Unix()), "expired"},
		{"no expiry", leaf, set("exp", nil), "expiry"},
		{"too long", leaf, set("exp", now.Add(2*time.Hour).Unix()), "lifetime"},
		{"key usage", usage, nil, "chain"},
		{"other root", foreign, nil, "chain"},
	}
	roots, audiences := []*x509.Certificate{ca.Certificate}, provisionertest.Audiences(provisioner.X509Renew)
	ids := make(map[string]bool)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			token := chainToken(t, "x5cInsecure", key, renewClaims(now, c.change), c.leaf, ca.Certificate)
			r, err := ParseRenewToken(token, roots, nil, audiences, now)
			if c.want != "" {
				refusal, ok := errors.AsType[*provisioner.Refusal](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, c.want, refusal.Code)
				require.ErrorIs(t, err, provisioner.Unauthenticated)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.leaf.Raw, r.Certificate.Raw)
			require.False(t, ids[r.ID])
			ids[r.ID] = true
			require.True(t, r.Expires.After(now))
			require.Len(t, r.Chain, 2)
		})
	}
	for _, header := range []string{"x5c", "other"} {
		_, err := ParseRenewToken(chainToken(t, header, key, renewClaims(now, nil), leaf), roots, nil, audiences, now)
		require.Error(t, err, "the chain belongs in its own header")
	}
	stranger := provisionertest.NewKey(t, jose.ES256)
	_, err := ParseRenewToken(chainToken(t, "x5cInsecure", stranger, renewClaims(now, nil), leaf), roots, nil, audiences, now)
	require.ErrorIs(t, err, ErrSignature)
	_, err = ParseRenewToken(chainToken(t, "x5cInsecure", key, renewClaims(now, nil), leaf), nil, nil, audiences, now)
	require.ErrorIs(t, err, ErrChain, "no roots are not the machine's roots")
}
