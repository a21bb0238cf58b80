package jwk_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/provisioner/jwk"
)

// jwe is a JWE under a password in form; nothing opens it.
var jwe = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","cty":"jwk+json","p2c":600000,"p2s":"AAAAAAAAAAAAAAAAAAAAAA"}`)) + ".AAAA.AAAA.AAAA.AAAA"

func TestGenerate(t *testing.T) {
	password := []byte("correct horse")
	pub, encrypted, err := jwk.Generate(password)
	require.NoError(t, err)
	require.True(t, pub.IsPublic())
	require.Equal(t, "ES256", pub.Algorithm)
	require.Equal(t, "sig", pub.Use)
	sum, err := pub.Thumbprint(5) // crypto.SHA256
	require.NoError(t, err)
	require.Equal(t, base64.RawURLEncoding.EncodeToString(sum), pub.KeyID)

	head, _, _ := strings.Cut(encrypted, ".")
	b, err := base64.RawURLEncoding.DecodeString(head)
	require.NoError(t, err)
	var header struct {
		Alg, Enc, Cty string
		P2C           int    `json:"p2c"`
		P2S           string `json:"p2s"`
	}
	require.NoError(t, json.Unmarshal(b, &header))
	salt, err := base64.RawURLEncoding.DecodeString(header.P2S)
	require.NoError(t, err)
	require.Len(t, salt, 16)
	require.Equal(t, []any{"PBES2-HS256+A128KW", "A256GCM", "jwk+json", 600000}, []any{header.Alg, header.Enc, header.Cty, header.P2C})

	private, err := jwk.Decrypt(encrypted, password)
	require.NoError(t, err)
	require.Equal(t, pub.Key, private.Public().Key)
	require.Equal(t, pub.KeyID, private.KeyID)
	_, err = jwk.NewSigner("admin", *private)
	require.NoError(t, err)
	_, err = jwk.Decrypt(encrypted, []byte("wrong"))
	require.ErrorIs(t, err, jwk.ErrPassword)

	t.Run("step", func(t *testing.T) { stepOpens(t, encrypted, password, private) })
}

// stepOpens has the step CLI decrypt the key.
func stepOpens(t *testing.T, encrypted string, password []byte, private *jose.JSONWebKey) {
	step, err := exec.LookPath("step")
	if err != nil {
		if os.Getenv("CHANCERY_INTEROP") == "require" {
			t.Fatal("step is not in the path")
		}
		t.Skip("step is not in the path")
	}
	file := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(file, password, 0o600))
	cmd := exec.Command(step, "crypto", "jwe", "decrypt", "--password-file", file)
	cmd.Env = append(os.Environ(), "STEPPATH="+t.TempDir())
	cmd.Stdin = strings.NewReader(encrypted)
	out, err := cmd.Output()
	require.NoError(t, err)
	var got jose.JSONWebKey
	require.NoError(t, json.Unmarshal(out, &got))
	require.Equal(t, private.KeyID, got.KeyID)
	require.Equal(t, private.Key, got.Key)
}

func TestDecryptRefuses(t *testing.T) {
	_, _, err := jwk.Generate(nil)
	require.Error(t, err)
	slow := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":2000000000,"p2s":"AAAAAAAAAAAAAAAAAAAAAA"}`)) + ".AAAA.AAAA.AAAA.AAAA"
	direct := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"dir","enc":"A256GCM"}`)) + "..AAAA.AAAA.AAAA"
	for _, bad := range []string{"", "{}", "a.b", jwe[1:], slow, direct} {
		_, err := jwk.Decrypt(bad, []byte("password"))
		require.Error(t, err)
	}
	for _, plain := range []string{`{"kty":"oct","k":"AAAA"}`, `{}`, `[]`} {
		enc, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.PBES2_HS256_A128KW, Key: []byte("p"), PBES2Count: 1000}, nil)
		require.NoError(t, err)
		m, err := enc.Encrypt([]byte(plain))
		require.NoError(t, err)
		for _, s := range []string{m.FullSerialize(), must(m.CompactSerialize())} {
			_, err = jwk.Decrypt(s, []byte("p"))
			require.ErrorContains(t, err, "what the JWE holds")
		}
	}
}

func must(s string, err error) string {
	if err != nil {
		return err.Error()
	}
	return s
}
