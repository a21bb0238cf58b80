package envelope

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
)

var macKey = bytes.Repeat([]byte{5}, 64)

// binding makes a good external account binding of edKey.
func binding(t testing.TB, alg jose.SignatureAlgorithm) *forge {
	return &forge{t: t, alg: alg, header: map[string]any{"alg": alg, "kid": "customer-1", "url": where},
		payload: string(keyOf(t, edKey).jwk), sign: func(in string) []byte { return mac(alg, macKey, in) }}
}

// message is a verified request.
func message(t testing.TB, f *forge) *Message {
	m, err := accept(f.String(), keyOf(t, f.key))
	require.NoError(t, err)
	return m
}

func TestBinding(t *testing.T) {
	m := message(t, byKey(t, ed))
	for _, alg := range macs {
		b, err := m.Binding([]byte(binding(t, alg).String()))
		require.NoError(t, err)
		require.Equal(t, "customer-1", b.KeyID)
		require.Equal(t, alg, b.Algorithm)
		require.NoError(t, b.Verify(macKey))
		refused(t, b.Verify(append(macKey[:63:63], 0)), acme.Unauthorized)
		for _, short := range []int{0, 16, 31} {
			err := b.Verify(macKey[:short])
			require.ErrorContains(t, err, "too short")
			require.NotErrorAs(t, err, new(*acme.Problem))
		}
	}
	b, err := m.Binding([]byte(binding(t, jose.HS512).String()))
	require.NoError(t, err)
	p := refused(t, b.Verify(macKey[:48]), acme.BadSignatureAlgorithm)
	require.Equal(t, []string{"HS256", "HS384"}, p.Algorithms)
	require.Error(t, new(Binding).Verify(macKey))
	_, err = message(t, byAccount(t, ed)).Binding([]byte(binding(t, jose.HS256).String()))
	refused(t, err, acme.Malformed)

	other := string(keyOf(t, keys()[es]).jwk)
	for _, c := range []abuse{
		{"public key's algorithm", jose.HS256, false, set("alg", "EdDSA"), acme.BadSignatureAlgorithm},
		{"none", jose.HS256, false, func(f *forge) { set("alg", "none")(f); f.signature = func(string) string { return "" } }, acme.BadSignatureAlgorithm},
		{"another key", jose.HS256, false, func(f *forge) { f.payload = other }, acme.Unauthorized},
		{"private key", jose.HS256, false, func(f *forge) {
			f.payload = strings.Replace(f.payload, "{", `{"d":"AA",`, 1)
		}, acme.BadPublicKey},
		{"key twice", jose.HS256, false, func(f *forge) { f.payload += f.payload }, acme.Malformed},
		{"member of the key twice", jose.HS256, false, func(f *forge) { f.payload = strings.Replace(f.payload, "{", `{"kty":"OKP",`, 1) }, acme.Malformed},
		{"no key", jose.HS256, false, func(f *forge) { f.payload = "" }, acme.Malformed},
		{"key in an array", jose.HS256, false, func(f *forge) { f.payload = "[" + f.payload + "]" }, acme.Malformed},
		{"huge key", jose.HS256, false, func(f *forge) { f.payload += strings.Repeat(" ", maxHeader) }, acme.Malformed},
		{"nonce", jose.HS256, false, set("nonce", "AAAA"), acme.Malformed},
		{"jwk", jose.HS256, false, set("jwk", jwkOf(t, edKey)), acme.Malformed},
		{"no kid", jose.HS256, false, drop("kid"), acme.Malformed},
		{"empty kid", jose.HS256, false, set("kid", ""), acme.Malformed},
		{"kid a number", jose.HS256, false, set("kid", 1), acme.Malformed},
		{"huge kid", jose.HS256, false, set("kid", strings.Repeat("a", MaxKeyID+1)), acme.Malformed},
		{"kid with a line break", jose.HS256, false, set("kid", "a\nb"), acme.Malformed},
		{"no url", jose.HS256, false, drop("url"), acme.Malformed},
		{"another url", jose.HS256, false, set("url", account), acme.Unauthorized},
		{"crit", jose.HS256, false, set("crit", []string{}), acme.Malformed},
		{"unprotected header", jose.HS256, false, body("{", `{"header":{},`), acme.Malformed},
		{"null", jose.HS256, false, func(f *forge) { f.body = func(string) string { return "null" } }, acme.Malformed},
		{"nothing", jose.HS256, false, func(f *forge) { f.body = func(string) string { return "" } }, acme.Malformed},
		{"oversized", jose.HS256, false, func(f *forge) { f.body = func(s string) string { return s + strings.Repeat(" ", MaxBody) } }, acme.Malformed},
		{"MAC under no key", jose.HS256, false, func(f *forge) { f.sign = func(in string) []byte { return mac(jose.HS256, nil, in) } }, acme.Unauthorized},
		{"MAC cut short", jose.HS256, false, changeSignature(func(b []byte) []byte { return b[:16] }), acme.Unauthorized},
		{"no MAC", jose.HS256, false, changeSignature(func([]byte) []byte { return nil }), acme.Unauthorized},
		{"MAC of another algorithm", jose.HS256, false, func(f *forge) { f.sign = func(in string) []byte { return mac(jose.HS512, macKey, in)[:32] } }, acme.Unauthorized},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := binding(t, c.alg)
			c.do(f)
			b, err := m.Binding([]byte(f.String()))
			if err == nil {
				err = b.Verify(macKey)
			}
			refused(t, err, c.want)
		})
	}
}

// change makes the inner JWS of a change from edKey to the key of alg.
func change(t testing.TB, alg jose.SignatureAlgorithm) *forge {
	f := byKey(t, alg)
	delete(f.header, "nonce")
	f.payload = fmt.Sprintf(`{"account":%q,"oldKey":%s}`, account, keyOf(t, edKey).jwk)
	return f
}

func outer(t testing.TB, inner *forge) *Message {
	f := byAccount(t, ed)
	f.payload = inner.String()
	return message(t, f)
}

func TestKeyChange(t *testing.T) {
	for _, alg := range Algorithms() {
		c, err := outer(t, change(t, alg)).KeyChange()
		require.NoError(t, err)
		require.Equal(t, account, c.Account)
		require.True(t, c.NewKey.Equal(keyOf(t, keys()[alg])))
	}
	f := byKey(t, ed)
	f.payload = change(t, es).String()
	_, err := message(t, f).KeyChange()
	refused(t, err, acme.Malformed)

	claims := func(s string) func(*forge) { return func(f *forge) { f.payload = s } }
	old := string(keyOf(t, edKey).jwk)
	for _, c := range []abuse{
		{"another account", es, true, claims(`{"account":"https://ca.example/acme/account/2","oldKey":` + old + `}`), acme.Unauthorized},
		{"account in other case", es, true, claims(`{"account":"` + strings.ToUpper(account) + `","oldKey":` + old + `}`), acme.Unauthorized},
		{"no account", es, true, claims(`{"oldKey":` + old + `}`), acme.Unauthorized},
		{"Account", es, true, claims(`{"Account":"` + account + `","oldKey":` + old + `}`), acme.Unauthorized},
		{"account twice", es, true, claims(`{"account":"` + account + `","account":"` + account + `","oldKey":` + old + `}`), acme.Malformed},
		{"account a number", es, true, claims(`{"account":1,"oldKey":` + old + `}`), acme.Malformed},
		{"no old key", es, true, claims(`{"account":"` + account + `"}`), acme.Malformed},
		{"old key null", es, true, claims(`{"account":"` + account + `","oldKey":null}`), acme.Malformed},
		{"old key a thumbprint", es, true, claims(`{"account":"` + account + `","oldKey":"AA"}`), acme.Malformed},
		{"another old key", es, true, claims(`{"account":"` + account + `","oldKey":` + string(keyOf(t, keys()[es]).jwk) + `}`), acme.Unauthorized},
		{"private old key", es, true, claims(`{"account":"` + account + `","oldKey":` + strings.Replace(old, "{", `{"d":"AA",`, 1) + `}`), acme.BadPublicKey},
		{"no payload", es, true, claims(""), acme.Malformed},
		{"payload twice", es, true, func(f *forge) { f.payload += f.payload }, acme.Malformed},
		{"nonce", es, true, set("nonce", "AAAA"), acme.Malformed},
		{"kid and jwk", es, true, set("kid", account), acme.Malformed},
		{"kid instead", es, true, func(f *forge) { drop("jwk")(f); set("kid", account)(f) }, acme.Malformed},
		{"neither", es, true, drop("jwk"), acme.Malformed},
		{"jwk null", es, true, set("jwk", nil), acme.Malformed},
		{"private new key", es, true, inKey("d", "AA"), acme.BadPublicKey},
		{"no url", es, true, drop("url"), acme.Malformed},
		{"another url", es, true, set("url", account), acme.Unauthorized},
		{"HMAC", es, true, func(f *forge) {
			set("alg", "HS256")(f)
			f.sign = func(in string) []byte { return mac(jose.HS256, keyOf(f.t, f.key).jwk, in) }
		}, acme.BadSignatureAlgorithm},
		{"signed by the old key", es, true, func(f *forge) { f.sign = func(in string) []byte { return signRaw(f.t, ed, edKey, in) } }, acme.Malformed},
		{"not signed", es, true, changeSignature(func([]byte) []byte { return nil }), acme.Malformed},
		{"not a JWS", es, true, func(f *forge) { f.body = func(string) string { return "{}" } }, acme.Malformed},
		{"no JWS", es, true, func(f *forge) { f.body = func(string) string { return "" } }, acme.Malformed},
		{"crit", es, true, set("crit", []string{"url"}), acme.Malformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := change(t, c.alg)
			c.do(f)
			_, err := outer(t, f).KeyChange()
			refused(t, err, c.want)
		})
	}
}

func TestDecode(t *testing.T) {
	type payload struct {
		A int              `json:"a"`
		B *json.RawMessage `json:"b"`
		C []string         `json:"csr"`
	}
	var p payload
	require.NoError(t, (&Message{Payload: []byte(`{"a":1,"b":{"x":[1]},"CSR":["x"],"more":{"y":null}}`)}).Decode(&p))
	require.Equal(t, 1, p.A)
	require.JSONEq(t, `{"x":[1]}`, string(*p.B))
	require.Empty(t, p.C, "names have one case")
	for _, bad := range []string{"", " ", "null", "1", `""`, "[]", "{", "{}{}", `{"a":"1"}`, `{"a":1,"a":1}`, `{"b":{"x":1,"x":2}}`, `{"z":[{"x":1,"x":2}]}`,
		`{"a":1e999}`, "{\"z\":\"\xff\"}", `{"z":` + strings.Repeat("[", 17) + strings.Repeat("]", 17) + `}`, `{"z":"` + "\n" + `"}`, `{"a":NaN}`, `{a:1}`} {
		refused(t, (&Message{Payload: []byte(bad)}).Decode(new(payload)), acme.Malformed)
	}
	require.NoError(t, (&Message{}).PostAsGet())
	for _, bad := range []string{"{}", " ", "\x00"} {
		refused(t, (&Message{Payload: []byte(bad)}).PostAsGet(), acme.Malformed)
	}
}
