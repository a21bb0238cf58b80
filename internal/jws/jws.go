package jws

import (
	"crypto"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/chancery-ca/chancery/provisioner"
)

// Max is the length of the longest token that is looked at.
const Max = provisioner.MaxToken

// What is wrong with a token. The errors never quote it.
var (
	ErrMalformed = errors.New("jws: not a compact JWS")
	ErrHeader    = errors.New("jws: header is not acceptable")
	ErrAlgorithm = errors.New("jws: algorithm is not one of the key's")
	ErrSignature = errors.New("jws: signature does not match")
	ErrChain     = errors.New("jws: certificate chain is not acceptable")
)

// A Message is a compact JWS that was taken apart. Nothing in it has been verified.
type Message struct {
	Header    Header
	input     string // what is signed: the first two parts with their dot
	signature []byte
}

// Header is the part of a protected header that is looked at.
type Header struct {
	Algorithm     jose.SignatureAlgorithm
	KeyID         string
	Type          string
	Chain         []string // x5c
	ChainInsecure []string // x5cInsecure, step's name for a chain that may have expired
	SSHPOP        string   // sshpop, step's name for an SSH certificate in base64
}

// Parse takes a token apart.
func Parse(token string) (*Message, error) {
	if len(token) > Max {
		return nil, ErrMalformed
	}
	dot := strings.LastIndexByte(token, '.')
	if dot < 0 || strings.Count(token[:dot], ".") != 1 {
		return nil, ErrMalformed
	}
	m := &Message{input: token[:dot]}
	head, _, _ := strings.Cut(m.input, ".")
	b, err := decode(head)
	if err != nil {
		return nil, err
	}
	if m.Header, err = parseHeader(b); err != nil {
		return nil, err
	}
	if m.signature, err = decode(token[dot+1:]); err != nil {
		return nil, err
	}
	return m, nil
}

// SigningInput is what the signature covers, and so what identifies the token: the signature itself may
// have several valid spellings (with ECDSA, anybody can make a second one).
func (m *Message) SigningInput() string { return m.input }

// Verify returns the payload if the signature is by pub, with one of the algorithms algs.
func (m *Message) Verify(pub crypto.PublicKey, algs []jose.SignatureAlgorithm) ([]byte, error) {
	if err := verify(m, pub, algs); err != nil {
		return nil, err
	}
	_, payload, _ := strings.Cut(m.input, ".")
	return decode(payload)
}

// Verify is Parse and Message.Verify in one.
func Verify(token string, pub crypto.PublicKey, algs []jose.SignatureAlgorithm) ([]byte, error) {
	m, err := Parse(token)
	if err != nil {
		return nil, err
	}
	return m.Verify(pub, algs)
}

// refused are header fields that would have us take a key from the token itself, fetch one, or read the
// rest in another way than we do.
var refused = [...]string{"crit", "b64", "jwk", "jku", "x5u", "zip", "enc"}

func parseHeader(b []byte) (Header, error) {
	var h Header
	m, err := provisioner.DecodeObject(b)
	if err != nil {
		return h, ErrHeader
	}
	for _, k := range refused {
		if _, ok := m[k]; ok {
			return h, ErrHeader
		}
	}
	var alg string
	if !text(m, "alg", &alg) || !text(m, "kid", &h.KeyID) || !text(m, "typ", &h.Type) || !text(m, "sshpop", &h.SSHPOP) {
		return h, ErrHeader
	}
	h.Algorithm = jose.SignatureAlgorithm(alg)
	var ok bool
	if v, there := m["x5c"]; there {
		if h.Chain, ok = list(v); !ok {
			return h, ErrHeader
		}
	}
	if v, there := m["x5cInsecure"]; there {
		if h.ChainInsecure, ok = list(v); !ok {
			return h, ErrHeader
		}
	}
	return h, nil
}

// text reads m[k], if there, into p. It reports false for another type.
func text(m map[string]any, k string, p *string) bool {
	v, ok := m[k]
	if ok {
		*p, ok = v.(string)
		return ok
	}
	return true
}

func list(v any) ([]string, bool) {
	a, ok := v.([]any)
	if !ok || len(a) == 0 || len(a) > MaxChain {
		return nil, false
	}
	out := make([]string, len(a))
	for i, e := range a {
		if out[i], ok = e.(string); !ok || out[i] == "" {
			return nil, false
		}
	}
	return out, true
}

var rawURL = base64.RawURLEncoding.Strict()

// decode reads base64url in its one spelling. The standard decoder skips line breaks.
func decode(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, ErrMalformed
	}
	b, err := rawURL.DecodeString(s)
	if err != nil {
		return nil, ErrMalformed
	}
	return b, nil
}
