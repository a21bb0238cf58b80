package jwk_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/jwk"
	"github.com/chancery-ca/chancery/provisioner/provisionertest"
)

// BenchmarkAuthorize measures the judgement of an ES256 token, its floor (one hash and one ECDSA
// verification) within the same run, and reports the ratio.
func BenchmarkAuthorize(b *testing.B) {
	key := provisionertest.NewKey(b, jose.ES256)
	p, s := open(b, jwk.Config{}, jose.JSONWebKey{Key: key})
	r := provisionertest.OneTime(b, s.Sign)[provisioner.X509Sign]()
	dot := strings.LastIndexByte(r.Token, '.')
	input := []byte(r.Token[:dot])
	sig, err := base64.RawURLEncoding.DecodeString(r.Token[dot+1:])
	require.NoError(b, err)
	pub := key.Public().(*ecdsa.PublicKey)
	b.ReportAllocs()
	var floor, whole []time.Duration
	for b.Loop() { // by turns, so that both see the same machine
		start := time.Now()
		sum := sha256.Sum256(input)
		if !ecdsa.Verify(pub, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
			b.Fatal("floor")
		}
		middle := time.Now()
		if _, err := p.Authorize(context.Background(), r); err != nil {
			b.Fatal(err)
		}
		whole, floor = append(whole, time.Since(middle)), append(floor, middle.Sub(start))
	}
	slices.Sort(floor) // medians: a machine with other work to do spoils the mean
	slices.Sort(whole)
	f, w := floor[len(floor)/2], whole[len(whole)/2]
	b.ReportMetric(float64(f.Nanoseconds()), "floor-ns/op")
	b.ReportMetric(float64(w.Nanoseconds()), "authorize-ns/op")
	b.ReportMetric(float64(w)/float64(f), "ratio")
}
