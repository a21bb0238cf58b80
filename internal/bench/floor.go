package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func intermediate() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "Bench Intermediate CA"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(20 * time.Hour),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
}

// floorOf measures the CPU time of the cryptography that no CA can do without. For a new certificate:
// one token verified, one CSR parsed and verified, one signature, one check of it. For one that is had
// again over an open mutual TLS connection: the last two. For an ACME order: five requests verified (order,
// authorization, challenge, finalization, download), one CSR parsed and verified, one signature, one check of it.
// For an SSH certificate: one token verified, one signature, of the kind of the CA's key, one check of it.
func floorOf(operation string) (time.Duration, error) {
	const rounds = 1000
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return 0, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, nil)
	if err != nil {
		return 0, err
	}
	claims := []byte(`{"aud":"https://127.0.0.1:9000/1.0/sign","exp":1,"iat":1,"iss":"admin","jti":"0123456789abcdef0123456789abcdef","nbf":1,"sans":["a.example.com"],"sub":"a.example.com"}`)
	signed, err := signer.Sign(claims)
	if err != nil {
		return 0, err
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		return 0, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{"a.example.com"}}, key)
	if err != nil {
		return 0, err
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return 0, err
	}
	begin := cpuTime()
	for range rounds {
		if operation == "acme" {
			for range 4 { // and one with the CSR
				t, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
				if err != nil {
					return 0, err
				}
				if _, err := t.Verify(&key.PublicKey); err != nil {
					return 0, err
				}
			}
		}
		if operation == floorSSH(keyP256) || operation == floorSSH(keyEd25519) {
			t, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
			if err != nil {
				return 0, err
			}
			if _, err := t.Verify(&key.PublicKey); err != nil {
				return 0, err
			}
		} else if operation != "renew" {
			if err := verifyRequest(token, csr, &key.PublicKey); err != nil {
				return 0, err
			}
		}
		if operation == floorSSH(keyEd25519) {
			if !ed25519.Verify(edwards.Public().(ed25519.PublicKey), csr, ed25519.Sign(edwards, csr)) {
				return 0, errFloor
			}
			continue
		}
		digest := sha256.Sum256(csr)
		sig, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		if err != nil {
			return 0, err
		}
		if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], sig) {
			return 0, errFloor
		}
	}
	return (cpuTime() - begin) / rounds, nil
}

var errFloor = errors.New("the floor gave way")

func verifyRequest(token string, csr []byte, pub *ecdsa.PublicKey) error {
	t, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return err
	}
	if _, err := t.Verify(pub); err != nil {
		return err
	}
	r, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return err
	}
	return r.CheckSignature()
}
