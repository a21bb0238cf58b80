package envelope

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json" // unlike encoding/json: members by exact case, and none twice
)

// maxDepth is how deep objects and arrays may nest. No object of the protocol is half as deep.
const maxDepth = 16

var errObject = errors.New("envelope: not a JSON object with each member once")

// object reads one JSON object, and nothing after it, so that no two readers can read it differently. Errors
// quote nothing.
func object(b []byte) (map[string]any, error) {
	if !shallow(b) {
		return nil, errObject
	}
	var m map[string]any
	if json.Unmarshal(b, &m) != nil || m == nil {
		return nil, errObject
	}
	return m, nil
}

// shallow reports whether b is valid UTF-8, is an object if it is valid JSON, and nests no deeper than maxDepth, which
// bounds the decoder's stack. The rest is the decoder's to say.
func shallow(b []byte) bool {
	if !bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("{")) || !utf8.Valid(b) {
		return false
	}
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return false
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return true
}

var rawURL = base64.RawURLEncoding.Strict()

// unbase64 reads base64url in its one spelling. The standard decoder skips line breaks.
func unbase64(s string) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, false
	}
	b, err := rawURL.DecodeString(s)
	return b, err == nil
}

// visible reports whether s is made of 1 to limit printable ASCII characters, without space: no line break that ends up
// in a log or a header, and no two strings that look alike.
func visible(s string, limit int) bool {
	return s != "" && len(s) <= limit && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}
