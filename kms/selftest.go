package kms

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes that SignatureAlgorithm names
	_ "crypto/sha512"
	"errors"
	"fmt"
)

// selfTest is what SelfTest signs: text that no certificate, CRL or token can be mistaken for.
const selfTest = "chancery/kms: self-test of a signing key; this signature authorises nothing"

// SelfTest has s sign a fixed message and checks the signature with s.Public(). It finds, at start-up
// and not at the first request, a key that cannot be reached or that is not the one it says it is.
func SelfTest(ctx context.Context, s Signer) error {
	if s == nil {
		return errors.New("kms: self-test: no signer")
	}
	pub := s.Public()
	_, hash, err := SignatureAlgorithm(pub)
	if err != nil {
		return fmt.Errorf("kms: self-test: %w", err)
	}
	digest := []byte(selfTest)
	if hash != 0 {
		h := hash.New()
		h.Write(digest)
		digest = h.Sum(nil)
	}
	sig, err := s.Sign(ctx, digest, hash)
	if err != nil {
		return fmt.Errorf("kms: self-test: signing: %w", err)
	}
	if !verify(pub, hash, digest, sig) {
		return errors.New("kms: self-test: the signature does not verify with the key's public half")
	}
	return nil
}

func verify(pub crypto.PublicKey, hash crypto.Hash, digest, sig []byte) bool {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, digest, sig)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(k, hash, digest, sig) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(k, digest, sig)
	}
	return false
}
