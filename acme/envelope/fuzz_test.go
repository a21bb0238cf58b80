package envelope

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"os"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func seeded(f *testing.F) {
	f.Helper()
	if seeds, err := os.ReadDir("testdata/fuzz/" + f.Name()); err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
}

// signEd makes a JWS by edKey, or with a MAC, around a header and a payload.
func signEd(head, payload string, macKey []byte) []byte {
	input := b64([]byte(head)) + "." + b64([]byte(payload))
	sig := ed25519.Sign(edKey, []byte(input))
	if macKey != nil {
		sig = mac(jose.HS256, macKey, input)
	}
	return []byte(`{"protected":"` + b64([]byte(head)) + `","payload":"` + b64([]byte(payload)) + `","signature":"` + b64(sig) + `"}`)
}

// agree fails unless go-jose reads in body what we do.
func agree(t *testing.T, body []byte, key any, payload []byte) {
	t.Helper()
	m, err := jose.ParseSignedJSON(string(body), everyAlgorithm)
	if err != nil {
		t.Fatalf("%q is accepted; go-jose: %v", body, err)
	}
	got, err := m.Verify(key)
	if err != nil || !bytes.Equal(got, payload) {
		t.Fatalf("%q: we read %q, go-jose %q (%v)", body, payload, got, err)
	}
}

// FuzzParse wants whatever is accepted to be verified by go-jose, too, as the same message. The body is either the input
// itself or made of a header and a payload, and then signed.
func FuzzParse(f *testing.F) {
	seeded(f)
	account, err := NewKey(edKey.Public())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, head, payload string, valid bool, body []byte) {
		if valid {
			body = signEd(head, payload, nil)
		}
		r, err := Parse(body, where)
		if err != nil {
			return
		}
		if (r.Key == nil) == (r.KeyID == "") || r.URL != where || !isNonce(r.Nonce) {
			t.Fatalf("%q: %+v", body, r)
		}
		known := account
		if r.Key != nil {
			checkKey(t, r.Key)
			known = nil
		}
		if m, err := r.Verify(known); err == nil {
			agree(t, body, m.Key.Public(), m.Payload)
		}
	})
}

// checkKey wants a key that writes back unchanged and is within the limits.
func checkKey(t *testing.T, k *Key) {
	t.Helper()
	b, err := k.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseKey(b)
	if err != nil || !again.Equal(k) || len(k.Algorithms()) == 0 {
		t.Fatalf("%s: %v", b, err)
	}
	var j jose.JSONWebKey
	if err := j.UnmarshalJSON(b); err != nil || !j.Valid() || !j.IsPublic() {
		t.Fatalf("%s: go-jose: %v", b, err)
	}
	switch p := k.Public().(type) {
	case *ecdsa.PublicKey, ed25519.PublicKey:
	case *rsa.PublicKey:
		if p.N.BitLen() < 2048 || p.N.BitLen() > 8192 {
			t.Fatalf("%s", b)
		}
	default:
		t.Fatalf("%T", p)
	}
}

// FuzzParseKey reads keys.
func FuzzParseKey(f *testing.F) {
	seeded(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, err := ParseKey(b); err == nil {
			checkKey(t, k)
		}
	})
}

// FuzzBinding reads external account bindings, some of them with a MAC that is right.
func FuzzBinding(f *testing.F) {
	seeded(f)
	key, err := NewKey(edKey.Public())
	if err != nil {
		f.Fatal(err)
	}
	m := &Message{URL: where, Key: key}
	f.Fuzz(func(t *testing.T, head, payload string, valid bool, body []byte) {
		if valid {
			body = signEd(head, payload, macKey)
		}
		b, err := m.Binding(body)
		if err != nil {
			return
		}
		if !visible(b.KeyID, MaxKeyID) {
			t.Fatalf("%q: %q", body, b.KeyID)
		}
		if b.Verify(macKey) == nil {
			agree(t, body, macKey, b.flat.payload)
		}
	})
}

// FuzzKeyChange reads inner JWS, signed with the new key, which is the old one, too.
func FuzzKeyChange(f *testing.F) {
	seeded(f)
	key, err := NewKey(edKey.Public())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, head, payload string, valid bool, body []byte) {
		if valid {
			body = signEd(head, payload, nil)
		}
		c, err := (&Message{URL: where, KeyID: account, Key: key, Payload: body}).KeyChange()
		if err != nil {
			return
		}
		checkKey(t, c.NewKey)
		inner, p := parseFlat(body, "it", accepted[:])
		if p != nil {
			t.Fatal(p)
		}
		agree(t, body, c.NewKey.Public(), inner.payload)
	})
}
