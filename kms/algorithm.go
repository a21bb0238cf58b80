package kms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
)

// MinRSABits is the length below which an RSA key is refused.
const MinRSABits = 2048

// Algorithms lists every algorithm, for tests.
func Algorithms() []Algorithm {
	return []Algorithm{ECDSAP256, ECDSAP384, ECDSAP521, Ed25519, RSA2048, RSA3072, RSA4096}
}

// Generate makes a key in memory. An algorithm that is not one of this package's is [ErrUnsupported].
func Generate(alg Algorithm) (crypto.Signer, error) {
	switch alg {
	case ECDSAP256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ECDSAP384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case ECDSAP521:
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case Ed25519:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case RSA2048:
		return rsa.GenerateKey(rand.Reader, 2048)
	case RSA3072:
		return rsa.GenerateKey(rand.Reader, 3072)
	case RSA4096:
		return rsa.GenerateKey(rand.Reader, 4096)
	}
	return nil, fmt.Errorf("kms: algorithm %.40q: %w", string(alg), ErrUnsupported)
}

// SignatureAlgorithm returns the algorithm with which a key signs certificates, and the hash whose
// digest [Signer.Sign] is given; the hash is zero where the message itself is. It follows from the key
// alone: ECDSA takes the hash as long as its curve, RSA takes PKCS #1 v1.5 with SHA-256. Other curves,
// RSA keys shorter than [MinRSABits] and other kinds of keys are [ErrUnsupported].
func SignatureAlgorithm(pub crypto.PublicKey) (x509.SignatureAlgorithm, crypto.Hash, error) {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		if k == nil {
			break
		}
		switch k.Curve {
		case elliptic.P256():
			return x509.ECDSAWithSHA256, crypto.SHA256, nil
		case elliptic.P384():
			return x509.ECDSAWithSHA384, crypto.SHA384, nil
		case elliptic.P521():
			return x509.ECDSAWithSHA512, crypto.SHA512, nil
		}
		return 0, 0, fmt.Errorf("kms: ECDSA key on another curve than P-256, P-384 and P-521: %w", ErrUnsupported)
	case *rsa.PublicKey:
		if k == nil || k.N == nil {
			break
		}
		if n := k.N.BitLen(); n < MinRSABits {
			return 0, 0, fmt.Errorf("kms: RSA key of %d bits, fewer than %d: %w", n, MinRSABits, ErrUnsupported)
		}
		return x509.SHA256WithRSA, crypto.SHA256, nil
	case ed25519.PublicKey:
		if len(k) == ed25519.PublicKeySize {
			return x509.PureEd25519, 0, nil
		}
	}
	return 0, 0, fmt.Errorf("kms: key of type %T: %w", pub, ErrUnsupported)
}
