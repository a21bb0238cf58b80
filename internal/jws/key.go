package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes of the algorithms
	_ "crypto/sha512"
	"math/big"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// The sizes of RSA keys, in bits. The upper bound is of work, not of strength: whoever sends a chain
// chooses the keys in it.
const (
	minRSA = 2048
	maxRSA = 8192
)

var rsaAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}

// AlgorithmsFor returns the algorithms that signatures by pub may have: the one that belongs to an
// elliptic curve, or all six of RSA. A key of another kind or size has none.
func AlgorithmsFor(pub crypto.PublicKey) []jose.SignatureAlgorithm {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		if k == nil {
			return nil
		}
		switch k.Curve {
		case elliptic.P256():
			return []jose.SignatureAlgorithm{jose.ES256}
		case elliptic.P384():
			return []jose.SignatureAlgorithm{jose.ES384}
		case elliptic.P521():
			return []jose.SignatureAlgorithm{jose.ES512}
		}
	case ed25519.PublicKey:
		if len(k) == ed25519.PublicKeySize {
			return []jose.SignatureAlgorithm{jose.EdDSA}
		}
	case *rsa.PublicKey:
		if k != nil && k.N != nil && k.N.BitLen() >= minRSA && k.N.BitLen() <= maxRSA && k.E >= 3 && k.E&1 == 1 {
			return slices.Clone(rsaAlgorithms)
		}
	}
	return nil
}

func verify(m *Message, pub crypto.PublicKey, algs []jose.SignatureAlgorithm) error {
	alg := m.Header.Algorithm
	if !slices.Contains(algs, alg) {
		return ErrAlgorithm
	}
	ok := false
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		ok = verifyECDSA(k, alg, m.input, m.signature)
	case ed25519.PublicKey:
		ok = alg == jose.EdDSA && len(k) == ed25519.PublicKeySize && ed25519.Verify(k, []byte(m.input), m.signature)
	case *rsa.PublicKey:
		ok = verifyRSA(k, alg, m.input, m.signature)
	}
	if !ok {
		return ErrSignature
	}
	return nil
}

// verifyECDSA expects r and s side by side, each as long as the curve's order (RFC 7518, section 3.4).
func verifyECDSA(k *ecdsa.PublicKey, alg jose.SignatureAlgorithm, input string, sig []byte) bool {
	if k == nil {
		return false
	}
	var curve elliptic.Curve
	var h crypto.Hash
	switch alg {
	case jose.ES256:
		curve, h = elliptic.P256(), crypto.SHA256
	case jose.ES384:
		curve, h = elliptic.P384(), crypto.SHA384
	case jose.ES512:
		curve, h = elliptic.P521(), crypto.SHA512
	default:
		return false
	}
	n := (curve.Params().BitSize + 7) / 8
	if k.Curve != curve || len(sig) != 2*n {
		return false
	}
	r, s := new(big.Int).SetBytes(sig[:n]), new(big.Int).SetBytes(sig[n:])
	return ecdsa.Verify(k, digest(h, input), r, s)
}

// verifyRSA takes PSS salts of any length: RFC 7518, section 3.5, wants that of the hash, but signers in
// front of a KMS use the longest one.
func verifyRSA(k *rsa.PublicKey, alg jose.SignatureAlgorithm, input string, sig []byte) bool {
	if k == nil {
		return false
	}
	var h crypto.Hash
	switch alg {
	case jose.RS256, jose.PS256:
		h = crypto.SHA256
	case jose.RS384, jose.PS384:
		h = crypto.SHA384
	case jose.RS512, jose.PS512:
		h = crypto.SHA512
	default:
		return false
	}
	switch alg {
	case jose.RS256, jose.RS384, jose.RS512:
		return rsa.VerifyPKCS1v15(k, h, digest(h, input), sig) == nil
	default:
		return rsa.VerifyPSS(k, h, digest(h, input), sig, nil) == nil
	}
}

func digest(h crypto.Hash, s string) []byte {
	d := h.New()
	d.Write([]byte(s))
	return d.Sum(nil)
}
