package interop

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// post sends a JSON body and returns the status and the decoded answer.
func (s *server) post(t testing.TB, path string, body any, client ...tls.Certificate) (int, map[string]any) {
	t.Helper()
	var b []byte
	if body != nil {
		var err error
		b, err = json.Marshal(body)
		require.NoError(t, err)
	}
	res, err := s.http(client...).Post(s.url+path, "application/json", bytes.NewReader(b))
	require.NoError(t, err)
	defer res.Body.Close()
	out, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	require.NoError(t, err)
	var v map[string]any
	require.NoErrorf(t, json.Unmarshal(out, &v), "%s: %s", res.Status, out)
	return res.StatusCode, v
}

// provisionerKey opens the encrypted private key of a JWK provisioner, as its clients do.
func (s *server) provisionerKey(t testing.TB, name string) jose.JSONWebKey {
	t.Helper()
	for _, p := range s.provisioners(t) {
		if p.Name == name {
			return s.keyOf(t, p)
		}
	}
	t.Fatalf("no provisioner %q", name)
	return jose.JSONWebKey{}
}

func (s *server) keyOf(t testing.TB, p published) jose.JSONWebKey {
	t.Helper()
	var served struct{ Key string }
	s.get(t, "/provisioners/"+p.Key.KeyID+"/encrypted-key", &served)
	require.Equal(t, p.EncryptedKey, served.Key)
	jwe, err := jose.ParseEncryptedCompact(served.Key, []jose.KeyAlgorithm{jose.PBES2_HS256_A128KW}, []jose.ContentEncryption{jose.A128GCM, jose.A256GCM})
	require.NoError(t, err)
	b, err := jwe.Decrypt([]byte(password))
	require.NoError(t, err)
	var key jose.JSONWebKey
	require.NoError(t, key.UnmarshalJSON(b))
	sum, err := key.Thumbprint(crypto.SHA256)
	require.NoError(t, err)
	require.Equal(t, p.Key.KeyID, jwkID(sum))
	return key
}

// sign makes a token of any claims.
func sign(t testing.TB, key jose.JSONWebKey, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	require.NoError(t, err)
	b, err := json.Marshal(claims)
	require.NoError(t, err)
	jws, err := signer.Sign(b)
	require.NoError(t, err)
	token, err := jws.CompactSerialize()
	require.NoError(t, err)
	return token
}

func csr(t testing.TB, names ...string) (string, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: names[0]}, DNSNames: names}, key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), key
}

func decode(t testing.TB, text any) *x509.Certificate {
	t.Helper()
	s, _ := text.(string)
	block, rest := pem.Decode([]byte(s))
	require.NotNil(t, block, "not PEM: %v", text)
	require.Empty(t, rest)
	c, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return c
}

// certctl is that program's step-ca connector as it writes requests: the key's id in place of the root's
// fingerprint, both times always there, no templateData.
type certctl struct {
	*server
	key jose.JSONWebKey
}

func (c certctl) token(t testing.TB, path, subject string, names ...string) string {
	now := time.Now()
	claims := map[string]any{
		"iss": "admin", "sub": subject, "aud": c.url + path, "sha": c.key.KeyID, "jti": rand.Text(),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
	if len(names) > 0 {
		claims["sans"] = names
	}
	return sign(t, c.key, claims)
}

func (c certctl) sign(t testing.TB, token string, notBefore, notAfter time.Time, names ...string) (int, map[string]any) {
	request, _ := csr(t, names...)
	return c.post(t, "/sign", map[string]any{"csr": request, "ott": token, "notBefore": notBefore, "notAfter": notAfter})
}

func TestCertctl(t *testing.T) {
	t.Parallel()
	s := shared(t)
	c := certctl{s, s.provisionerKey(t, "admin")}

	// Zero times mean the default, and both chain members are there.
	token := c.token(t, "/1.0/sign", "c.internal", "c.internal", "d.internal")
	status, answer := c.sign(t, token, time.Time{}, time.Time{}, "c.internal", "d.internal")
	require.Equal(t, http.StatusCreated, status, answer)
	leaf, issuer := decode(t, answer["crt"]), decode(t, answer["ca"])
	require.InDelta(t, (24 * time.Hour).Seconds(), time.Until(leaf.NotAfter).Seconds(), 30)
	require.NoError(t, leaf.CheckSignatureFrom(issuer))
	require.Len(t, answer["certChain"], 2)
	require.NotEmpty(t, answer["tlsOptions"])

	status, again := c.sign(t, token, time.Time{}, time.Time{}, "c.internal", "d.internal")
	require.Equal(t, http.StatusUnauthorized, status, "a token is spent once")
	require.NotContains(t, again["message"], token)

	// The same names again are a new certificate.
	status, answer = c.sign(t, c.token(t, "/1.0/sign", "c.internal", "c.internal", "d.internal"), time.Time{}, time.Time{}, "c.internal", "d.internal")
	require.Equal(t, http.StatusCreated, status)
	require.NotEqual(t, leaf.SerialNumber, decode(t, answer["crt"]).SerialNumber)

	// A shorter end is honoured to the second, a longer one refused with the limit.
	end := time.Now().Add(90 * time.Minute).UTC().Truncate(time.Second)
	status, answer = c.sign(t, c.token(t, "/1.0/sign", "c.internal"), time.Time{}, end, "c.internal")
	require.Equal(t, http.StatusCreated, status, answer)
	require.Equal(t, end, decode(t, answer["crt"]).NotAfter)
	status, answer = c.sign(t, c.token(t, "/1.0/sign", "c.internal"), time.Time{}, time.Now().Add(48*time.Hour), "c.internal")
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, answer["message"], "24h")

	// It revokes with a token for signing, which is refused, as in step-ca.
	body := map[string]any{"serial": leaf.SerialNumber.String(), "ott": c.token(t, "/1.0/sign", leaf.SerialNumber.String()), "reasonCode": 0, "reason": "", "passive": true}
	status, _ = c.post(t, "/revoke", body)
	require.Equal(t, http.StatusUnauthorized, status)
	body["ott"] = c.token(t, "/1.0/revoke", leaf.SerialNumber.String())
	status, answer = c.post(t, "/revoke", body)
	require.Equal(t, http.StatusOK, status, answer)
	require.Equal(t, "ok", answer["status"])
}

// T07: whoever runs such a connector can let tokens that are made out to sign revoke, too.
func TestCertctlRevokesWithASignToken(t *testing.T) {
	t.Parallel()
	ours(t, "there is no such setting")
	s := makeFolder(t, options{})
	s.start(t)
	c := certctl{s, s.provisionerKey(t, "admin")}
	u := user(t, s)
	var serial string
	revoke := func(path string) (int, string) {
		status, answer := c.post(t, "/revoke", map[string]any{
			"serial": serial, "ott": c.token(t, path, serial), "reasonCode": 1, "reason": "keyCompromise", "passive": true,
		})
		return status, fmt.Sprint(answer["status"])
	}
	issue := func(name string) *relying {
		leaf := u.certificate(name, name+".internal")
		serial = leaf.SerialNumber.String()
		return u.relying(name)
	}
	refused := func() {
		t.Helper()
		status, _ := revoke("/1.0/sign")
		require.Equal(t, http.StatusUnauthorized, status)
	}

	issue("strict").good()
	refused()
	s.own(t, `{"signAudienceMayRevoke": true, "revocation": {"ocsp": true, "pointers": {}}}`)
	require.NoError(t, s.stop(t))
	s.start(t)
	for _, path := range []string{"/1.0/sign", "/1.0/revoke"} {
		r := issue(strings.TrimPrefix(path, "/1.0/"))
		r.good()
		status, answer := revoke(path)
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "ok", answer)
		r.appears(r.crl)
		r.revoked(compromised)
	}
	// A token to revoke is still none to sign with.
	status, _ := c.sign(t, c.token(t, "/1.0/revoke", "c.internal"), time.Time{}, time.Time{}, "c.internal")
	require.Equal(t, http.StatusUnauthorized, status)

	s.own(t, `{"revocation": {"ocsp": true, "pointers": {}}}`)
	require.NoError(t, s.stop(t))
	s.start(t)
	issue("again")
	refused()
}

func TestTokenClaims(t *testing.T) {
	t.Parallel()
	s := shared(t)
	key := s.provisionerKey(t, "admin")
	now := time.Now()
	good := func() map[string]any {
		return map[string]any{"iss": "admin", "sub": "k.internal", "aud": s.url + "/1.0/sign", "jti": rand.Text(),
			"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Minute).Unix()}
	}
	try := func(token string) int {
		request, _ := csr(t, "k.internal")
		status, answer := s.post(t, "/1.0/sign", map[string]any{"csr": request, "ott": token})
		if status == http.StatusUnauthorized {
			require.NotContains(t, answer["message"], "audience", "401s are for everybody, and say nothing")
		}
		return status
	}
	require.Equal(t, http.StatusCreated, try(sign(t, key, good())))
	for name, change := range map[string]func(map[string]any){
		"issuer":   func(c map[string]any) { c["iss"] = "nobody" },
		"audience": func(c map[string]any) { c["aud"] = "https://elsewhere.example.com/1.0/sign" },
		"revoke":   func(c map[string]any) { c["aud"] = s.url + "/1.0/revoke" },
		"expired": func(c map[string]any) {
			c["exp"], c["nbf"], c["iat"] = now.Add(-time.Hour).Unix(), now.Add(-2*time.Hour).Unix(), now.Add(-2*time.Hour).Unix()
		},
		"early":   func(c map[string]any) { c["nbf"] = now.Add(time.Hour).Unix() },
		"subject": func(c map[string]any) { c["sub"] = "" },
	} {
		claims := good()
		change(claims)
		require.Equal(t, http.StatusUnauthorized, try(sign(t, key, claims)), name)
	}
	unknown := key
	unknown.KeyID = "unknown"
	require.Equal(t, http.StatusUnauthorized, try(sign(t, unknown, good())), "unknown key id")
}

func jwkID(sum []byte) string { return base64.RawURLEncoding.EncodeToString(sum) }
