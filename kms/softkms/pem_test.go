package softkms

import (
	"crypto"
	"encoding/asn1"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/kms"
)

func ask() ([]byte, error) { return []byte(password), nil }

// Lengths that make crypto/cipher panic, and work without end, are refused before anything is decrypted.
func TestHostilePBES2(t *testing.T) {
	data, err := os.ReadFile("testdata/pkcs8-encrypted-openssl.pem")
	require.NoError(t, err)
	block, _ := pem.Decode(data)
	for name, spoil := range map[string]func(p *pbes2){
		"short IV":          func(p *pbes2) { p.Algo.Parameters.Scheme.IV = []byte{1, 2, 3} },
		"half a block":      func(p *pbes2) { p.Data = p.Data[:len(p.Data)-5] },
		"nothing encrypted": func(p *pbes2) { p.Data = nil },
		"work without end":  func(p *pbes2) { p.Algo.Parameters.KDF.Params.Iterations = 1 << 40 },
		"no work":           func(p *pbes2) { p.Algo.Parameters.KDF.Params.Iterations = 0 },
	} {
		var p pbes2
		_, err := asn1.Unmarshal(block.Bytes, &p)
		require.NoError(t, err)
		spoil(&p)
		der, err := asn1.Marshal(p)
		require.NoError(t, err)
		_, err = Parse(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: der}), ask)
		require.Error(t, err, name)
		require.NotErrorIs(t, err, kms.ErrPassword, name)
	}
}

func TestHostileOpenSSH(t *testing.T) {
	w := struct{ Cipher, KDF, KDFOptions, Rest string }{"aes256-ctr", "bcrypt", string(ssh.Marshal(struct {
		Salt   string
		Rounds uint32
	}{"0123456789abcdef", 1 << 30})), "rest"}
	_, err := Parse(pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: append([]byte("openssh-key-v1\x00"), ssh.Marshal(w)...)}), ask)
	require.ErrorIs(t, err, kms.ErrUnsupported)
}

func TestMarshal(t *testing.T) {
	for _, alg := range []kms.Algorithm{kms.ECDSAP256, kms.ECDSAP384, kms.ECDSAP521, kms.Ed25519, kms.RSA2048} {
		key, err := kms.Generate(alg)
		require.NoError(t, err)
		for _, pass := range []string{"", password} {
			if pass != "" && alg != kms.RSA2048 {
				continue // deriving its key is slow, and the same for all
			}
			b, err := Marshal(key, []byte(pass))
			require.NoError(t, err)
			got, err := Parse(b, func() ([]byte, error) { return []byte(pass), nil })
			require.NoError(t, err)
			require.Equal(t, key.Public(), got.Public())
		}
	}
	_, err := Marshal(odd{}, nil)
	require.ErrorContains(t, err, "softkms.odd")
	require.NotContains(t, err.Error(), "private part")
}

type odd struct{ crypto.Signer }

func (odd) String() string { return "private part" }

// OpenSSL opens what Marshal writes.
func TestOpenSSLReads(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CHANCERY_INTEROP") == "require" {
			t.Fatal("openssl is not installed")
		}
		t.Skip("openssl is not installed")
	}
	key, err := kms.Generate(kms.ECDSAP384)
	require.NoError(t, err)
	b, err := Marshal(key, []byte(password))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(path, b, 0o600))
	out, err := exec.CommandContext(t.Context(), openssl, "pkey", "-in", path, "-passin", "pass:"+password, "-noout", "-check").CombinedOutput()
	require.NoError(t, err, string(out))
}

// FuzzParse: an error, or a key that is written and read back the same.
func FuzzParse(f *testing.F) {
	seeds, err := filepath.Glob("testdata/fuzz/FuzzParse/*")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		pass := ask
		if b, err := onlyKey(data); err == nil && expensive(b) {
			pass = nil
		}
		key, err := Parse(data, pass)
		if err != nil {
			require.Nil(t, key)
			return
		}
		b, err := Marshal(key, nil)
		require.NoError(t, err)
		again, err := Parse(b, nil)
		require.NoError(t, err)
		require.Equal(t, key.Public(), again.Public())
	})
}

func expensive(b *pem.Block) bool {
	var p pbes2
	_, err := asn1.Unmarshal(b.Bytes, &p)
	return b.Type == "OPENSSH PRIVATE KEY" || err == nil && p.Algo.Parameters.KDF.Params.Iterations > 10_000
}
