package krl_test

import (
	"crypto/rand"
	"crypto/rsa"
	"math"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/sshca/krl"
)

// size is how many bytes ranges take in a list.
func size(t testing.TB, ranges ...krl.Range) int {
	t.Helper()
	with, err := (&krl.List{Certificates: []krl.Certificates{{Serials: ranges}}}).Marshal()
	require.NoError(t, err)
	without, err := (&krl.List{Certificates: []krl.Certificates{{}}}).Marshal()
	require.NoError(t, err)
	return len(with) - len(without)
}

func TestSizes(t *testing.T) {
	for name, x := range map[string]struct {
		serials []uint64
		want    int
	}{
		"one":                {[]uint64{7}, 5 + 8},
		"two":                {[]uint64{7, 700}, 5 + 16},
		"two far apart":      {[]uint64{7, math.MaxUint64}, 5 + 16},
		"three in a row":     {[]uint64{7, 8, 9}, 5 + 8 + 4 + 1},
		"ten in a row":       {[]uint64{7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, 5 + 8 + 4 + 2},
		"every other":        {[]uint64{1, 3, 5, 7}, 5 + 8 + 4 + 1},
		"at the end":         {[]uint64{math.MaxUint64 - 4, math.MaxUint64 - 2, math.MaxUint64}, 5 + 8 + 4 + 1},
		"eight bits":         {[]uint64{1, 3, 5, 8}, 5 + 8 + 4 + 2}, // the sign wants another byte
		"two, and one apart": {[]uint64{7, 9, 1 << 40}, 5 + 24},
	} {
		require.Equal(t, x.want, size(t, krl.RangesOf(x.serials)...), name)
	}
	require.Equal(t, 5+16, size(t, krl.Range{First: 1, Last: math.MaxUint64}))
}

// shortest tries every way to divide ranges.
func shortest(t testing.TB, ranges []krl.Range) int {
	if len(ranges) == 0 {
		return 0
	}
	best := math.MaxInt
	for n := 1; n <= len(ranges); n++ {
		group, list := ranges[:n], 5
		for _, r := range group {
			list += 8 * int(min(r.Last-r.First+1, 1000))
		}
		cost := list
		if n == 1 {
			cost = min(cost, 5+16)
		}
		if span := group[n-1].Last - group[0].First; span < 16384 {
			cost = min(cost, 5+8+4+int(span/8)+1+int(span%8/7))
		}
		best = min(best, cost+shortest(t, ranges[n:]))
	}
	return best
}

// No way to divide serials is shorter than ours by more than the bits that end a bitmap.
func TestShortEnough(t *testing.T) {
	r := mrand.New(mrand.NewPCG(7, 8))
	for range 2000 {
		var ranges []krl.Range
		n := uint64(1)
		for range 1 + r.IntN(8) {
			n += 2 + r.Uint64N(1<<r.IntN(12))
			first := n
			n += r.Uint64N(1 << r.IntN(10))
			ranges = append(ranges, krl.Range{First: first, Last: n})
		}
		got, best := size(t, ranges...), shortest(t, ranges)
		require.GreaterOrEqual(t, got, best, ranges)
		require.LessOrEqual(t, got, best+len(ranges), ranges)
	}
}

// A key of a CA that is written in another way than usual is the same key.
func TestSpellingOfCA(t *testing.T) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ca, err := ssh.NewSignerFromKey(k)
	require.NoError(t, err)
	usual := ca.PublicKey().Marshal()
	padded := slices.Concat(text(ssh.KeyAlgoRSA), text("\x00\x01\x00\x01"), usual[4+7+4+3:])
	require.NotEqual(t, usual, padded)
	empty, err := (&krl.List{Generated: time.Now()}).Marshal()
	require.NoError(t, err)
	b := slices.Concat(empty, section(1, text(string(padded)), text(""), section(0x20, u64(7))))
	l, err := krl.Parse(b)
	require.NoError(t, err)
	w, dir := newWorld(t), t.TempDir()
	w.ca, err = ssh.NewSignerWithAlgorithms(ca.(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSASHA512})
	require.NoError(t, err)
	c := w.certificate(t, 7, "x")
	require.True(t, l.Revokes(c))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "list"), b, 0o600))
	require.True(t, asks(t, dir, "list", c))
}
