package envelope

import (
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/chancery-ca/chancery/acme"
)

// Limits, in bytes.
const (
	MaxBody  = 64 << 10 // of a request's body: room for the attestation of a device with its chain
	MaxURL   = 2048     // of the url of a header, and of an account's
	MaxKeyID = 1024     // of the key identifier of an external account binding

	maxHeader = 12 << 10 // of a protected header, decoded: an RSA key of 8192 bits and two URLs
	maxNonce  = 256
)

// flat is a JWS in the flattened JSON serialization (RFC 7515, section 7.2.2) that was taken apart. Nothing in it has
// been verified.
type flat struct {
	header    map[string]any // protected; there is no other
	alg       jose.SignatureAlgorithm
	url       string
	input     string // what is signed
	payload   []byte
	signature []byte
}

// changing are header parameters that bring a key, fetch one, or change how the rest is read. Those that are not known
// here are ignored, and cannot matter: crit is how one would say that they do (RFC 7515, section 4.1.11).
var changing = [...]string{"crit", "b64", "jku", "x5u", "x5c", "x5t", "x5t#S256", "zip", "enc", "epk", "apu", "apv", "p2s", "p2c", "iv", "tag"}

// parseFlat takes a JWS apart that is signed with one of algs; the parameters that not all of ACME's have are left to the
// caller. Its problems begin with what, the name of the JWS.
func parseFlat(b []byte, what string, algs []jose.SignatureAlgorithm) (*flat, *acme.Problem) {
	m, err := object(b)
	if err != nil {
		return nil, malformed("%s is not a JSON object with each member once", what)
	}
	for _, k := range [...]string{"header", "signatures"} {
		if _, ok := m[k]; ok {
			return nil, malformed("%s has a member %s: it must be flattened and have no unprotected header", what, k)
		}
	}
	protected, ok1 := m["protected"].(string)
	payload, ok2 := m["payload"].(string)
	signature, ok3 := m["signature"].(string)
	if !ok1 || !ok2 || !ok3 {
		return nil, malformed("%s lacks protected, payload or signature", what)
	}
	f := &flat{input: protected + "." + payload}
	head, ok1 := unbase64(protected)
	f.payload, ok2 = unbase64(payload)
	f.signature, ok3 = unbase64(signature)
	if !ok1 || !ok2 || !ok3 {
		return nil, malformed("%s has a part that is not base64url without padding", what)
	}
	return f, f.parseHeader(head, what, algs)
}

func (f *flat) parseHeader(b []byte, what string, algs []jose.SignatureAlgorithm) *acme.Problem {
	if len(b) > maxHeader {
		return malformed("the protected header of %s is over the limit of %d bytes", what, maxHeader)
	}
	m, err := object(b)
	if err != nil {
		return malformed("the protected header of %s is not a JSON object with each member once", what)
	}
	for _, k := range changing {
		if _, ok := m[k]; ok {
			return malformed("the protected header of %s has a parameter %s", what, k)
		}
	}
	alg, ok := m["alg"].(string)
	if !ok {
		return malformed("the protected header of %s lacks alg", what)
	}
	if f.alg = jose.SignatureAlgorithm(alg); !slices.Contains(algs, f.alg) {
		return badAlgorithm("the algorithm of "+what+" is not accepted", algs)
	}
	if f.url, ok = m["url"].(string); !ok || !visible(f.url, MaxURL) {
		return malformed("the protected header of %s lacks url, or it is none", what)
	}
	f.header = m
	return nil
}

// has reports whether the header has a parameter, whatever its value.
func (f *flat) has(name string) bool {
	_, ok := f.header[name]
	return ok
}

// jwk returns the key in the header.
func (f *flat) jwk(what string) (*Key, *acme.Problem) {
	m, ok := f.header["jwk"].(map[string]any)
	if !ok {
		return nil, malformed("the jwk of %s is not an object", what)
	}
	k, p := readKey(m)
	if p != nil {
		return nil, p
	}
	if alg, ok := m["alg"]; ok && alg != string(f.alg) {
		return nil, refuse(acme.BadPublicKey, "the key says that it is for another algorithm")
	}
	return k, nil
}

// verify checks the signature, by a key for the header's algorithm.
func (f *flat) verify(k *Key, what string) *acme.Problem {
	if algs := k.Algorithms(); !slices.Contains(algs, f.alg) {
		return badAlgorithm("the algorithm of "+what+" is not one of the key's", algs)
	}
	if !verify(k.public, f.alg, []byte(f.input), f.signature) {
		return malformed("the signature of %s does not match", what)
	}
	return nil
}
