package natssink

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// isSubject reports whether s can be published on: tokens between full stops, none of them empty or with a
// wildcard. The server's own subjects begin with a dollar sign.
func isSubject(s string) bool {
	if len(s) > maxSubject || strings.HasPrefix(s, "$") || !utf8.ValidString(s) {
		return false
	}
	for token := range strings.SplitSeq(s, ".") {
		if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '*' || r == '>' }) {
			return false
		}
	}
	return true
}

// Token makes one token of any text, such as a subject's name, so that nobody who chooses the text chooses
// where it is published: bytes other than letters, digits, hyphen and underscore are percent-encoded. Texts
// that differ have tokens that differ. The empty text is "%".
func Token(text string) string {
	if text == "" {
		return "%"
	}
	var b strings.Builder
	for _, c := range []byte(text) {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '_':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
