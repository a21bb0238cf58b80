package provisioner_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"testing"

	"github.com/chancery-ca/chancery/provisioner"
)

func seeded(f *testing.F, dir string) {
	f.Helper()
	if seeds, err := os.ReadDir("testdata/fuzz/" + dir); err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
}

// FuzzParseToken wants an error that is a refusal, or what the standard decoder reads as well.
func FuzzParseToken(f *testing.F) {
	seeded(f, "FuzzParseToken")
	f.Fuzz(func(t *testing.T, header, claims, raw string) {
		if raw == "" {
			e := base64.RawURLEncoding.EncodeToString
			raw = e([]byte(header)) + "." + e([]byte(claims)) + ".AA"
		}
		token, err := provisioner.ParseToken(raw)
		if err != nil {
			if r, ok := errors.AsType[*provisioner.Refusal](err); !ok || r.Kind != provisioner.Unauthenticated || token != nil {
				t.Fatalf("%v", err)
			}
			return
		}
		if token.Raw != raw {
			t.Fatal("raw differs")
		}
	})
}

// FuzzParseClaims wants a refusal, or claims that the standard decoder reads in the same way.
func FuzzParseClaims(f *testing.F) {
	seeded(f, "FuzzParseClaims")
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := provisioner.ParseClaims(payload)
		if err != nil {
			if _, ok := errors.AsType[*provisioner.Refusal](err); !ok || c != nil {
				t.Fatalf("%v", err)
			}
			return
		}
		var m map[string]any
		if err := json.Unmarshal(payload, &m); err != nil {
			t.Fatalf("the standard decoder refuses %q: %v", payload, err)
		}
		if s, _ := m["sub"].(string); s != c.Subject {
			t.Fatalf("subject %q is %q elsewhere", c.Subject, s)
		}
		if c.Spend("a", "b").ID == "" {
			t.Fatal("no spend ID")
		}
		_ = c.Check(&provisioner.Request{Audiences: []string{"https://ca/sign"}, Now: now}, provisioner.ClaimRules{Issuer: "a"})
	})
}

// FuzzParseSerial wants an error, or hex that has one spelling and means the same number.
func FuzzParseSerial(f *testing.F) {
	seeded(f, "FuzzParseSerial")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := provisioner.ParseSerial(s)
		if err != nil {
			return
		}
		want, ok := new(big.Int).SetString(s, 0) // step-ca's reading
		if !ok || want.Text(16) != got || want.Sign() <= 0 || want.BitLen() > 160 {
			t.Fatalf("%q is %q", s, got)
		}
		for _, again := range []string{"0x" + got, want.String()} {
			if same, err := provisioner.ParseSerial(again); err != nil || same != got {
				t.Fatalf("%q is %q, but %q is %q (%v)", s, got, again, same, err)
			}
		}
	})
}

// FuzzMatchAudience wants each audience to match itself or nothing.
func FuzzMatchAudience(f *testing.F) {
	seeded(f, "FuzzMatchAudience")
	f.Fuzz(func(t *testing.T, aud, want string) {
		fragment := provisioner.AudienceFragment(aud)
		if !provisioner.MatchAudience([]string{aud}, []string{want}, fragment) {
			return
		}
		if provisioner.MatchAudience([]string{aud}, []string{want}, fragment+"x") {
			t.Fatal("two fragments match")
		}
		if provisioner.MatchAudience([]string{aud}, []string{"https://stranger.example:1/x"}, fragment) {
			t.Fatal("two hosts match")
		}
	})
}
