package jwk

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// iterations of PBKDF2 for keys made here.
const iterations = 600_000

var (
	keyEncryptions     = []jose.KeyAlgorithm{jose.PBES2_HS256_A128KW, jose.PBES2_HS384_A192KW, jose.PBES2_HS512_A256KW}
	contentEncryptions = []jose.ContentEncryption{jose.A128GCM, jose.A192GCM, jose.A256GCM, jose.A128CBC_HS256, jose.A192CBC_HS384, jose.A256CBC_HS512}
)

func thumbprint(k jose.JSONWebKey) (string, error) {
	sum, err := k.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("thumbprint: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// Generate makes a P-256 key for a provisioner, as `step crypto jwk create` does: the public key, whose
// id is its thumbprint, and the private key under the password, as a compact JWE. The derivation of the
// key from the password is slow on purpose, a fifth of a second or so.
func Generate(password []byte) (pub jose.JSONWebKey, encryptedKey string, err error) {
	if len(password) == 0 {
		return jose.JSONWebKey{}, "", errors.New("jwk: password is empty")
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return jose.JSONWebKey{}, "", fmt.Errorf("jwk: making a key: %w", err)
	}
	k := jose.JSONWebKey{Key: private, Algorithm: string(jose.ES256), Use: "sig"}
	if k.KeyID, err = thumbprint(k); err != nil {
		return jose.JSONWebKey{}, "", fmt.Errorf("jwk: %w", err)
	}
	if encryptedKey, err = Encrypt(k, password); err != nil {
		return jose.JSONWebKey{}, "", err
	}
	return k.Public(), encryptedKey, nil
}

// Encrypt puts a private key under a password, as a compact JWE.
func Encrypt(k jose.JSONWebKey, password []byte) (string, error) {
	plain, err := json.Marshal(k)
	if err != nil {
		return "", errors.New("jwk: key cannot be written as JSON")
	}
	salt := make([]byte, 16)
	rand.Read(salt) // never fails since Go 1.24
	enc, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{
		Algorithm: jose.PBES2_HS256_A128KW, Key: password, PBES2Count: iterations, PBES2Salt: salt,
	}, new(jose.EncrypterOptions).WithContentType("jwk+json"))
	if err != nil {
		return "", fmt.Errorf("jwk: encrypting the key: %w", err)
	}
	jwe, err := enc.Encrypt(plain)
	if err != nil {
		return "", fmt.Errorf("jwk: encrypting the key: %w", err)
	}
	return jwe.CompactSerialize()
}

// ErrPassword is returned when a key does not open: the password is wrong, or the key is damaged.
var ErrPassword = errors.New("jwk: key does not open with this password")

// Decrypt opens a private key that [Generate] or step made: a JWE, compact or JSON, under a password. At
// most a million iterations of PBKDF2 are done for it.
func Decrypt(encryptedKey string, password []byte) (*jose.JSONWebKey, error) {
	parse := jose.ParseEncryptedCompact
	if encryptedKey = strings.TrimSpace(encryptedKey); strings.HasPrefix(encryptedKey, "{") {
		parse = jose.ParseEncryptedJSON
	}
	jwe, err := parse(encryptedKey, keyEncryptions, contentEncryptions)
	if err != nil {
		return nil, fmt.Errorf("jwk: not a JWE under a password: %w", err)
	}
	plain, err := jwe.Decrypt(password)
	if err != nil {
		return nil, ErrPassword
	}
	var k jose.JSONWebKey
	if err := json.Unmarshal(plain, &k); err != nil || !k.Valid() || k.IsPublic() {
		return nil, errors.New("jwk: what the JWE holds is not a private key")
	}
	if _, symmetric := k.Key.([]byte); symmetric {
		return nil, errors.New("jwk: what the JWE holds is a symmetric key")
	}
	return &k, nil
}
