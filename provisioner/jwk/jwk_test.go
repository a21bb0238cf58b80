package jwk_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/jwk"
	"github.com/chancery-ca/chancery/provisioner/provisionertest"
)

func open(t testing.TB, c jwk.Config, key jose.JSONWebKey) (*jwk.Provisioner, *jwk.Signer) {
	t.Helper()
	c.Name = "admin"
	c.Keys = append(c.Keys, jwk.Key{JWK: key.Public()})
	p, err := jwk.New(c)
	require.NoError(t, err)
	s, err := jwk.NewSigner("admin", key)
	require.NoError(t, err)
	return p, s
}

func code(t *testing.T, err error) string {
	t.Helper()
	r, ok := errors.AsType[*provisioner.Refusal](err)
	require.True(t, ok, "%v", err)
	return r.Code
}

func TestConformance(t *testing.T) {
	for _, alg := range []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512, jose.EdDSA, jose.RS256, jose.RS512, jose.PS256, jose.PS384} {
		t.Run(string(alg), func(t *testing.T) {
			key, stranger := provisionertest.NewKey(t, alg), provisionertest.NewKey(t, alg)
			private := jose.JSONWebKey{Key: key, Algorithm: string(alg)}
			provisionertest.Run(t, func(t *testing.T) provisionertest.Harness {
				p, s := open(t, jwk.Config{}, private)
				return provisionertest.Harness{
					Provisioner: p,
					Good:        provisionertest.OneTime(t, s.Sign),
					Tokens:      &provisionertest.Tokens{Key: key, Algorithm: alg, Stranger: stranger},
					WithRenewal: func(n provisioner.Renewal) provisioner.Provisioner {
						p, _ := open(t, jwk.Config{Renewal: n}, private)
						return p
					},
				}
			})
		})
	}
}

func TestGrant(t *testing.T) {
	p, s := open(t, jwk.Config{}, jose.JSONWebKey{Key: provisionertest.NewKey(t, jose.ES256), KeyID: "k"})
	good := provisionertest.OneTime(t, s.Sign)
	g, err := p.Authorize(context.Background(), good[provisioner.X509Sign]())
	require.NoError(t, err)
	require.Equal(t, "db.example.com", g.Subject)
	require.Equal(t, []string{"db.example.com", "192.0.2.7"}, g.Names.Strings())
	require.False(t, g.AnyName)
	require.Equal(t, provisioner.Mark{Type: provisioner.TypeJWK, CredentialID: "k"}, g.Mark)
	require.Contains(t, g.Identifiers, provisioner.Identifier{Kind: provisioner.HostName, Value: "db.example.com"})
	require.Equal(t, "admin", g.Claims["iss"])
	require.Zero(t, g.Validity)

	g, err = p.Authorize(context.Background(), good[provisioner.X509Renew]())
	require.NoError(t, err)
	require.True(t, g.Spend.IsZero(), "a TLS connection is not spent")
	require.Equal(t, []string{"db.example.com"}, g.Names.Strings())

	g, err = p.Authorize(context.Background(), good[provisioner.X509Revoke]())
	require.NoError(t, err)
	require.Zero(t, g.Names.Len(), "a token to revoke grants no name")
	require.Empty(t, g.Identifiers, "a serial number is nobody")
}

func TestConfirmedCSR(t *testing.T) {
	p, s := open(t, jwk.Config{}, jose.JSONWebKey{Key: provisionertest.NewKey(t, jose.ES256)})
	csr := provisionertest.NewCSR(t, "db", "db")
	token, err := s.Sign(provisioner.Ticket{Audience: provisionertest.Host + "/sign", Subject: "db", CSR: csr})
	require.NoError(t, err)
	r := &provisioner.Request{Operation: provisioner.X509Sign, Token: token, CSR: csr, Audiences: provisionertest.Audiences(provisioner.X509Sign)}
	_, err = p.Authorize(context.Background(), r)
	require.NoError(t, err)
	r.CSR = provisionertest.NewCSR(t, "db", "db")
	_, err = p.Authorize(context.Background(), r)
	require.ErrorIs(t, err, provisioner.NotAllowed)
	require.Equal(t, "cnf", code(t, err))
}

// TestAlgorithmOfKey holds an RSA key to the one algorithm that its JWK names.
func TestAlgorithmOfKey(t *testing.T) {
	key := provisionertest.NewKey(t, jose.RS256)
	p, _ := open(t, jwk.Config{}, jose.JSONWebKey{Key: key, Algorithm: "PS256"})
	anyRSA, _ := open(t, jwk.Config{}, jose.JSONWebKey{Key: key})
	for alg, ok := range map[string]bool{"PS256": true, "RS256": false, "PS512": false} {
		_, s := open(t, jwk.Config{}, jose.JSONWebKey{Key: key, Algorithm: alg})
		r := provisionertest.OneTime(t, s.Sign)[provisioner.X509Sign]()
		_, err := anyRSA.Authorize(context.Background(), r)
		require.NoError(t, err, alg)
		_, err = p.Authorize(context.Background(), r)
		if ok {
			require.NoError(t, err)
			continue
		}
		require.Equal(t, "algorithm", code(t, err))
	}
}

func TestClaims(t *testing.T) {
	p, _ := open(t, jwk.Config{}, jose.JSONWebKey{Key: provisionertest.NewKey(t, jose.ES256), KeyID: "k"})
	require.True(t, p.Claims(&provisioner.Token{Issuer: "admin", KeyID: "k", Audience: []string{"https://ca/sign"}}))
	require.False(t, p.Claims(&provisioner.Token{Issuer: "admin2", KeyID: "k"}))
	require.False(t, p.Claims(&provisioner.Token{Issuer: "admin", KeyID: "l"}))
	require.False(t, p.Claims(&provisioner.Token{Issuer: "admin"}))
	require.False(t, p.Claims(&provisioner.Token{Issuer: "admin", KeyID: "k", Audience: []string{"https://ca/sign#x5c/admin"}}))
}

// TestRotation walks a key through its life: alone, with its successor, gone.
func TestRotation(t *testing.T) {
	keys := make([]jwk.Key, 2)
	signers := make([]*jwk.Signer, 2)
	for i, kid := range []string{"old", "new"} {
		private := jose.JSONWebKey{Key: provisionertest.NewKey(t, jose.ES256), KeyID: kid}
		keys[i].JWK = private.Public()
		var err error
		signers[i], err = jwk.NewSigner("admin", private)
		require.NoError(t, err)
	}
	try := func(s *jwk.Signer, keys ...jwk.Key) (*provisioner.Grant, error) {
		p, err := jwk.New(jwk.Config{Name: "admin", Keys: keys})
		require.NoError(t, err)
		return p.Authorize(context.Background(), provisionertest.OneTime(t, s.Sign)[provisioner.X509Sign]())
	}
	for i, kid := range []string{"old", "new"} {
		g, err := try(signers[i], keys[1], keys[0])
		require.NoError(t, err)
		require.Equal(t, kid, g.Mark.CredentialID, "the mark names the key that was used")
	}
	_, err := try(signers[0], keys[1])
	require.ErrorIs(t, err, provisioner.Unauthenticated)
	require.Equal(t, "key", code(t, err))

	both, err := jwk.New(jwk.Config{Name: "admin", Keys: []jwk.Key{keys[1], keys[0]}})
	require.NoError(t, err)
	require.Len(t, both.Public(), 2)
	renew := func(p *jwk.Provisioner, kid string) string {
		leaf := provisionertest.NewCA(t).Leaf(t, provisionertest.NewKey(t, jose.ES256), "db", func(c *x509.Certificate) {
			e, err := provisioner.Mark{Type: provisioner.TypeJWK, CredentialID: kid}.Extension("admin")
			require.NoError(t, err)
			c.ExtraExtensions = append(c.ExtraExtensions, e)
		})
		g, err := p.Authorize(context.Background(), &provisioner.Request{Operation: provisioner.X509Renew, Certificate: leaf, Proof: provisioner.TLSProof})
		require.NoError(t, err)
		return g.Mark.CredentialID
	}
	require.Equal(t, "old", renew(both, "old"), "renewal keeps the mark of a key that is still there")
	require.Equal(t, "new", renew(both, "gone"))
}

func TestPublic(t *testing.T) {
	const key = `{"use":"sig","kty":"EC","kid":"k","crv":"P-256","alg":"ES256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`
	var k jose.JSONWebKey
	require.NoError(t, json.Unmarshal([]byte(key), &k))
	p, err := jwk.New(jwk.Config{
		Name: "admin", Keys: []jwk.Key{{JWK: k, EncryptedKey: jwe}},
		Extra: map[string]any{"claims": map[string]any{"disableRenewal": false}, "options": map[string]any{"x509": struct{}{}}, "name": "other", "encryptedKey": 1},
	})
	require.NoError(t, err)
	b, err := json.Marshal(p.Public())
	require.NoError(t, err)
	require.JSONEq(t, `{"type":"JWK","name":"admin","key":`+key+`,"encryptedKey":"`+jwe+`","claims":{"disableRenewal":false},"options":{"x509":{}}}`, string(b))
	got, ok := p.EncryptedKey("k")
	require.True(t, ok)
	require.Equal(t, jwe, got)
	_, ok = p.EncryptedKey("")
	require.False(t, ok)
	require.True(t, p.Marked(provisioner.Mark{Type: provisioner.TypeJWK, CredentialID: "k"}))
	require.False(t, p.Marked(provisioner.Mark{Type: provisioner.TypeX5C, CredentialID: "k"}))
	require.False(t, p.Marked(provisioner.Mark{Type: provisioner.TypeJWK}))

	p, err = jwk.New(jwk.Config{Name: "admin", Keys: []jwk.Key{{JWK: k}}, Extra: map[string]any{"encryptedKey": 1}})
	require.NoError(t, err)
	_, ok = p.EncryptedKey("k")
	require.False(t, ok)
	b, err = json.Marshal(p.Public())
	require.NoError(t, err)
	require.NotContains(t, string(b), "encryptedKey")
}

func TestConfig(t *testing.T) {
	private := jose.JSONWebKey{Key: provisionertest.NewKey(t, jose.ES256), KeyID: "k"}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	for want, keys := range map[string][]jwk.Key{
		"no key":                             nil,
		"key 0: not a public key":            {{JWK: private}},
		"key 1: key id \"k\" is there twice": {{JWK: private.Public()}, {JWK: private.Public()}},
		"not a public key":                   {{JWK: jose.JSONWebKey{Key: []byte("secret"), KeyID: "s"}}},
		"key 0: ":                            {{}},
		"kind or size":                       {{JWK: jose.JSONWebKey{Key: p224.Public(), KeyID: "p"}}},
		"algorithm \"ES384\"":                {{JWK: jose.JSONWebKey{Key: private.Public().Key, Algorithm: "ES384"}}},
		"use \"enc\"":                        {{JWK: jose.JSONWebKey{Key: private.Public().Key, Use: "enc"}}},
		"compact JWE":                        {{JWK: private.Public(), EncryptedKey: `{"kty":"EC","d":"AA"}`}},
	} {
		_, err := jwk.New(jwk.Config{Name: "admin", Keys: keys})
		require.ErrorContains(t, err, want)
	}
	_, err = jwk.New(jwk.Config{Extra: map[string]any{"claims": func() {}}})
	require.ErrorContains(t, err, "no name")
	require.ErrorContains(t, err, "no key")
}

func TestKeyIDIsThumbprint(t *testing.T) {
	key := provisionertest.NewKey(t, jose.EdDSA)
	p, s := open(t, jwk.Config{}, jose.JSONWebKey{Key: key})
	token, err := s.Sign(provisioner.Ticket{Audience: "https://ca/sign", Subject: "db"})
	require.NoError(t, err)
	parsed, err := provisioner.ParseToken(token)
	require.NoError(t, err)
	require.Len(t, parsed.KeyID, 43)
	require.True(t, p.Claims(parsed))
}
