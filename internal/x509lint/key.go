package x509lint

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
)

// PublicKey refuses keys that are too weak, too large, malformed or of a kind that is not known: RSA
// takes 2048 to 8192 bits, ECDSA the curves P-256, P-384 and P-521, and Ed25519 points of large order.
func PublicKey(pub crypto.PublicKey) error {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return rsaKey(k)
	case *ecdsa.PublicKey:
		return ecdsaKey(k)
	case ed25519.PublicKey:
		return ed25519Key(k)
	}
	return problem("key-type", "keys of type %T are not accepted", pub)
}

func ecdsaKey(k *ecdsa.PublicKey) error {
	//lint:ignore SA1019 a key without coordinates would make the conversion below panic
	if k == nil || k.Curve == nil || k.X == nil || k.Y == nil {
		return problem("ecdsa-point", "the ECDSA key is empty")
	}
	switch k.Curve {
	case elliptic.P256(), elliptic.P384(), elliptic.P521():
	default:
		return problem("ecdsa-curve", "the ECDSA key is on a curve other than P-256, P-384 and P-521")
	}
	// The conversion refuses infinity and what is not on the curve. The curves have prime order, so
	// every other point is as good as the next.
	if _, err := k.ECDH(); err != nil {
		return problem("ecdsa-point", "the ECDSA key is not a point on its curve")
	}
	return nil
}

func ed25519Key(k ed25519.PublicKey) error {
	if len(k) != ed25519.PublicKeySize {
		return problem("ed25519-length", "the Ed25519 key has %d bytes", len(k))
	}
	var b [ed25519.PublicKeySize]byte
	copy(b[:], k)
	b[31] &= 0x7f // the sign of x says nothing about the order
	for _, low := range lowOrder() {
		if bytes.Equal(b[:], low[:]) {
			return problem("ed25519-order", "the Ed25519 key is a point of low order")
		}
	}
	// p = 2^255-19 and above are second spellings of small values.
	if b[31] == 0x7f && b[0] >= 0xed && bytes.Count(b[1:31], []byte{0xff}) == 30 {
		return problem("ed25519-encoding", "the Ed25519 key is not in its canonical encoding")
	}
	return nil
}

// lowOrder returns the y coordinates of the points whose order divides 8, little-endian.
func lowOrder() [5][32]byte {
	return [5][32]byte{
		{},
		{1},
		{0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
		{0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
			0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
		{0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
			0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
	}
}
