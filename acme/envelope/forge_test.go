package envelope

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
)

const (
	where   = "https://ca.example/acme/new-order"
	account = "https://ca.example/acme/account/1"
)

var everyAlgorithm = []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512, jose.EdDSA, jose.RS256, jose.RS384, jose.RS512,
	jose.PS256, jose.PS384, jose.PS512, jose.HS256, jose.HS384, jose.HS512}

// keys has one private key for each accepted algorithm, RSA's being one, as they take long to make.
var keys = sync.OnceValue(func() map[jose.SignatureAlgorithm]crypto.Signer {
	must := func(k crypto.Signer, err error) crypto.Signer {
		if err != nil {
			panic(err)
		}
		return k
	}
	r := must(rsa.GenerateKey(rand.Reader, 2048))
	return map[jose.SignatureAlgorithm]crypto.Signer{
		jose.ES256: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		jose.ES384: must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		jose.ES512: must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)),
		jose.EdDSA: edKey, jose.RS256: r, jose.PS256: r,
	}
})

// edKey is fixed, so that fuzzing can be repeated.
var edKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

func keyOf(t testing.TB, s crypto.Signer) *Key {
	t.Helper()
	k, err := NewKey(s.Public())
	require.NoError(t, err)
	return k
}

func jwkOf(t testing.TB, s crypto.Signer) map[string]any {
	t.Helper()
	var m map[string]any
	b, err := jose.JSONWebKey{Key: s.Public()}.MarshalJSON()
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &m))
	return m
}

// forge makes a JWS by hand, good unless something of it was changed.
type forge struct {
	t       testing.TB
	alg     jose.SignatureAlgorithm
	key     crypto.Signer
	header  map[string]any
	raw     string // instead of header
	payload string
	// What comes out of it, changed last.
	protected, encoded, signature func(string) string
	sign                          func(input string) []byte
	body                          func(string) string
}

func byAccount(t testing.TB, alg jose.SignatureAlgorithm) *forge {
	return &forge{t: t, alg: alg, key: keys()[alg], payload: `{"a":1}`,
		header: map[string]any{"alg": alg, "nonce": "AAAA", "url": where, "kid": account}}
}

func byKey(t testing.TB, alg jose.SignatureAlgorithm) *forge {
	f := byAccount(t, alg)
	delete(f.header, "kid")
	f.header["jwk"] = jwkOf(t, f.key)
	return f
}

func (f *forge) String() string {
	same := func(g func(string) string, s string) string {
		if g == nil {
			return s
		}
		return g(s)
	}
	head := f.raw
	if head == "" {
		b, err := json.Marshal(f.header)
		require.NoError(f.t, err)
		head = string(b)
	}
	protected := same(f.protected, rawURL.EncodeToString([]byte(head)))
	payload := same(f.encoded, rawURL.EncodeToString([]byte(f.payload)))
	sign := f.sign
	if sign == nil {
		sign = func(input string) []byte { return signRaw(f.t, f.alg, f.key, input) }
	}
	sig := same(f.signature, rawURL.EncodeToString(sign(protected+"."+payload)))
	b, err := json.Marshal(map[string]string{"protected": protected, "payload": payload, "signature": sig})
	require.NoError(f.t, err)
	return same(f.body, string(b))
}

func signRaw(t testing.TB, alg jose.SignatureAlgorithm, key crypto.Signer, input string) []byte {
	if k, ok := key.(ed25519.PrivateKey); ok {
		return ed25519.Sign(k, []byte(input))
	}
	h := hashes[alg].New()
	h.Write([]byte(input))
	digest := h.Sum(nil)
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, k, digest)
		require.NoError(t, err)
		n := (k.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...)
	case *rsa.PrivateKey:
		var o crypto.SignerOpts = hashes[alg]
		if alg == jose.PS256 {
			o = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hashes[alg]}
		}
		sig, err := k.Sign(rand.Reader, digest, o)
		require.NoError(t, err)
		return sig
	}
	t.Fatalf("%T", key)
	return nil
}

func mac(alg jose.SignatureAlgorithm, key []byte, input string) []byte {
	h := hmac.New(hashes[alg].New, key)
	h.Write([]byte(input))
	return h.Sum(nil)
}

// accept parses and verifies as a server would.
func accept(body string, account *Key) (*Message, error) {
	r, err := Parse([]byte(body), where)
	if err != nil {
		return nil, err
	}
	if r.Key != nil {
		account = nil
	}
	return r.Verify(account)
}

func refused(t testing.TB, err error, kind acme.ProblemType) *acme.Problem {
	t.Helper()
	p, ok := errors.AsType[*acme.Problem](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, kind, p.Type, "%v", err)
	require.NotEmpty(t, p.Detail)
	if kind == acme.BadSignatureAlgorithm {
		require.NotEmpty(t, p.Algorithms)
	}
	return p
}
