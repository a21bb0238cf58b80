package authority_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/kms"
)

// BenchmarkSign is the whole pipeline with a one-time token, without HTTP and without a disk. Tokens
// are made outside the measured time.
func BenchmarkSign(b *testing.B) {
	ca := authoritytest.New(b)
	csr := ca.CSR(newKey(b, kms.ECDSAP256), "db.internal")
	tokens := make([]string, 0, 1<<12)
	b.ReportAllocs()
	for b.Loop() {
		if len(tokens) == 0 {
			b.StopTimer()
			for range cap(tokens) {
				tokens = append(tokens, ca.Token("db.internal"))
			}
			b.StartTimer()
		}
		last := len(tokens) - 1
		if _, err := ca.Authority.Issue(b.Context(), &authority.Request{Token: tokens[last], CSR: csr}); err != nil {
			b.Fatal(err)
		}
		tokens = tokens[:last]
	}
}

// BenchmarkRenew is the same for a certificate shown over mutual TLS.
func BenchmarkRenew(b *testing.B) {
	ca := authoritytest.New(b)
	r := renewal(ca.Leaf("db.internal").Leaf)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ca.Authority.Issue(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFloorSign is what no CA can do without for a new certificate: one token, one CSR and one
// signature of its own verified, and one signature made. BenchmarkFloorRenew is the last two.
func BenchmarkFloorSign(b *testing.B)  { floor(b, 3) }
func BenchmarkFloorRenew(b *testing.B) { floor(b, 1) }

func floor(b *testing.B, verifications int) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(b, err)
	digest := make([]byte, 32)
	for b.Loop() {
		sig, err := ecdsa.SignASN1(rand.Reader, key, digest)
		if err != nil {
			b.Fatal(err)
		}
		for range verifications {
			if !ecdsa.VerifyASN1(&key.PublicKey, digest, sig) {
				b.Fatal("the floor gave way")
			}
		}
	}
}
