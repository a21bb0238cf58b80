package envelope

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes of the algorithms
	_ "crypto/sha512"
	"math/big"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// accepted are the algorithms of requests. RFC 8555, section 6.2, wants ES256 and EdDSA, and clients of old have RS256.
var accepted = [...]jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512, jose.EdDSA, jose.RS256, jose.PS256}

// Algorithms returns the algorithms of requests, for whoever documents or offers them.
func Algorithms() []jose.SignatureAlgorithm { return slices.Clone(accepted[:]) }

var hashes = map[jose.SignatureAlgorithm]crypto.Hash{
	jose.ES256: crypto.SHA256, jose.ES384: crypto.SHA384, jose.ES512: crypto.SHA512, jose.RS256: crypto.SHA256, jose.PS256: crypto.SHA256,
	jose.HS256: crypto.SHA256, jose.HS384: crypto.SHA384, jose.HS512: crypto.SHA512,
}

// verify reports whether sig is a signature of input, in the form that RFC 7518 and RFC 8037 give it and no other. That the
// algorithm is one for keys of that kind and curve was checked before.
//
// With ECDSA whoever sees a signature can make a second one of it, so signatures identify nothing here.
func verify(pub crypto.PublicKey, alg jose.SignatureAlgorithm, input, sig []byte) bool {
	if k, ok := pub.(ed25519.PublicKey); ok {
		return len(k) == ed25519.PublicKeySize && ed25519.Verify(k, input, sig)
	}
	hash, ok := hashes[alg]
	if !ok {
		return false
	}
	h := hash.New()
	h.Write(input)
	digest := h.Sum(nil)
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		n := (k.Curve.Params().BitSize + 7) / 8
		if len(sig) != 2*n { // r and s side by side, each as long as the curve's order
			return false
		}
		return ecdsa.Verify(k, digest, new(big.Int).SetBytes(sig[:n]), new(big.Int).SetBytes(sig[n:]))
	case *rsa.PublicKey:
		if alg == jose.PS256 { // with a salt as long as the hash (RFC 7518, section 3.5)
			return rsa.VerifyPSS(k, hash, digest, sig, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(k, hash, digest, sig) == nil
	}
	return false
}
