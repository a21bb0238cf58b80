package httpapi

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/oidc"
)

const idpURL = "https://idp.internal"

// oidc makes a provisioner of ID tokens whose admins are those of one address. Its provider answers in memory.
func (h *house) oidc(t *testing.T) provisioner.Provisioner {
	t.Helper()
	h.idp = mint(t, "idp", false, nil)
	p, err := oidc.New(oidc.Config{
		Name: "mine", ClientID: "the-client", ConfigurationEndpoint: idpURL, Admins: []string{"admin@example.com"}, Domains: []string{"example.com"},
		Client: &http.Client{Transport: idp{h.idp}},
	})
	require.NoError(t, err)
	return p
}

// idp is an OpenID provider.
type idp struct{ *minted }

func (p idp) RoundTrip(r *http.Request) (*http.Response, error) {
	var v any = map[string]any{"keys": []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "idp-key", Algorithm: "ES256", Use: "sig"}}}
	if strings.HasSuffix(r.URL.Path, "/openid-configuration") {
		v = map[string]string{"issuer": idpURL, "jwks_uri": idpURL + "/keys"}
	}
	b, err := json.Marshal(v)
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(b))), Request: r}, err
}

// idToken makes an admin's, but for what changes.
func (h *house) idToken(t *testing.T, changes map[string]any) string {
	t.Helper()
	by := h.idp
	if by == nil { // a kind that has no provider
		by = mint(t, "idp", false, nil)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: by.key, KeyID: "idp-key"}}, (&jose.SignerOptions{}).WithType("JWT"))
	require.NoError(t, err)
	now := time.Now()
	c := map[string]any{
		"iss": idpURL, "aud": "the-client", "sub": "4711", "email": "admin@example.com", "email_verified": true, "nonce": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	for k, v := range changes {
		c[k] = v
	}
	payload, err := json.Marshal(c)
	require.NoError(t, err)
	m, err := s.Sign(payload)
	require.NoError(t, err)
	tok, err := m.CompactSerialize()
	require.NoError(t, err)
	return tok
}

// idTokens are credentials by an OpenID provider, good ones and bad ones.
func (h *house) idTokens(t *testing.T) (cs []credential) {
	t.Helper()
	for _, v := range []struct {
		name    string
		changes map[string]any
	}{
		{"admin's ID token", nil},
		{"ID token of another domain", map[string]any{"email": "admin@example.org"}},
		{"ID token without e-mail", map[string]any{"email": nil}},
		{"ID token with an unverified e-mail", map[string]any{"email_verified": false}},
		{"ID token for another client", map[string]any{"aud": "another-client"}},
		{"ID token for another to use", map[string]any{"azp": "another-client"}},
		{"ID token for several", map[string]any{"aud": []string{"the-client", "another-client"}}},
		{"ID token for the CA", map[string]any{"aud": caURL + "/1.0/sign"}},
		{"ID token by another issuer", map[string]any{"iss": "https://idp.example"}},
		{"ID token that has expired", map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}},
		{"ID token that never does", map[string]any{"exp": nil}},
		{"ID token of nobody", map[string]any{"sub": ""}},
	} {
		cs = append(cs, credential{name: v.name, token: h.idToken(t, v.changes)})
	}
	good := h.idToken(t, nil)
	return append(cs,
		credential{name: "unsigned ID token", token: resign(t, good, "none", func(string) []byte { return nil })},
		credential{name: "truncated ID token", token: good[:len(good)-6]})
}
