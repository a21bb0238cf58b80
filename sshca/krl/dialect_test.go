package krl_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/sshca/krl"
)

// reads has ssh-keygen read a list, as sshd does at every login.
func reads(t testing.TB, dir string, b []byte) (bool, string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "read"), b, 0o600))
	out, err := keygen(t, dir, "-Q", "-l", "-f", "read")
	return err == nil, out
}

func section(kind byte, data ...[]byte) []byte {
	b := slices.Concat(data...)
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(b))), b...)
}

func text(s string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...)
}

func u64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// dialect are ends of lists, and whether we and ssh-keygen of OpenSSH 9.2 take them.
type dialect struct {
	tail         []byte
	ours, theirs bool
}

func dialects(t testing.TB) map[string]dialect {
	t.Helper()
	certificates := func(parts ...[]byte) []byte {
		return section(1, append([][]byte{text(""), text("")}, parts...)...)
	}
	ext := func(critical byte) []byte { return slices.Concat(text("x@y"), []byte{critical}, text("")) }
	bits := func(first byte, n int) []byte { return text(string(first) + string(bytes.Repeat([]byte{0x55}, n-1))) }
	return map[string]dialect{
		"nothing":                {nil, true, true},
		"unknown section":        {section(9), false, false},
		"extension":              {section(255, ext(0)), true, false}, // they do since 9.4
		"critical extension":     {section(255, ext(1)), false, false},
		"extension with more":    {section(255, ext(0), []byte{0}), false, false},
		"inner extension":        {certificates(section(0x39, ext(0))), true, false}, // as above
		"inner critical":         {certificates(section(0x39, ext(1))), false, false},
		"unknown inner section":  {certificates(section(0x40)), false, false},
		"inner section cut off":  {certificates([]byte{0x20, 0, 0, 0, 9}), false, false},
		"reserved":               {section(1, text(""), text("x")), true, true},
		"no reserved":            {section(1, text("")), false, false},
		"CA that is no key":      {section(1, text("nonsense"), text("")), false, false},
		"serial":                 {certificates(section(0x20, u64(2))), true, true},
		"no serials":             {certificates(section(0x20)), true, true},
		"serial zero":            {certificates(section(0x20, u64(0))), false, false},
		"half a serial":          {certificates(section(0x20, u64(2)[:4])), false, false},
		"range":                  {certificates(section(0x21, u64(2), u64(math.MaxUint64))), true, true},
		"range from zero":        {certificates(section(0x21, u64(0), u64(5))), false, false},
		"range backwards":        {certificates(section(0x21, u64(2), u64(1))), false, false},
		"range with more":        {certificates(section(0x21, u64(2), u64(3), u64(1))), false, false},
		"half a range":           {certificates(section(0x21, u64(2))), false, false},
		"bitmap":                 {certificates(section(0x22, u64(2), text("\x05"))), true, true},
		"bitmap of none":         {certificates(section(0x22, u64(2), text(""))), true, true},
		"bitmap with zero":       {certificates(section(0x22, u64(0), text("\x05"))), false, false},
		"bitmap from zero":       {certificates(section(0x22, u64(0), text("\x04"))), true, true},
		"bitmap that is padded":  {certificates(section(0x22, u64(2), text("\x00\x05"))), true, true},
		"bitmap with more":       {certificates(section(0x22, u64(2), text("\x05"), u64(1))), false, false},
		"negative bitmap":        {certificates(section(0x22, u64(2), text("\x80"))), false, false},
		"bitmap past the end":    {certificates(section(0x22, u64(math.MaxUint64), text("\x02"))), false, false},
		"longest bitmap":         {certificates(section(0x22, u64(1), bits(0x7f, 2048))), true, true},
		"longest, with sign":     {certificates(section(0x22, u64(1), bits(0, 2049))), true, true},
		"bitmap too long":        {certificates(section(0x22, u64(1), bits(1, 2049))), false, false},
		"key id":                 {certificates(section(0x23, text("a"), text(""))), true, true},
		"key id with a zero":     {certificates(section(0x23, text("a\x00b"))), false, false},
		"key id ends in a zero":  {certificates(section(0x23, text("a\x00"))), false, true}, // they read "a"
		"half a key id":          {certificates(section(0x23, text("abc")[:5])), false, false},
		"no keys":                {section(2), true, true},
		"empty key":              {section(2, text("")), false, true}, // it is nobody's
		"short SHA-1":            {section(3, text("short")), false, false},
		"long SHA-256":           {section(5, text(string(make([]byte, 33)))), false, false},
		"signature of nonsense":  {slices.Concat([]byte{4}, text("x"), text("y")), false, false},
		"length beyond the file": {[]byte{2, 0xff, 0xff, 0xff, 0xff}, false, false},
	}
}

// What we take for a list is one for sshd. If it were not, a Fetcher would put it there, and sshd would let nobody in.
func TestParseRefuses(t *testing.T) {
	empty, err := (&krl.List{}).Marshal()
	require.NoError(t, err)
	for name, x := range dialects(t) {
		_, err := krl.Parse(slices.Concat(empty, x.tail))
		if x.ours {
			require.NoError(t, err, name)
		} else {
			require.ErrorIs(t, err, krl.ErrFormat, name)
		}
	}
	for name, b := range map[string][]byte{
		"too long":           make([]byte, krl.Max+1),
		"other file":         []byte("-----BEGIN"),
		"another version":    slices.Concat(empty[:11], []byte{2}, empty[12:]),
		"no date":            slices.Concat(empty[:20], bytes.Repeat([]byte{0xff}, 8), empty[28:]),
		"comment with zeros": slices.Concat(empty[:40], text("a\x00b")),
	} {
		_, err = krl.Parse(b)
		require.ErrorIs(t, err, krl.ErrFormat, name)
	}
}

func TestKeygenRefuses(t *testing.T) {
	dir := t.TempDir()
	empty, err := (&krl.List{}).Marshal()
	require.NoError(t, err)
	for name, x := range dialects(t) {
		ok, out := reads(t, dir, slices.Concat(empty, x.tail))
		if x.ours && !x.theirs {
			t.Logf("%s: ssh-keygen accepts: %t", name, ok) // later versions do
			continue
		}
		require.Equal(t, x.theirs, ok, "%s: %s", name, out)
	}
}

// Bitmaps have many serials in few bytes: as many as memory is wanted for is bounded.
func TestParseBounded(t *testing.T) {
	empty, err := (&krl.List{}).Marshal()
	require.NoError(t, err)
	bits := section(0x22, u64(1), text("\x55"+string(bytes.Repeat([]byte{0x55}, 2047)))) // 8192 ranges
	for n, ok := range map[int]bool{100: true, 512: true, 513: false} {
		for name, tail := range map[string][]byte{
			"in one section":   section(1, text(""), text(""), bytes.Repeat(bits, n)),
			"in many sections": bytes.Repeat(section(1, text(""), text(""), bits), n),
		} {
			_, err := krl.Parse(slices.Concat(empty, tail))
			require.Equal(t, ok, err == nil, "%s: %d: %v", name, n, err)
		}
	}
}

// However a list is damaged: if we take it, so does ssh-keygen.
func TestKeygenTakesWhatWeTake(t *testing.T) {
	dir, w := t.TempDir(), newWorld(t)
	plain, err := sample(t).Marshal()
	require.NoError(t, err)
	signed, err := krl.Sign(context.Background(), plain, w.kms)
	require.NoError(t, err)
	r, taken := mrand.New(mrand.NewPCG(3, 4)), 0
	for round := range 4000 {
		b := slices.Clone(plain)
		if round%8 == 0 {
			b = slices.Clone(signed)
		}
		for range 1 + r.IntN(2) {
			switch i := r.IntN(len(b)); r.IntN(3) {
			case 0:
				b[i] ^= 1 << r.IntN(8)
			case 1:
				b = slices.Delete(b, i, min(i+1+r.IntN(8), len(b)))
			default:
				b[i] = byte(r.IntN(256))
			}
		}
		if _, err := krl.Parse(b); err != nil {
			continue
		}
		ok, out := reads(t, dir, b)
		require.True(t, ok, "%x: %s", b, out)
		if taken++; taken == 150 {
			break
		}
	}
	require.Greater(t, taken, 100)
	t.Logf("ssh-keygen took all of %d damaged lists that we took", taken)
}

// Serials close together, of every density, are put so that OpenSSH reads them: its bitmaps are not as long as one likes.
func TestKeygenReadsDense(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	r := mrand.New(mrand.NewPCG(5, 6))
	const count = 100_000
	for name, x := range map[string]struct {
		next  func() uint64
		bytes int // at most
	}{
		"in a row":        {func() uint64 { return 1 }, 200},
		"every other":     {func() uint64 { return 2 }, 26_000},
		"two in three":    {func() uint64 { return 1 + r.Uint64N(2) }, 20_000},
		"one in ten":      {func() uint64 { return 1 + r.Uint64N(20) }, 140_000},
		"one in fifty":    {func() uint64 { return 1 + r.Uint64N(100) }, 640_000},
		"one in thousand": {func() uint64 { return 1 + r.Uint64N(2000) }, 800_200},
		"bursts":          {func() uint64 { return 1 + r.Uint64N(1<<40)*uint64(r.IntN(50)/49) }, 60_000},
	} {
		serials, n := make([]uint64, count), uint64(1_000_000)
		for i := range serials {
			n += x.next()
			serials[i] = n
		}
		l := &krl.List{Version: 1, Generated: time.Now(), Certificates: []krl.Certificates{{CA: w.ca.PublicKey().Marshal(), Serials: krl.RangesOf(serials)}}}
		began := time.Now()
		b, err := l.Marshal()
		made := time.Since(began)
		require.NoError(t, err)
		require.Less(t, len(b), x.bytes, name)
		began = time.Now()
		got, err := krl.Parse(b)
		t.Logf("%d serials, %s: %d bytes, made in %s, read in %s", count, name, len(b), made, time.Since(began))
		require.NoError(t, err)
		require.Equal(t, l.Certificates, got.Certificates)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "list"), b, 0o600))
		for range 6 {
			n := serials[r.IntN(count)]
			for _, n := range []uint64{n, n + 1, n + 2} {
				c := w.certificate(t, n, "x")
				_, in := slices.BinarySearch(serials, n)
				require.Equal(t, in, l.Revokes(c), "%s: %d", name, n)
				require.Equal(t, in, asks(t, dir, "list", c), "%s: %d", name, n)
			}
		}
	}
}
