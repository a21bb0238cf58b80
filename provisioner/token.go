package provisioner

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
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
// refusals of kind [Unauthenticated].
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
	if err := decodePart(parts[0], &h); err != nil {
		return nil, &Refusal{Kind: Unauthenticated, Code: "token", Reason: "token header cannot be read", Err: err}
	}
	if err := decodePart(parts[1], &c); err != nil {
		return nil, &Refusal{Kind: Unauthenticated, Code: "token", Reason: "token claims cannot be read", Err: err}
	}
	return &Token{Raw: s, Algorithm: h.Alg, KeyID: h.Kid, Type: h.Typ, Issuer: c.Iss, Subject: c.Sub, Audience: c.Aud, AZP: c.AZP}, nil
}

func decodePart(s string, v any) error {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

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
