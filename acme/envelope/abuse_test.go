package envelope

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
)

// abuse is a request that is good but for one thing.
type abuse struct {
	name string
	alg  jose.SignatureAlgorithm
	jwk  bool // brings its key
	do   func(f *forge)
	want acme.ProblemType
}

func set(k string, v any) func(*forge) { return func(f *forge) { f.header[k] = v } }
func drop(k string) func(*forge)       { return func(f *forge) { delete(f.header, k) } }
func body(old, new string) func(*forge) {
	return func(f *forge) { f.body = func(s string) string { return strings.Replace(s, old, new, 1) } }
}
func inKey(k string, v any) func(*forge) {
	return func(f *forge) { f.header["jwk"].(map[string]any)[k] = v }
}
func header(s string) func(*forge) { return func(f *forge) { f.raw = s } }
func b64(b []byte) string          { return rawURL.EncodeToString(b) }

// changeBytes changes a number in a key, or a signature, as bytes.
func changeBytes(s string, do func([]byte) []byte) string {
	b, _ := rawURL.DecodeString(s)
	return b64(do(b))
}

func changeKey(k string, do func([]byte) []byte) func(*forge) {
	return func(f *forge) {
		m := f.header["jwk"].(map[string]any)
		m[k] = changeBytes(m[k].(string), do)
	}
}

func changeSignature(do func([]byte) []byte) func(*forge) {
	return func(f *forge) { f.signature = func(s string) string { return changeBytes(s, do) } }
}

const (
	good = `"alg":"EdDSA","nonce":"AAAA","url":"` + where + `","kid":"` + account + `"`
	ed   = jose.EdDSA
	es   = jose.ES256
	rs   = jose.RS256
)

func TestAbuseOfForm(t *testing.T) {
	run(t, []abuse{
		{"not JSON", ed, false, func(f *forge) { f.body = func(string) string { return "hello" } }, acme.Malformed},
		{"empty", ed, false, func(f *forge) { f.body = func(string) string { return "" } }, acme.Malformed},
		{"null", ed, false, func(f *forge) { f.body = func(string) string { return "null" } }, acme.Malformed},
		{"array around", ed, false, func(f *forge) { f.body = func(s string) string { return "[" + s + "]" } }, acme.Malformed},
		{"string around", ed, false, func(f *forge) { f.body = func(s string) string { return fmt.Sprintf("%q", s) } }, acme.Malformed},
		{"compact", ed, false, func(f *forge) {
			f.body = func(s string) string {
				var m map[string]string
				_ = json.Unmarshal([]byte(s), &m)
				return m["protected"] + "." + m["payload"] + "." + m["signature"]
			}
		}, acme.Malformed},
		{"two objects", ed, false, func(f *forge) { f.body = func(s string) string { return s + s } }, acme.Malformed},
		{"trailing brace", ed, false, func(f *forge) { f.body = func(s string) string { return s + "}" } }, acme.Malformed},
		{"trailing NUL", ed, false, func(f *forge) { f.body = func(s string) string { return s + "\x00" } }, acme.Malformed},
		{"byte order mark", ed, false, func(f *forge) { f.body = func(s string) string { return "\ufeff" + s } }, acme.Malformed},
		{"comment", ed, false, body("{", "{/**/"), acme.Malformed},
		{"trailing comma", ed, false, body(`"}`, `",}`), acme.Malformed},
		{"single quotes", ed, false, body(`"protected"`, `'protected'`), acme.Malformed},
		{"cut short", ed, false, func(f *forge) { f.body = func(s string) string { return s[:len(s)-1] } }, acme.Malformed},
		{"oversized", ed, false, func(f *forge) { f.payload = strings.Repeat("a", MaxBody) }, acme.Malformed},
		{"oversized by white space", ed, false, func(f *forge) { f.body = func(s string) string { return s + strings.Repeat(" ", MaxBody) } }, acme.Malformed},
		{"oversized header", ed, false, set("typ", strings.Repeat("a", maxHeader)), acme.Malformed},
		{"nested", ed, false, body("{", `{"x":`+strings.Repeat("[", 20000)+strings.Repeat("]", 20000)+","), acme.Malformed},
		{"nested and open", ed, false, body("{", `{"x":`+strings.Repeat(`{"a":`, 9000)), acme.Malformed},
		{"unprotected header", ed, false, body("{", `{"header":{"kid":"x"},`), acme.Malformed},
		{"empty unprotected header", ed, false, body("{", `{"header":{},`), acme.Malformed},
		{"null unprotected header", ed, false, body("{", `{"header":null,`), acme.Malformed},
		{"signatures", ed, false, body("{", `{"signatures":[],`), acme.Malformed},
		{"general serialization", ed, false, func(f *forge) {
			f.body = func(s string) string {
				var m map[string]string
				_ = json.Unmarshal([]byte(s), &m)
				return fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, m["payload"], m["protected"], m["signature"])
			}
		}, acme.Malformed},
		{"payload twice", ed, false, body("{", `{"payload":"",`), acme.Malformed},
		{"protected twice", ed, false, body("{", `{"protected":"e30",`), acme.Malformed},
		{"signature twice, once escaped", ed, false, body("{", `{"s\u0069gnature":"",`), acme.Malformed},
		{"unknown member twice", ed, false, body("{", `{"x":1,"x":1,`), acme.Malformed},
		{"unknown member with one twice", ed, false, body("{", `{"x":{"y":1,"y":2},`), acme.Malformed},
		{"Payload", ed, false, body(`"payload"`, `"Payload"`), acme.Malformed},
		{"no payload", ed, false, body(`"payload"`, `"load"`), acme.Malformed},
		{"no protected", ed, false, body(`"protected"`, `"p"`), acme.Malformed},
		{"no signature", ed, false, body(`"signature"`, `"s"`), acme.Malformed},
		{"payload null", ed, false, func(f *forge) {
			f.payload, f.body = "", func(s string) string { return strings.Replace(s, `"payload":""`, `"payload":null`, 1) }
		}, acme.Malformed},
		{"payload an object", ed, false, func(f *forge) {
			f.payload, f.body = "", func(s string) string { return strings.Replace(s, `"payload":""`, `"payload":{}`, 1) }
		}, acme.Malformed},
		{"invalid UTF-8", ed, false, body("{", "{\"x\":\"\xff\","), acme.Malformed},
		{"padded payload", ed, false, func(f *forge) { f.payload, f.encoded = "a", func(s string) string { return s + "==" } }, acme.Malformed},
		{"padded protected", ed, false, func(f *forge) { f.protected = func(s string) string { return s + "=" } }, acme.Malformed},
		{"padded signature", ed, false, func(f *forge) { f.signature = func(s string) string { return s + "==" } }, acme.Malformed},
		{"spare bits in payload", ed, false, func(f *forge) { f.payload, f.encoded = "a", func(string) string { return "YR" } }, acme.Malformed},
		{"spare bits in signature", ed, false, func(f *forge) { f.signature = func(s string) string { return s[:len(s)-1] + string(s[len(s)-1]+1) } }, acme.Malformed},
		{"line break in payload", ed, false, func(f *forge) { f.encoded = func(s string) string { return s[:4] + "\n" + s[4:] } }, acme.Malformed},
		{"line break in signature", ed, false, func(f *forge) { f.signature = func(s string) string { return s + "\r\n" } }, acme.Malformed},
		{"line break in protected", ed, false, func(f *forge) { f.protected = func(s string) string { return "\n" + s } }, acme.Malformed},
		{"standard base64", ed, false, func(f *forge) {
			f.payload, f.encoded = "\xff\xff\xff", func(string) string { return "////" }
		}, acme.Malformed},
		{"one character of base64", ed, false, func(f *forge) { f.encoded = func(string) string { return "A" } }, acme.Malformed},
	})
}

func TestAbuseOfHeader(t *testing.T) {
	run(t, []abuse{
		{"header is an array", ed, false, header(`[{` + good + `}]`), acme.Malformed},
		{"header is null", ed, false, header(`null`), acme.Malformed},
		{"header is empty", ed, false, header(`{}`), acme.Malformed},
		{"header twice", ed, false, header(`{` + good + `}{}`), acme.Malformed},
		{"alg twice", ed, false, header(`{"alg":"none",` + good + `}`), acme.Malformed},
		{"alg twice, once escaped", ed, false, header(`{` + good + `,"\u0061lg":"none"}`), acme.Malformed},
		{"url twice", ed, false, header(`{"url":"` + where + `",` + good + `}`), acme.Malformed},
		{"nested twice", ed, false, header(`{"x":[{"y":1,"y":1}],` + good + `}`), acme.Malformed},
		{"nested deep", ed, false, header(`{"x":` + strings.Repeat("[", 17) + strings.Repeat("]", 17) + `,` + good + `}`), acme.Malformed},
		{"invalid UTF-8", ed, false, header("{\"x\":\"\xc0\x80\"," + good + `}`), acme.Malformed},
		{"no alg", ed, false, drop("alg"), acme.Malformed},
		{"alg a number", ed, false, set("alg", 1), acme.Malformed},
		{"alg a list", ed, false, set("alg", []string{"EdDSA"}), acme.Malformed},
		{"alg null", ed, false, set("alg", nil), acme.Malformed},
		{"ALG", ed, false, header(strings.Replace(`{`+good+`}`, "alg", "ALG", 1)), acme.Malformed},
		{"alg none", ed, false, func(f *forge) { f.header["alg"], f.signature = "none", func(string) string { return "" } }, acme.BadSignatureAlgorithm},
		{"alg None", ed, false, set("alg", "None"), acme.BadSignatureAlgorithm},
		{"alg empty", ed, false, set("alg", ""), acme.BadSignatureAlgorithm},
		{"alg in lower case", ed, false, set("alg", "eddsa"), acme.BadSignatureAlgorithm},
		{"alg with a space", ed, false, set("alg", "EdDSA "), acme.BadSignatureAlgorithm},
		{"alg huge", ed, false, set("alg", strings.Repeat("A", 4000)), acme.BadSignatureAlgorithm},
		{"RS384", rs, false, set("alg", "RS384"), acme.BadSignatureAlgorithm},
		{"PS512", rs, false, set("alg", "PS512"), acme.BadSignatureAlgorithm},
		{"ES256K", es, false, set("alg", "ES256K"), acme.BadSignatureAlgorithm},
		{"HMAC with the public key", rs, true, func(f *forge) {
			der, _ := x509.MarshalPKIXPublicKey(f.key.Public())
			f.header["alg"], f.sign = "HS256", func(in string) []byte { return mac(jose.HS256, der, in) }
		}, acme.BadSignatureAlgorithm},
		{"HMAC with the public key's text", ed, false, func(f *forge) {
			f.header["alg"], f.sign = "HS512", func(in string) []byte { return mac(jose.HS512, keyOf(f.t, f.key).jwk, in) }
		}, acme.BadSignatureAlgorithm},
		{"HMAC with nothing", ed, false, func(f *forge) {
			f.header["alg"], f.sign = "HS384", func(in string) []byte { return mac(jose.HS384, nil, in) }
		}, acme.BadSignatureAlgorithm},
		{"neither kid nor jwk", ed, false, drop("kid"), acme.Malformed},
		{"kid and jwk", ed, true, set("kid", account), acme.Malformed},
		{"kid and jwk null", ed, true, func(f *forge) { f.header["jwk"], f.header["kid"] = nil, account }, acme.Malformed},
		{"kid null and jwk", ed, true, set("kid", nil), acme.Malformed},
		{"kid empty", ed, false, set("kid", ""), acme.Malformed},
		{"kid a number", ed, false, set("kid", 1), acme.Malformed},
		{"kid huge", ed, false, set("kid", strings.Repeat("a", MaxURL+1)), acme.Malformed},
		{"kid with a line break", ed, false, set("kid", account+"\nSet-Cookie: a"), acme.Malformed},
		{"kid with NUL", ed, false, set("kid", account+"\x00"), acme.Malformed},
		{"kid that looks like another", ed, false, set("kid", "https://cа.example/1"), acme.Malformed},
		{"kid with a bidirectional override", ed, false, set("kid", account+"\u202e"), acme.Malformed},
		{"no nonce", ed, false, drop("nonce"), acme.Malformed},
		{"nonce empty", ed, false, set("nonce", ""), acme.Malformed},
		{"nonce not base64url", ed, false, set("nonce", "a+b/"), acme.Malformed},
		{"nonce padded", ed, false, set("nonce", "AAA="), acme.Malformed},
		{"nonce with spare bits", ed, false, set("nonce", "AAB"), acme.Malformed},
		{"nonce with a line break", ed, false, set("nonce", "AAAA\n"), acme.Malformed},
		{"nonce huge", ed, false, set("nonce", strings.Repeat("A", 1000)), acme.Malformed},
		{"nonce a number", ed, false, set("nonce", 1), acme.Malformed},
		{"nonce in the unprotected header", ed, false, func(f *forge) { drop("nonce")(f); body("{", `{"header":{"nonce":"AAAA"},`)(f) }, acme.Malformed},
		{"no url", ed, false, drop("url"), acme.Malformed},
		{"url a list", ed, false, set("url", []string{where}), acme.Malformed},
		{"url huge", ed, false, set("url", where+strings.Repeat("a", MaxURL)), acme.Malformed},
		{"url with a line break", ed, false, set("url", where+"\n"), acme.Malformed},
		{"url of another resource", ed, false, set("url", "https://ca.example/acme/revoke-cert"), acme.Unauthorized},
		{"url of another host", ed, false, set("url", "https://evil.example/acme/new-order"), acme.Unauthorized},
		{"url in other case", ed, false, set("url", "https://CA.example/acme/new-order"), acme.Unauthorized},
		{"url with the port", ed, false, set("url", "https://ca.example:443/acme/new-order"), acme.Unauthorized},
		{"url with a slash", ed, false, set("url", where+"/"), acme.Unauthorized},
		{"url with a query", ed, false, set("url", where+"?"), acme.Unauthorized},
		{"url escaped", ed, false, set("url", "https://ca.example/acme/new%2Dorder"), acme.Unauthorized},
		{"url with dots", ed, false, set("url", "https://ca.example/acme/./new-order"), acme.Unauthorized},
		{"url of http", ed, false, set("url", "http://ca.example/acme/new-order"), acme.Unauthorized},
		{"url relative", ed, false, set("url", "/acme/new-order"), acme.Unauthorized},
		{"crit", ed, false, set("crit", []string{"nonce"}), acme.Malformed},
		{"crit empty", ed, false, set("crit", []string{}), acme.Malformed},
		{"crit null", ed, false, set("crit", nil), acme.Malformed},
		{"b64 false", ed, false, set("b64", false), acme.Malformed},
		{"b64 true", ed, false, set("b64", true), acme.Malformed},
		{"b64 escaped", ed, false, header(`{` + good + `,"b\u00364":false}`), acme.Malformed},
		{"x5c", ed, false, set("x5c", []string{"AA=="}), acme.Malformed},
		{"x5u", ed, true, set("x5u", "https://evil.example/cert"), acme.Malformed},
		{"x5t", ed, false, set("x5t", "AA"), acme.Malformed},
		{"x5t#S256", ed, false, set("x5t#S256", "AA"), acme.Malformed},
		{"jku", ed, false, set("jku", "https://evil.example/keys"), acme.Malformed},
		{"zip", ed, false, set("zip", "DEF"), acme.Malformed},
		{"enc", ed, false, set("enc", "A128GCM"), acme.Malformed},
	})
}

func TestAbuseOfKey(t *testing.T) {
	p := elliptic.P256().Params().P
	little := func(y *big.Int) string {
		b := y.FillBytes(make([]byte, 32))
		slices.Reverse(b)
		return b64(b)
	}
	small, err := rsa.GenerateKey(rand.Reader, 2040)
	require.NoError(t, err)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	zero := func(b []byte) []byte { return append([]byte{0}, b...) }
	cases := []abuse{
		{"jwk a string", es, true, set("jwk", "key"), acme.Malformed},
		{"jwk a list", es, true, set("jwk", []any{}), acme.Malformed},
		{"jwk null", es, true, set("jwk", nil), acme.Malformed},
		{"jwk empty", es, true, set("jwk", map[string]any{}), acme.BadPublicKey},
		{"x twice", es, true, header(`{"alg":"ES256","nonce":"AAAA","url":"` + where + `","jwk":{"kty":"EC","crv":"P-256","x":"AA","x":"AA","y":"AA"}}`), acme.Malformed},
		{"private EC key", es, true, inKey("d", "AA"), acme.BadPublicKey},
		{"private EC key, null", es, true, inKey("d", nil), acme.BadPublicKey},
		{"private Ed25519 key", ed, true, inKey("d", b64(edKey.Seed())), acme.BadPublicKey},
		{"private RSA key", rs, true, inKey("p", "AA"), acme.BadPublicKey},
		{"primes of RSA", rs, true, inKey("oth", []any{}), acme.BadPublicKey},
		{"symmetric key", es, true, set("jwk", map[string]any{"kty": "oct", "k": b64(make([]byte, 32))}), acme.BadPublicKey},
		{"secret in a public key", es, true, inKey("k", "AA"), acme.BadPublicKey},
		{"key with x5c", es, true, inKey("x5c", []string{"AA=="}), acme.BadPublicKey},
		{"key with x5u", es, true, inKey("x5u", "https://evil.example"), acme.BadPublicKey},
		{"key for encryption", es, true, inKey("use", "enc"), acme.BadPublicKey},
		{"key for deriving", es, true, inKey("key_ops", []string{"deriveKey"}), acme.BadPublicKey},
		{"key for verifying, not in a list", es, true, inKey("key_ops", "verify"), acme.BadPublicKey},
		{"key for another algorithm", es, true, inKey("alg", "ES384"), acme.BadPublicKey},
		{"key for another of its algorithms", rs, true, inKey("alg", "PS256"), acme.BadPublicKey},
		{"no kty", es, true, inKey("kty", nil), acme.BadPublicKey},
		{"kty in lower case", es, true, inKey("kty", "ec"), acme.BadPublicKey},
		{"kty of another", es, true, inKey("kty", "RSA"), acme.BadPublicKey},
		{"crv of another", es, true, inKey("crv", "P-384"), acme.BadPublicKey},
		{"crv a number", es, true, inKey("crv", 256), acme.BadPublicKey},
		{"secp256k1", es, true, inKey("crv", "secp256k1"), acme.BadPublicKey},
		{"P-224", es, true, func(f *forge) {
			b, _ := p224.PublicKey.Bytes()
			f.header["jwk"] = map[string]any{"kty": "EC", "crv": "P-224", "x": b64(b[1:29]), "y": b64(b[29:])}
		}, acme.BadPublicKey},
		{"point not on the curve", es, true, changeKey("x", func(b []byte) []byte { b[31] ^= 1; return b }), acme.BadPublicKey},
		{"point at zero", es, true, func(f *forge) { z := b64(make([]byte, 32)); inKey("x", z)(f); inKey("y", z)(f) }, acme.BadPublicKey},
		{"coordinate over the prime", es, true, changeKey("x", func(b []byte) []byte {
			return new(big.Int).Add(new(big.Int).SetBytes(b), p).FillBytes(make([]byte, 33))
		}), acme.BadPublicKey},
		{"coordinate is the prime", es, true, inKey("x", b64(p.Bytes())), acme.BadPublicKey},
		{"coordinate with a leading zero", es, true, changeKey("x", zero), acme.BadPublicKey},
		{"coordinate too short", es, true, changeKey("y", func(b []byte) []byte { return b[1:] }), acme.BadPublicKey},
		{"coordinate with padding", es, true, func(f *forge) { m := f.header["jwk"].(map[string]any); m["x"] = m["x"].(string) + "=" }, acme.BadPublicKey},
		{"coordinate with a line break", es, true, func(f *forge) { m := f.header["jwk"].(map[string]any); m["x"] = m["x"].(string) + "\n" }, acme.BadPublicKey},
		{"coordinate a number", es, true, inKey("x", 1), acme.BadPublicKey},
		{"no y", es, true, inKey("y", nil), acme.BadPublicKey},
		{"ES256 with P-384", jose.ES384, true, set("alg", "ES256"), acme.BadSignatureAlgorithm},
		{"ES384 with P-256", es, true, set("alg", "ES384"), acme.BadSignatureAlgorithm},
		{"RS256 with P-256", es, true, set("alg", "RS256"), acme.BadSignatureAlgorithm},
		{"EdDSA with RSA", rs, true, set("alg", "EdDSA"), acme.BadSignatureAlgorithm},
		{"ES512 with Ed25519", ed, true, set("alg", "ES512"), acme.BadSignatureAlgorithm},
		{"ES256 with an account's P-384", jose.ES384, false, set("alg", "ES256"), acme.BadSignatureAlgorithm},
		{"modulus with a leading zero", rs, true, changeKey("n", zero), acme.BadPublicKey},
		{"modulus even", rs, true, changeKey("n", func(b []byte) []byte { b[len(b)-1] &^= 1; return b }), acme.BadPublicKey},
		{"modulus empty", rs, true, inKey("n", ""), acme.BadPublicKey},
		{"modulus small", rs, true, inKey("n", b64(small.N.Bytes())), acme.BadPublicKey},
		{"modulus large", rs, true, inKey("n", b64(slices.Concat([]byte{1}, make([]byte, 1023), []byte{1}))), acme.BadPublicKey},
		{"exponent 0", rs, true, inKey("e", "AA"), acme.BadPublicKey},
		{"exponent 1", rs, true, inKey("e", "AQ"), acme.BadPublicKey},
		{"exponent even", rs, true, inKey("e", b64([]byte{1, 0, 0})), acme.BadPublicKey},
		{"exponent with a leading zero", rs, true, changeKey("e", zero), acme.BadPublicKey},
		{"exponent over 31 bits", rs, true, inKey("e", b64([]byte{0xff, 0xff, 0xff, 0xff})), acme.BadPublicKey},
		{"exponent that wraps around", rs, true, inKey("e", b64([]byte{1, 0, 0, 0, 0, 0, 1, 0, 1})), acme.BadPublicKey},
		{"exponent huge", rs, true, inKey("e", b64(slices.Repeat([]byte{0xff}, 256))), acme.BadPublicKey},
		{"exponent a number", rs, true, inKey("e", 65537), acme.BadPublicKey},
		{"Ed448", ed, true, inKey("crv", "Ed448"), acme.BadPublicKey},
		{"X25519", ed, true, inKey("crv", "X25519"), acme.BadPublicKey},
		{"Ed25519 as EC", ed, true, inKey("kty", "EC"), acme.BadPublicKey},
		{"Ed25519 too long", ed, true, changeKey("x", func(b []byte) []byte { return append(b, 0) }), acme.BadPublicKey},
		{"Ed25519 over the prime", ed, true, inKey("x", little(new(big.Int).Add(prime, big.NewInt(3)))), acme.BadPublicKey},
		{"Ed25519 not on the curve", ed, true, inKey("x", little(big.NewInt(2))), acme.BadPublicKey},
		{"another key", es, true, set("jwk", jwkOf(t, other)), acme.Malformed},
	}
	// All points whose order divides eight, in all their spellings: with each, anybody makes a signature of anything.
	for _, y := range []string{
		"0000000000000000000000000000000000000000000000000000000000000000", "0000000000000000000000000000000000000000000000000000000000000080",
		"0100000000000000000000000000000000000000000000000000000000000000", "0100000000000000000000000000000000000000000000000000000000000080",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	} {
		b, err := hex.DecodeString(y)
		require.NoError(t, err)
		require.False(t, soundEd25519(b), "go-jose's list refuses them as well, and is not what we rely on")
		cases = append(cases, abuse{"Ed25519 of small order " + y, ed, true, func(f *forge) {
			inKey("x", b64(b))(f)
			f.sign = func(string) []byte { return append(b[:32:32], make([]byte, 32)...) }
		}, acme.BadPublicKey})
	}
	run(t, cases)
}

func TestAbuseOfSignature(t *testing.T) {
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	n := elliptic.P256().Params().N
	run(t, []abuse{
		{"no signature", ed, false, func(f *forge) { f.signature = func(string) string { return "" } }, acme.Malformed},
		{"bit of the signature", ed, false, changeSignature(func(b []byte) []byte { b[3] ^= 1; return b }), acme.Malformed},
		{"payload of another", ed, false, func(f *forge) {
			f.sign = func(string) []byte { return signRaw(f.t, f.alg, f.key, "e30.e30") }
		}, acme.Malformed},
		{"EdDSA: s plus the order", ed, false, changeSignature(func(b []byte) []byte {
			s := slices.Clone(b[32:])
			slices.Reverse(s)
			more := new(big.Int).Add(new(big.Int).SetBytes(s), order).FillBytes(make([]byte, 32))
			slices.Reverse(more)
			return append(b[:32:32], more...)
		}), acme.Malformed},
		{"EdDSA: a byte more", ed, false, changeSignature(func(b []byte) []byte { return append(b, 0) }), acme.Malformed},
		{"ECDSA: DER", es, false, func(f *forge) {
			f.sign = func(in string) []byte {
				h := hashes[es].New()
				h.Write([]byte(in))
				sig, err := ecdsa.SignASN1(rand.Reader, f.key.(*ecdsa.PrivateKey), h.Sum(nil))
				require.NoError(f.t, err)
				return sig
			}
		}, acme.Malformed},
		{"ECDSA: r with a zero in front", es, false, changeSignature(func(b []byte) []byte { return append([]byte{0}, b...) }), acme.Malformed},
		{"ECDSA: s with a zero in front", es, false, changeSignature(func(b []byte) []byte { return slices.Concat(b[:32], []byte{0}, b[32:]) }), acme.Malformed},
		{"ECDSA: both with a zero in front", es, false, changeSignature(func(b []byte) []byte {
			return slices.Concat([]byte{0}, b[:32], []byte{0}, b[32:])
		}), acme.Malformed},
		{"ECDSA: cut short", es, false, changeSignature(func(b []byte) []byte { return b[:63] }), acme.Malformed},
		{"ECDSA: zeros", es, false, changeSignature(func([]byte) []byte { return make([]byte, 64) }), acme.Malformed},
		{"ECDSA: r and s are the order", es, false, changeSignature(func([]byte) []byte { return slices.Concat(n.Bytes(), n.Bytes()) }), acme.Malformed},
		{"ECDSA: r and s change places", es, false, changeSignature(func(b []byte) []byte { return slices.Concat(b[32:], b[:32]) }), acme.Malformed},
		{"RSA: PSS as PKCS #1", rs, false, func(f *forge) {
			f.sign = func(in string) []byte { return signRaw(f.t, jose.PS256, f.key, in) }
		}, acme.Malformed},
		{"RSA: PKCS #1 as PSS", jose.PS256, false, func(f *forge) {
			f.sign = func(in string) []byte { return signRaw(f.t, jose.RS256, f.key, in) }
		}, acme.Malformed},
		{"RSA: PSS with another salt", jose.PS256, false, func(f *forge) {
			f.sign = func(in string) []byte {
				h := hashes[jose.PS256].New()
				h.Write([]byte(in))
				sig, err := rsa.SignPSS(rand.Reader, f.key.(*rsa.PrivateKey), hashes[jose.PS256], h.Sum(nil), &rsa.PSSOptions{SaltLength: 20})
				require.NoError(f.t, err)
				return sig
			}
		}, acme.Malformed},
		{"RSA: zero in front", rs, false, changeSignature(func(b []byte) []byte { return append([]byte{0}, b...) }), acme.Malformed},
		{"RSA: plus the modulus", rs, false, func(f *forge) {
			f.sign = func(in string) []byte {
				s := new(big.Int).SetBytes(signRaw(f.t, rs, f.key, in))
				return s.Add(s, f.key.(*rsa.PrivateKey).N).FillBytes(make([]byte, 257))
			}
		}, acme.Malformed},
		{"RSA: one", rs, false, changeSignature(func([]byte) []byte { return append(make([]byte, 255), 1) }), acme.Malformed},
	})
}

func run(t *testing.T, cases []abuse) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			make := byAccount
			if c.jwk {
				make = byKey
			}
			f := make(t, c.alg)
			key := keyOf(t, f.key)
			_, err := accept(f.String(), key)
			require.NoError(t, err, "it is good before")
			c.do(f)
			body := f.String()
			_, err = accept(body, key)
			p := refused(t, err, c.want)
			if c.name == "oversized" || c.name == "oversized by white space" {
				require.Equal(t, http.StatusRequestEntityTooLarge, p.HTTPStatus())
			}
			require.NotContains(t, p.Detail, "\n")
			require.Less(t, len(p.Detail), 200, "it quotes nothing")
		})
	}
}

// TestLeniency has what is unusual and good: RFC 7515 wants members that mean nothing to be ignored.
func TestLeniency(t *testing.T) {
	for _, c := range []abuse{
		{"white space", ed, false, func(f *forge) { f.body = func(s string) string { return "\r\n\t " + s + "\n" } }, ""},
		{"unknown member", ed, false, body("{", `{"x":{"y":[1]},`), ""},
		{"member by another case", ed, false, body("{", `{"Payload":"",`), ""},
		{"member escaped", ed, false, body(`"payload"`, `"p\u0061yload"`), ""},
		{"unknown parameters", ed, false, func(f *forge) { set("typ", "JWT")(f); set("cty", "json")(f); set("KID", "x")(f) }, ""},
		{"URL in ASCII", ed, false, func(f *forge) { f.raw = strings.ReplaceAll(`{`+good+`}`, "/", `\/`) }, ""},
		{"members of a key", es, true, func(f *forge) {
			for k, v := range map[string]any{"kid": "1", "use": "sig", "alg": "ES256", "key_ops": []string{"verify"}, "ext": true} {
				inKey(k, v)(f)
			}
		}, ""},
		{"no payload", ed, false, func(f *forge) { f.payload = "" }, ""},
		{"payload that is not JSON", ed, false, func(f *forge) { f.payload = "\xff" }, ""},
	} {
		f := byAccount(t, c.alg)
		if c.jwk {
			f = byKey(t, c.alg)
		}
		c.do(f)
		m, err := accept(f.String(), keyOf(t, f.key))
		require.NoError(t, err, c.name)
		require.Equal(t, f.payload, string(m.Payload))
	}
}

func TestCoordinateWithZeros(t *testing.T) {
	// About one key in 128 has a coordinate that begins with a zero, which is written, and counts in the thumbprint.
	for {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		b, err := k.PublicKey.Bytes()
		require.NoError(t, err)
		if b[1] != 0 && b[33] != 0 {
			continue
		}
		key := keyOf(t, k)
		text, err := key.MarshalJSON()
		require.NoError(t, err)
		again, err := ParseKey(text)
		require.NoError(t, err)
		require.True(t, key.Equal(again))
		short := map[string]string{"kty": "EC", "crv": "P-256",
			"x": b64(new(big.Int).SetBytes(b[1:33]).Bytes()), "y": b64(new(big.Int).SetBytes(b[33:]).Bytes())}
		text, err = json.Marshal(short)
		require.NoError(t, err)
		_, err = ParseKey(text)
		refused(t, err, acme.BadPublicKey)
		return
	}
}

// TestBase64Alphabets makes sure that the forger's own tools are not what refuses.
func TestBase64Alphabets(t *testing.T) {
	require.Equal(t, base64.RawURLEncoding.EncodeToString([]byte{0xff, 0xff, 0xff}), b64([]byte{0xff, 0xff, 0xff}))
	require.False(t, slices.ContainsFunc([]string{"AAB", "AA==", "A\nAA", "+/+/"}, func(s string) bool { _, ok := unbase64(s); return ok }))
}
