package envelope

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
)

// BenchmarkES256 parses and verifies a request by an account, and compares that with its one signature.
func BenchmarkES256(b *testing.B) {
	for _, c := range []struct {
		name string
		make func(testing.TB) *forge
	}{
		{"account", func(t testing.TB) *forge { return byAccount(t, es) }},
		{"key", func(t testing.TB) *forge { return byKey(t, es) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			f := c.make(b)
			f.payload = `{"csr":"` + b64(make([]byte, 400)) + `"}`
			body, key := f.String(), keyOf(b, f.key)
			_, err := accept(body, key)
			require.NoError(b, err)
			floor, least := verifier(b), time.Duration(0)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := accept(body, key); err != nil {
					b.Fatal(err)
				}
				b.StopTimer() // side by side, as the machine's pace changes
				start := time.Now()
				floor()
				least += time.Since(start)
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed())/float64(least), "floors")
		})
	}
}

// verifier returns what makes one ecdsa.Verify.
func verifier(b *testing.B) func() {
	k := keys()[es].(*ecdsa.PrivateKey)
	sig := signRaw(b, es, k, "floor")
	digest := sha256.Sum256([]byte("floor"))
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
	return func() {
		if !ecdsa.Verify(&k.PublicKey, digest[:], r, s) {
			b.Fatal("does not verify")
		}
	}
}

// BenchmarkNonce makes a nonce and spends it in memory.
func BenchmarkNonce(b *testing.B) {
	n := newNonces(b, acme.NewMemory())
	b.ReportAllocs()
	for b.Loop() {
		if err := use(n, n.New()); err != nil {
			b.Fatal(err)
		}
	}
}
