package provisioner

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json" // unlike encoding/json: keys by exact case, and none twice
)

// MaxToken is the longest token that is looked at: room for an X5C chain of several RSA certificates.
const MaxToken = 64 << 10

// Token is what a compact JWS says of itself. Nothing in it has been verified: it serves to find the
// provisioner that will judge it, and for nothing else.
type Token struct {
	Raw       string
	Algorithm string   // header alg
	KeyID     string   // header kid
	Type      string   // header typ
	Issuer    string   // iss
	Subject   string   // sub
	Audience  []string // aud, one or many
	AZP       string   // azp
}

// ParseToken reads the header and the claims of a compact JWS without verifying it. Its errors are
// refusals of kind [Unauthenticated], and do not quote the token.
func ParseToken(s string) (*Token, error) {
	if len(s) > MaxToken {
		return nil, Refuse(Unauthenticated, "token", "token of %d bytes is over the limit of %d", len(s), MaxToken)
	}
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return nil, Refuse(Unauthenticated, "token", "token is not a compact JWS")
	}
	var h struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		Typ string `json:"typ"`
	}
	var c struct {
		Iss string   `json:"iss"`
		Sub string   `json:"sub"`
		Aud Audience `json:"aud"`
		AZP string   `json:"azp"`
	}
	if !decodePart(parts[0], &h) {
		return nil, Refuse(Unauthenticated, "token", "token header cannot be read")
	}
	if !decodePart(parts[1], &c) {
		return nil, Refuse(Unauthenticated, "token", "token claims cannot be read")
	}
	if len(c.Aud) > maxAudiences {
		return nil, Refuse(Unauthenticated, "token", "token has more than %d audiences", maxAudiences)
	}
	return &Token{Raw: s, Algorithm: h.Alg, KeyID: h.Kid, Type: h.Typ, Issuer: c.Iss, Subject: c.Sub, Audience: c.Aud, AZP: c.AZP}, nil
}

// decodePart reads one part of a JWS: base64url in its one spelling, of a JSON object with each key once.
func decodePart(s string, v any) bool {
	if strings.ContainsAny(s, "\r\n") { // which the decoder would skip
		return false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && isObject(b) && json.Unmarshal(b, v) == nil
}

// DecodeObject reads the header or the claims of a token, so that no two readers can read it differently:
// one JSON object in UTF-8, no key twice at any depth, keys by their exact case, no deeper than 32 levels
// and no longer than [MaxToken]. Numbers are float64. Errors do not quote the text.
func DecodeObject(b []byte) (map[string]any, error) {
	if !isObject(b) {
		return nil, errors.New("provisioner: not a JSON object")
	}
	var m map[string]any
	if json.Unmarshal(b, &m) != nil {
		return nil, errors.New("provisioner: not a JSON object with each key once")
	}
	return m, nil
}

// maxDepth bounds how deep objects and arrays may nest, and with it the decoder's stack.
const maxDepth = 32

// isObject reports whether b can be nothing but a JSON object: that it is valid is the decoder's to say.
func isObject(b []byte) bool {
	if len(b) > MaxToken || !bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("{")) || !utf8.Valid(b) {
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

// maxAudiences is how many audiences a token may have; one is what clients write.
const maxAudiences = 16

// Audience is the aud claim: a string or an array of strings (RFC 7519, section 4.1.3).
type Audience []string

// UnmarshalJSON accepts both spellings.
func (a *Audience) UnmarshalJSON(b []byte) error {
	if b = bytes.TrimSpace(b); len(b) > 0 && b[0] == '"' {
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*a = Audience{s}
		return nil
	}
	var s []string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*a = s
	return nil
}
