package server

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"time"
)

var base32Lower = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// newID makes an ID of 26 characters that no other object has: 48 bits of time, so that rows that come into being
// together lie together, and 80 random ones.
func newID() string {
	var b [18]byte
	binary.BigEndian.PutUint64(b[:8], uint64(time.Now().UnixMilli()))
	rand.Read(b[8:]) // never fails since Go 1.24
	return base32Lower.EncodeToString(b[2:])
}

// validID keeps what goes into look-ups to what newID makes.
func validID(s string) bool {
	if len(s) != 26 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// newToken makes a challenge's token, of 128 random bits and more (RFC 8555, section 8.1).
func newToken() string {
	var b [32]byte
	rand.Read(b[:]) // never fails since Go 1.24
	return base64.RawURLEncoding.EncodeToString(b[:])
}
