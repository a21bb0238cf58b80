package krl

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // fingerprints that other programs have written down
	"crypto/sha256"
	"slices"
	"strings"
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

// Revokes reports whether a key or certificate is revoked, as OpenSSH judges it: by the key itself, and for
// a certificate also by the key of its CA, by its serial and by its key id. It suits the IsRevoked of an
// ssh.CertChecker, which asks about certificates only.
func (l *List) Revokes(k ssh.PublicKey) bool {
	c, ok := k.(*ssh.Certificate)
	if !ok {
		return l.revokesKey(k)
	}
	if l.revokesKey(c.Key) || c.SignatureKey != nil && l.revokesKey(c.SignatureKey) {
		return true
	}
	var ca []byte
	if c.SignatureKey != nil {
		ca = c.SignatureKey.Marshal()
	}
	id := strings.TrimSuffix(c.KeyId, "\x00") // OpenSSH reads both alike
	for _, s := range l.Certificates {
		if s.CA != nil && !bytes.Equal(s.CA, ca) {
			continue
		}
		if c.Serial != 0 && has(s.Serials, c.Serial) || slices.Contains(s.KeyIDs, id) {
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
