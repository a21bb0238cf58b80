package envelope

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
)

func TestCheckContentType(t *testing.T) {
	for _, c := range []struct {
		ok     bool
		values []string
	}{
		{true, []string{"application/jose+json"}}, {true, []string{"Application/JOSE+json"}},
		{true, []string{"application/jose+json; charset=utf-8"}}, {true, []string{`application/jose+json; charset="UTF-8"`}},
		{false, nil}, {false, []string{""}}, {false, []string{"application/json"}}, {false, []string{"application/jose"}},
		{false, []string{"application/jose+json; charset=utf-16"}}, {false, []string{"application/jose+json; charset=utf-8; x=y"}},
		{false, []string{"application/jose+json; profile=x"}}, {false, []string{"application/jose+json, text/plain"}},
		{false, []string{"text/plain; application/jose+json"}}, {false, []string{"application/jose+json", "application/jose+json"}},
	} {
		err := CheckContentType(http.Header{"Content-Type": c.values})
		if c.ok {
			require.NoError(t, err, "%q", c.values)
			continue
		}
		require.Equal(t, http.StatusUnsupportedMediaType, refused(t, err, acme.Malformed).HTTPStatus(), "%q", c.values)
	}
}

func TestRead(t *testing.T) {
	f := byAccount(t, ed)
	r, err := Read(strings.NewReader(f.String()), where)
	require.NoError(t, err)
	require.Equal(t, account, r.KeyID)
	_, err = Read(strings.NewReader(strings.Repeat(" ", MaxBody+2)), where)
	require.Equal(t, http.StatusRequestEntityTooLarge, refused(t, err, acme.Malformed).HTTPStatus())
	broken := errors.New("broken")
	_, err = Read(iotest.ErrReader(broken), where)
	refused(t, err, acme.Malformed)
	require.ErrorIs(t, err, broken)
	_, err = Read(strings.NewReader(f.String()), "")
	refused(t, err, acme.Unauthorized)
}

// TestMixedUp has the faults of this side, which are no refusals.
func TestMixedUp(t *testing.T) {
	byKid, err := Parse([]byte(byAccount(t, ed).String()), where)
	require.NoError(t, err)
	byJWK, err := Parse([]byte(byKey(t, ed).String()), where)
	require.NoError(t, err)
	for _, c := range []struct {
		r *Request
		k *Key
	}{{byKid, nil}, {byJWK, keyOf(t, edKey)}, {byJWK, keyOf(t, keys()[es])}, {nil, nil}, {&Request{Key: byJWK.Key}, nil}} {
		_, err := c.r.Verify(c.k)
		require.Error(t, err)
		require.NotErrorAs(t, err, new(*acme.Problem))
	}
	_, err = byKid.Verify(new(Key))
	require.Error(t, err, "a key that nobody made")
	_, err = byKid.Verify(keyOf(t, keys()[es]))
	refused(t, err, acme.BadSignatureAlgorithm)
}

func TestNewKey(t *testing.T) {
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	for _, bad := range []crypto.PublicKey{nil, "key", []byte("secret"), edKey, p224.Public(), (*rsa.PublicKey)(nil), (*ecdsa.PublicKey)(nil),
		&rsa.PublicKey{}, ed25519.PublicKey{}, ed25519.PublicKey(make([]byte, 32))} {
		_, err := NewKey(bad)
		refused(t, err, acme.BadPublicKey)
	}
	for range 300 {
		pub, _, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		k, err := NewKey(pub)
		require.NoError(t, err)
		require.Equal(t, pub, mustKey(t, k).Public())
	}
	for _, alg := range Algorithms() {
		k := keyOf(t, keys()[alg])
		require.Equal(t, k.Public(), mustKey(t, k).Public())
		require.Equal(t, "token."+k.Thumbprint(), k.Authorization("token"))
		require.False(t, k.Equal(nil))
		require.False(t, (*Key)(nil).Equal(k))
	}
	require.False(t, (*Key)(nil).Equal(nil))
}

// TestThumbprint has the example of RFC 7638, section 3.1, and that of RFC 8037, appendix A.3.
func TestThumbprint(t *testing.T) {
	for text, want := range map[string]string{
		`{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`: "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
		`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
	} {
		k, err := ParseKey([]byte(text))
		require.NoError(t, err)
		require.Equal(t, want, k.Thumbprint())
	}
}

func TestRSASizes(t *testing.T) {
	text := func(bytes int) []byte {
		n := make([]byte, bytes)
		n[0], n[bytes-1] = 0x80, 1
		return []byte(`{"kty":"RSA","e":"AQAB","n":"` + b64(n) + `"}`)
	}
	for bytes, ok := range map[int]bool{128: false, 255: false, 256: true, 1024: true, 1025: false} {
		k, err := ParseKey(text(bytes))
		if !ok {
			refused(t, err, acme.BadPublicKey)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, []jose.SignatureAlgorithm{jose.RS256, jose.PS256}, k.Algorithms())
	}
}
