package krl

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // fingerprints that other programs have written down
	"crypto/sha256"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"
)

// List is a key revocation list. The zero value revokes nothing.
type List struct {
	Version   uint64    // rises with every list of the same maker
	Generated time.Time // to the second
	Comment   string

	Certificates []Certificates
	Keys         [][]byte // plain keys in wire form, and all certificates of them
	SHA1, SHA256 [][]byte // the same by their fingerprints
}

// Certificates are revoked ones of one CA.
type Certificates struct {
	CA      []byte   // the CA's key in wire form; nil: of every CA
	Serials []Range  // in order, apart from each other
	KeyIDs  []string // in order
}

// Range is a range of serials, both ends included. Zero is none: it is what certificates without a serial have.
type Range struct{ First, Last uint64 }

// RangesOf makes ranges of serials in any order.
func RangesOf(serials []uint64) []Range {
	s := slices.Clone(serials)
	slices.Sort(s)
	var out []Range
	for _, n := range s {
		switch last := len(out) - 1; {
		case n == 0 || last >= 0 && n == out[last].Last:
		case last >= 0 && n-1 == out[last].Last:
			out[last].Last = n
		default:
			out = append(out, Range{n, n})
		}
	}
	return out
}

// has reports whether a serial is in ranges that are in order.
func has(ranges []Range, n uint64) bool {
	_, found := slices.BinarySearchFunc(ranges, n, func(r Range, n uint64) int {
		switch {
		case r.Last < n:
			return -1
		case r.First > n:
			return 1
		}
		return 0
	})
	return found
}

// Revokes reports whether a key or certificate is revoked, as OpenSSH judges it: by the key itself, and for
// a certificate also by the key of its CA, by its serial and by its key id.
func (l *List) Revokes(k ssh.PublicKey) bool {
	c, ok := k.(*ssh.Certificate)
	if !ok {
		return l.revokesKey(k)
	}
	if l.revokesKey(c.Key) || c.SignatureKey != nil && l.revokesKey(c.SignatureKey) {
		return true
	}
	for _, s := range l.Certificates {
		if s.CA != nil && (c.SignatureKey == nil || !bytes.Equal(s.CA, c.SignatureKey.Marshal())) {
			continue
		}
		if c.Serial != 0 && has(s.Serials, c.Serial) || slices.Contains(s.KeyIDs, c.KeyId) {
			return true
		}
	}
	return false
}

func (l *List) revokesKey(k ssh.PublicKey) bool {
	if len(l.Keys)+len(l.SHA1)+len(l.SHA256) == 0 {
		return false
	}
	wire := k.Marshal()
	in := func(list [][]byte, v []byte) bool {
		return slices.ContainsFunc(list, func(b []byte) bool { return bytes.Equal(b, v) })
	}
	one, two := sha1.Sum(wire), sha256.Sum256(wire) //nolint:gosec // as above
	return in(l.Keys, wire) || in(l.SHA1, one[:]) || in(l.SHA256, two[:])
}

// Len counts what is listed: serials one by one, key ids, keys and fingerprints.
func (l *List) Len() uint64 {
	n := uint64(len(l.Keys) + len(l.SHA1) + len(l.SHA256))
	for _, c := range l.Certificates {
		n += uint64(len(c.KeyIDs))
		for _, r := range c.Serials {
			n += r.Last - r.First + 1
		}
	}
	return n
}
