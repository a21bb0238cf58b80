package krl_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // fingerprints
	"crypto/sha256"
	"io"
	"math"
	mrand "math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/sshca/krl"
)

func newSigner(t testing.TB, alg kms.Algorithm) (kms.Signer, ssh.PublicKey) {
	t.Helper()
	k, err := kms.Generate(alg)
	require.NoError(t, err)
	p, err := ssh.NewPublicKey(k.Public())
	require.NoError(t, err)
	return kms.FromCrypto(k), p
}

func newKey(t testing.TB) ssh.PublicKey {
	t.Helper()
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	k, err := ssh.NewPublicKey(pub)
	require.NoError(t, err)
	return k
}

// sample is a list with something of everything.
func sample(t testing.TB) *krl.List {
	t.Helper()
	k, other := newKey(t).Marshal(), newKey(t).Marshal()
	one, two := sha1.Sum(other), sha256.Sum256(other) //nolint:gosec // as above
	return &krl.List{
		Version: 7, Generated: time.Unix(1_800_000_000, 0).UTC(), Comment: "of Tuesday",
		Certificates: []krl.Certificates{
			{CA: newKey(t).Marshal(), Serials: krl.RangesOf(serials()), KeyIDs: []string{"alice", "bob"}},
			{KeyIDs: []string{"anybody's"}},
		},
		Keys: [][]byte{k}, SHA1: [][]byte{one[:]}, SHA256: [][]byte{two[:]},
	}
}

// serials are some that ask for each way of putting them.
func serials() []uint64 {
	s := []uint64{1, 5, math.MaxUint64, math.MaxUint64 - 1, 1 << 63}
	for n := uint64(1000); n < 1500; n++ {
		s = append(s, n)
	}
	for n := uint64(100_000); n < 101_000; n += 3 {
		s = append(s, n)
	}
	return s
}

func TestRoundTrip(t *testing.T) {
	l := sample(t)
	b, err := l.Marshal()
	require.NoError(t, err)
	got, err := krl.Parse(b)
	require.NoError(t, err)
	require.Equal(t, l, got)
	require.Less(t, len(b), 900, "serials in a row and close together are put compactly")
	require.EqualValues(t, len(serials())+3+3, l.Len())
	empty, err := (&krl.List{}).Marshal()
	require.NoError(t, err)
	got, err = krl.Parse(empty)
	require.NoError(t, err)
	require.Zero(t, got.Len())
}

func TestRangesOf(t *testing.T) {
	require.Nil(t, krl.RangesOf(nil))
	require.Nil(t, krl.RangesOf([]uint64{0}))
	require.Equal(t, []krl.Range{{1, 3}, {5, 5}, {math.MaxUint64, math.MaxUint64}}, krl.RangesOf([]uint64{3, 1, 2, 2, 5, 0, math.MaxUint64}))
}

// Whatever the serials, what is read is what was written, and what is asked for is found.
func TestAnySerials(t *testing.T) {
	r := mrand.New(mrand.NewPCG(1, 2))
	for round := range 300 {
		step := uint64(1) << r.IntN(63)
		var s []uint64
		n := r.Uint64()
		for range r.IntN(400) {
			if n += r.Uint64N(step) + 1; r.IntN(20) == 0 {
				n = r.Uint64()
			}
			s = append(s, n)
		}
		l := &krl.List{Generated: time.Unix(1, 0).UTC(), Certificates: []krl.Certificates{{Serials: krl.RangesOf(s)}}}
		b, err := l.Marshal()
		require.NoError(t, err, round)
		got, err := krl.Parse(b)
		require.NoError(t, err, round)
		require.Equal(t, l.Certificates[0].Serials, got.Certificates[0].Serials, round)
		for _, n := range s {
			require.Equal(t, n != 0, got.Revokes(&ssh.Certificate{Key: newKeyOnce(t), SignatureKey: newKeyOnce(t), Serial: n}))
			if out := n + 1; !slices.Contains(s, out) {
				require.False(t, got.Revokes(&ssh.Certificate{Key: newKeyOnce(t), SignatureKey: newKeyOnce(t), Serial: out}))
			}
		}
	}
}

var once ssh.PublicKey

func newKeyOnce(t testing.TB) ssh.PublicKey {
	if once == nil {
		once = newKey(t)
	}
	return once
}

func TestRevokes(t *testing.T) {
	ca, other, key := newKey(t), newKey(t), newKey(t)
	c := &ssh.Certificate{Key: key, SignatureKey: ca, Serial: 42, KeyId: "alice"}
	one, two := sha1.Sum(key.Marshal()), sha256.Sum256(key.Marshal()) //nolint:gosec // as above
	for name, x := range map[string]struct {
		list krl.List
		cert bool
		key  bool
	}{
		"nothing":         {krl.List{}, false, false},
		"serial":          {krl.List{Certificates: []krl.Certificates{{CA: ca.Marshal(), Serials: []krl.Range{{40, 42}}}}}, true, false},
		"other serial":    {krl.List{Certificates: []krl.Certificates{{CA: ca.Marshal(), Serials: []krl.Range{{40, 41}}}}}, false, false},
		"other CA":        {krl.List{Certificates: []krl.Certificates{{CA: other.Marshal(), Serials: []krl.Range{{42, 42}}, KeyIDs: []string{"alice"}}}}, false, false},
		"any CA":          {krl.List{Certificates: []krl.Certificates{{Serials: []krl.Range{{42, 42}}}}}, true, false},
		"key id":          {krl.List{Certificates: []krl.Certificates{{CA: ca.Marshal(), KeyIDs: []string{"alice"}}}}, true, false},
		"no key id":       {krl.List{Certificates: []krl.Certificates{{CA: ca.Marshal(), KeyIDs: []string{""}}}}, false, false},
		"other key id":    {krl.List{Certificates: []krl.Certificates{{CA: ca.Marshal(), KeyIDs: []string{"Alice"}}}}, false, false},
		"key":             {krl.List{Keys: [][]byte{key.Marshal()}}, true, true},
		"other key":       {krl.List{Keys: [][]byte{other.Marshal()}}, false, false},
		"the CA's key":    {krl.List{Keys: [][]byte{ca.Marshal()}}, true, false},
		"SHA-1":           {krl.List{SHA1: [][]byte{one[:]}}, true, true},
		"SHA-256":         {krl.List{SHA256: [][]byte{two[:]}}, true, true},
		"SHA-256 of none": {krl.List{SHA256: [][]byte{make([]byte, 32)}}, false, false},
	} {
		require.Equal(t, x.cert, x.list.Revokes(c), name)
		require.Equal(t, x.key, x.list.Revokes(key), name)
	}
	zero := *c
	zero.Serial = 0
	l := krl.List{Certificates: []krl.Certificates{{Serials: []krl.Range{{1, math.MaxUint64}}}}}
	require.False(t, l.Revokes(&zero), "zero is no serial")
	nobody := *c
	nobody.KeyId = ""
	l = krl.List{Certificates: []krl.Certificates{{KeyIDs: []string{"", "alice"}}}}
	require.True(t, l.Revokes(&nobody), "OpenSSH lets a list name those that have none")
	nobody.KeyId = "alice\x00"
	require.True(t, l.Revokes(&nobody), "OpenSSH reads alice")
}

func TestMarshalRefuses(t *testing.T) {
	for name, l := range map[string]*krl.List{
		"serial zero":     {Certificates: []krl.Certificates{{Serials: []krl.Range{{0, 1}}}}},
		"backwards":       {Certificates: []krl.Certificates{{Serials: []krl.Range{{2, 1}}}}},
		"out of order":    {Certificates: []krl.Certificates{{Serials: []krl.Range{{5, 6}, {1, 2}}}}},
		"overlapping":     {Certificates: []krl.Certificates{{Serials: []krl.Range{{5, 6}, {6, 7}}}}},
		"touching":        {Certificates: []krl.Certificates{{Serials: []krl.Range{{5, 6}, {7, 7}}}}},
		"id with a zero":  {Certificates: []krl.Certificates{{KeyIDs: []string{"a\x00"}}}},
		"the same id":     {Certificates: []krl.Certificates{{KeyIDs: []string{"a", "a"}}}},
		"a comment":       {Comment: "a\x00"},
		"a date":          {Generated: time.Unix(1<<41, 0)},
		"too much":        {Certificates: []krl.Certificates{{KeyIDs: []string{strings.Repeat("x", krl.Max)}}}},
		"ids in no order": {Certificates: []krl.Certificates{{KeyIDs: []string{"b", "a"}}}},
		"empty key":       {Keys: [][]byte{{}}},
		"short SHA-1":     {SHA1: [][]byte{make([]byte, 19)}},
		"long SHA-256":    {SHA256: [][]byte{make([]byte, 33)}},
	} {
		_, err := l.Marshal()
		require.Error(t, err, name)
	}
}

// Every list that is cut off, or has a byte more, is refused.
func TestCutOff(t *testing.T) {
	b, err := sample(t).Marshal()
	require.NoError(t, err)
	whole, err := krl.Parse(b)
	require.NoError(t, err)
	for n := range b {
		if l, err := krl.Parse(b[:n]); err == nil { // between two sections nothing shows
			require.Less(t, l.Len(), whole.Len(), n)
			continue
		}
		_, err := krl.Parse(b[:n])
		require.ErrorIs(t, err, krl.ErrFormat)
	}
	_, err = krl.Parse(append(slices.Clone(b), 0))
	require.ErrorIs(t, err, krl.ErrFormat)
}

func TestSign(t *testing.T) {
	b, err := sample(t).Marshal()
	require.NoError(t, err)
	for _, alg := range []kms.Algorithm{kms.Ed25519, kms.ECDSAP256, kms.ECDSAP384, kms.ECDSAP521, kms.RSA3072} {
		signer, key := newSigner(t, alg)
		signed, err := krl.Sign(context.Background(), b, signer)
		require.NoError(t, err, alg)
		l, err := krl.Verify(signed, newKey(t), key)
		require.NoError(t, err, alg)
		require.EqualValues(t, 7, l.Version)
		_, err = krl.Verify(signed, newKey(t))
		require.ErrorIs(t, err, krl.ErrSignature, alg)
		_, err = krl.Verify(b, key)
		require.ErrorIs(t, err, krl.ErrSignature, "nothing is signed")
		for _, i := range []int{20, len(b) / 2, len(signed) - 1} {
			bad := slices.Clone(signed)
			bad[i] ^= 1
			_, err = krl.Verify(bad, key)
			require.Error(t, err, "%s: byte %d", alg, i)
		}
		bad := slices.Clone(signed)
		bad[19] ^= 1 // the version
		_, err = krl.Parse(bad)
		require.ErrorIs(t, err, krl.ErrSignature, "even if nobody asks for one")
		require.ErrorIs(t, err, krl.ErrFormat)
		more, err := krl.Sign(context.Background(), signed, signer) // a second signature, as OpenSSH allows
		require.NoError(t, err)
		_, err = krl.Verify(more, key)
		require.NoError(t, err)
		_, err = krl.Parse(slices.Concat(signed, section(255, text("x@y"), []byte{0}, text(""))))
		require.ErrorIs(t, err, krl.ErrFormat, "what follows a signature is not signed")
	}
}

// Signatures with SHA-1, or with SHA-256 for an RSA key, do not count, though they are right.
func TestSignatureAlgorithms(t *testing.T) {
	b, err := sample(t).Marshal()
	require.NoError(t, err)
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	s, err := ssh.NewSignerFromKey(k)
	require.NoError(t, err)
	for algorithm, ok := range map[string]bool{ssh.KeyAlgoRSA: false, ssh.KeyAlgoRSASHA256: false, ssh.KeyAlgoRSASHA512: true} {
		signed := slices.Concat(b, []byte{4}, text(string(s.PublicKey().Marshal())))
		sig, err := s.(ssh.AlgorithmSigner).SignWithAlgorithm(rand.Reader, signed, algorithm)
		require.NoError(t, err)
		require.NoError(t, s.PublicKey().Verify(signed, sig))
		_, err = krl.Verify(slices.Concat(signed, text(string(ssh.Marshal(sig)))), s.PublicKey())
		if ok {
			require.NoError(t, err, algorithm)
		} else {
			require.ErrorIs(t, err, krl.ErrSignature, algorithm)
		}
	}
	_, err = krl.Sign(context.Background(), b, kms.FromCrypto(strange{}))
	require.ErrorContains(t, err, "krl: ")
	good, _ := newSigner(t, kms.Ed25519)
	_, err = krl.Sign(context.Background(), b, &failing{Signer: good, times: 1})
	require.ErrorContains(t, err, "no signature")
	_, other := newSigner(t, kms.Ed25519)
	_, err = krl.Sign(context.Background(), b, liar{good, other})
	require.Error(t, err, "what was signed is checked")
}

// strange is a key of a kind that SSH does not have.
type strange struct{}

func (strange) Public() crypto.PublicKey { return "?" }
func (strange) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, nil
}

// liar says that it has another key than it signs with.
type liar struct {
	kms.Signer
	other ssh.PublicKey
}

func (l liar) Public() crypto.PublicKey { return l.other.(ssh.CryptoPublicKey).CryptoPublicKey() }

func FuzzParse(f *testing.F) {
	requireSeeds(f, "FuzzParse")
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := krl.Parse(b)
		if err != nil {
			require.ErrorIs(t, err, krl.ErrFormat)
			return
		}
		again, err := l.Marshal()
		require.NoError(t, err)
		got, err := krl.Parse(again)
		require.NoError(t, err)
		require.Equal(t, l, got)
		same, err := got.Marshal()
		require.NoError(t, err)
		require.Equal(t, again, same)
	})
}

func BenchmarkMarshal(b *testing.B) {
	s := make([]uint64, 100_000)
	for i := range s {
		s[i] = mrand.Uint64()
	}
	l := &krl.List{Certificates: []krl.Certificates{{Serials: krl.RangesOf(s)}}}
	for b.Loop() {
		if _, err := l.Marshal(); err != nil {
			b.Fatal(err)
		}
	}
}
