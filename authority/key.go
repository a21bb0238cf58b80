package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"slices"
)

// KeyRule says which keys a profile certifies, beside the hygiene that holds for all: RSA from 2048
// bits, ECDSA on P-256, P-384 and P-521, Ed25519. The zero value adds nothing to that. Renewals are
// judged by it, too.
type KeyRule struct {
	Algorithms []x509.PublicKeyAlgorithm // nil: all of them
	Curves     []elliptic.Curve          // for ECDSA; nil: all of them
	MinRSABits int
}

func (k KeyRule) check(pub crypto.PublicKey) *Error {
	var alg x509.PublicKeyAlgorithm
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		if alg = x509.RSA; pub.N.BitLen() < k.MinRSABits {
			return refuse(Denied, "", "key-size", "an RSA key of %d bits is shorter than the profile's %d", pub.N.BitLen(), k.MinRSABits)
		}
	case *ecdsa.PublicKey:
		if alg = x509.ECDSA; k.Curves != nil && !slices.Contains(k.Curves, pub.Curve) {
			return refuse(Denied, "", "key-curve", "the profile does not certify keys on %s", pub.Curve.Params().Name)
		}
	case ed25519.PublicKey:
		alg = x509.Ed25519
	}
	if k.Algorithms != nil && !slices.Contains(k.Algorithms, alg) {
		return refuse(Denied, "", "key-algorithm", "the profile does not certify %s keys", alg)
	}
	return nil
}
