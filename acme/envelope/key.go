package envelope

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"math/big"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/internal/jws"
)

// Key is a public key that requests may be signed with: RSA of 2048 to 8192 bits, a point on P-256, P-384 or P-521, or one on
// Ed25519 that has a large order. Two keys are the same if their thumbprints are. A Key is immutable, and safe for
// concurrent use. Only [NewKey] and [ParseKey] make one.
type Key struct {
	public     crypto.PublicKey
	algs       []jose.SignatureAlgorithm
	thumbprint string
	jwk        []byte
}

// NewKey makes a Key of a public key that a parser made, a certificate's for instance. Its error is a refusal of type BadPublicKey.
func NewKey(pub crypto.PublicKey) (*Key, error) {
	k, p := newKey(pub)
	if p != nil {
		return nil, p
	}
	return k, nil
}

// ParseKey reads a JWK (RFC 7517): one that [Key.MarshalJSON] wrote into a store, for instance. Private keys are
// refused. Its error is a refusal, of type Malformed or BadPublicKey.
func ParseKey(b []byte) (*Key, error) {
	k, p := parseKey(b)
	if p != nil {
		return nil, p
	}
	return k, nil
}

func parseKey(b []byte) (*Key, *acme.Problem) {
	if len(b) > maxHeader {
		return nil, malformed("the key is over the limit of %d bytes", maxHeader)
	}
	m, err := object(b)
	if err != nil {
		return nil, malformed("the key is not a JSON object with each member once")
	}
	return readKey(m)
}

func newKey(pub crypto.PublicKey) (*Key, *acme.Problem) {
	k := &Key{public: pub}
	for _, a := range jws.AlgorithmsFor(pub) {
		if slices.Contains(accepted[:], a) {
			k.algs = append(k.algs, a)
		}
	}
	if len(k.algs) == 0 {
		return nil, refuse(acme.BadPublicKey, "the key's type, curve or size is not accepted")
	}
	if !sound(pub) {
		return nil, refuse(acme.BadPublicKey, "the key is not a sound one")
	}
	j := jose.JSONWebKey{Key: pub}
	sum, err := j.Thumbprint(crypto.SHA256)
	if err == nil {
		k.jwk, err = j.MarshalJSON()
	}
	if err != nil {
		return nil, &acme.Problem{Type: acme.BadPublicKey, Detail: "the key cannot be written as a JWK", Cause: err}
	}
	k.thumbprint = rawURL.EncodeToString(sum)
	return k, nil
}

// sound checks what the type of a key does not say.
func sound(pub crypto.PublicKey) bool {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		_, err := k.Bytes() // not the point at infinity, and on its curve, all of which has prime order
		return err == nil
	case ed25519.PublicKey:
		return soundEd25519(k)
	case *rsa.PublicKey:
		return k.N.Bit(0) == 1
	}
	return false
}

// notPublic are the members of private and symmetric keys, and those that would have us look for a key elsewhere.
var notPublic = [...]string{"d", "p", "q", "dp", "dq", "qi", "oth", "k", "x5u", "x5c", "x5t", "x5t#S256"}

// readKey reads a JWK, each number in its one spelling.
func readKey(m map[string]any) (*Key, *acme.Problem) {
	for _, name := range notPublic {
		if _, ok := m[name]; ok {
			return nil, refuse(acme.BadPublicKey, "the key has a member %s", name)
		}
	}
	if use, ok := m["use"]; ok && use != "sig" {
		return nil, refuse(acme.BadPublicKey, "the key says that it is not for signatures")
	}
	if ops, ok := m["key_ops"]; ok {
		if list, ok := ops.([]any); !ok || !slices.Contains(list, any("verify")) {
			return nil, refuse(acme.BadPublicKey, "the key says that it is not for verifying signatures")
		}
	}
	var pub crypto.PublicKey
	switch m["kty"] {
	case "EC":
		pub = readEC(m)
	case "OKP":
		pub = readOKP(m)
	case "RSA":
		pub = readRSA(m)
	}
	if pub == nil {
		return nil, refuse(acme.BadPublicKey, "the key is of a type that is not accepted, or its numbers are not written as they must be")
	}
	k, p := newKey(pub)
	if alg, ok := m["alg"]; p == nil && ok && !slices.ContainsFunc(k.algs, func(a jose.SignatureAlgorithm) bool { return alg == string(a) }) {
		return nil, refuse(acme.BadPublicKey, "the key says that it is for another algorithm")
	}
	return k, p
}

// readEC wants coordinates of full length (RFC 7518, section 6.2.1.2). Like the others it returns nil for what it
// does not take.
func readEC(m map[string]any) crypto.PublicKey {
	var curve elliptic.Curve
	switch m["crv"] {
	case "P-256":
		curve = elliptic.P256()
	case "P-384":
		curve = elliptic.P384()
	case "P-521":
		curve = elliptic.P521()
	default:
		return nil
	}
	x, y := readBytes(m, "x"), readBytes(m, "y")
	if n := (curve.Params().BitSize + 7) / 8; len(x) != n || len(y) != n {
		return nil
	}
	k, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil
	}
	return k
}

func readOKP(m map[string]any) crypto.PublicKey {
	x := readBytes(m, "x")
	if m["crv"] != "Ed25519" || len(x) != ed25519.PublicKeySize {
		return nil
	}
	return ed25519.PublicKey(x)
}

// maxExponent is the longest public exponent, in bytes: longer ones make slow signatures, and no better ones.
const maxExponent = 4

// readRSA wants numbers without leading zeros (RFC 7518, sections 2 and 6.3.1).
func readRSA(m map[string]any) crypto.PublicKey {
	n, e := readBytes(m, "n"), readBytes(m, "e")
	if len(n) == 0 || n[0] == 0 || len(e) == 0 || e[0] == 0 || len(e) > maxExponent {
		return nil
	}
	exp := new(big.Int).SetBytes(e).Int64()
	if exp > 1<<31-1 { // what crypto/rsa takes, and an int is everywhere
		return nil
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exp)}
}

func readBytes(m map[string]any, name string) []byte {
	s, _ := m[name].(string)
	b, ok := unbase64(s)
	if !ok {
		return nil
	}
	return b
}

// Public returns the key as the standard library has it. It must not be changed.
func (k *Key) Public() crypto.PublicKey { return k.public }

// Algorithms returns those that signatures by k may have.
func (k *Key) Algorithms() []jose.SignatureAlgorithm { return slices.Clone(k.algs) }

// Thumbprint returns the SHA-256 of the key's one spelling, in base64url (RFC 7638). It identifies the key.
func (k *Key) Thumbprint() string { return k.thumbprint }

// Equal reports whether k and o are the same key. No key is equal to nil.
func (k *Key) Equal(o *Key) bool { return k != nil && o != nil && k.thumbprint == o.thumbprint }

// Authorization returns the key authorization of a challenge's token (RFC 8555, section 8.1).
func (k *Key) Authorization(token string) string { return token + "." + k.thumbprint }

// MarshalJSON writes the public key as a JWK: what it takes, and nothing else that a client may have written to it.
func (k *Key) MarshalJSON() ([]byte, error) { return slices.Clone(k.jwk), nil }

var _ json.Marshaler = (*Key)(nil)
