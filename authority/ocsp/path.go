package ocsp

import (
	"encoding/base64"
	"net/url"
	"strings"
)

// maxPath is for a request in base64 of which every character is escaped, and a prefix.
const maxPath = 4*maxRequest + 1<<10

// fromPath returns the request that an escaped path ends with, and nil if there is none. Base64 has slashes,
// too, and clients escape them or not, so where it begins is told by its own length: the first place behind a
// slash from where on everything is one DER SEQUENCE.
func fromPath(escaped string) []byte {
	if len(escaped) > maxPath {
		return nil
	}
	path, err := url.PathUnescape(escaped)
	if err != nil {
		return nil
	}
	for rest := strings.TrimPrefix(path, "/"); ; {
		if der := sequence(rest); der != nil {
			return der
		}
		_, after, found := strings.Cut(rest, "/")
		if !found {
			return nil
		}
		rest = after
	}
}

// sequence decodes base64, with or without its padding, if that is one DER SEQUENCE. It looks at the length
// first, so that many slashes do not make for much work.
func sequence(s string) []byte {
	s = strings.TrimRight(s, "=")
	var head [6]byte
	if len(s) < 8 {
		return nil
	}
	if _, err := base64.RawStdEncoding.Decode(head[:], []byte(s[:8])); err != nil || head[0] != 0x30 {
		return nil
	}
	n := 2 + int(head[1])
	switch head[1] {
	case 0x81:
		n = 3 + int(head[2])
	case 0x82:
		n = 4 + int(head[2])<<8 + int(head[3])
	default:
		if head[1] >= 0x80 {
			return nil
		}
	}
	if base64.RawStdEncoding.EncodedLen(n) != len(s) {
		return nil
	}
	der, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil || len(der) != n { // the decoder reads over line ends
		return nil
	}
	return der
}
