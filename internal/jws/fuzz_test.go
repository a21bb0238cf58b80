package jws

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"os"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func seeded(f *testing.F, dir string) {
	f.Helper()
	if seeds, err := os.ReadDir("testdata/fuzz/" + dir); err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
}

// FuzzVerify holds that whatever we believe is signed, and that go-jose, where it can read it, believes
// the same.
func FuzzVerify(f *testing.F) {
	seeded(f, "FuzzVerify")
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	f.Fuzz(func(t *testing.T, header, payload string, valid bool, token string) {
		if valid {
			input := b64(header) + "." + b64(payload)
			token = input + "." + b64(string(ed25519.Sign(key, []byte(input))))
		}
		got, err := Verify(token, key.Public(), AlgorithmsFor(key.Public()))
		if err != nil {
			return
		}
		dot := strings.LastIndexByte(token, '.')
		if sig, err := rawURL.DecodeString(token[dot+1:]); err != nil || !ed25519.Verify(key.Public().(ed25519.PublicKey), []byte(token[:dot]), sig) {
			t.Fatalf("%q is not signed", token)
		}
		m, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.EdDSA})
		if err != nil { // it wants certain types of header fields that we never look at
			return
		}
		want, err := m.Verify(key.Public())
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%q: go-jose reads %q (%v), we read %q", token, want, err, got)
		}
	})
}

func b64(s string) string { return rawURL.EncodeToString([]byte(s)) }

// FuzzCertificateChain wants an error, or certificates within the limits.
func FuzzCertificateChain(f *testing.F) {
	seeded(f, "FuzzCertificateChain")
	f.Fuzz(func(t *testing.T, header string) {
		token := b64(header) + ".e30." + b64("signature")
		for _, name := range []string{"x5c", "x5cInsecure"} {
			chain, err := CertificateChain(token, name)
			if err != nil {
				continue
			}
			if len(chain) == 0 || len(chain) > MaxChain {
				t.Fatalf("%d certificates", len(chain))
			}
			m, err := Parse(token)
			if err != nil {
				t.Fatal(err)
			}
			v := ChainVerifier{Header: name, Roots: x509.NewCertPool(), At: lastMinute}
			if _, _, err := v.Verify(m); err == nil {
				t.Fatal("verified under no root")
			}
		}
	})
}
