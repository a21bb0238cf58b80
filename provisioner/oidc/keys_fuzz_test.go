package oidc

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/chancery-ca/chancery/internal/jws"
)

// FuzzKeys wants of each element of a key set no key, or a public one with algorithms that are its own: none
// of them a MAC, and none for a key that the provider keeps for other things.
func FuzzKeys(f *testing.F) {
	if seeds, err := os.ReadDir("testdata/fuzz/FuzzKeys"); err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		var set struct {
			Keys []rawKey `json:"keys"`
		}
		if json.Unmarshal(document, &set) != nil {
			return
		}
		for _, raw := range set.Keys {
			k := raw.parse()
			if k == nil {
				continue
			}
			own := jws.AlgorithmsFor(k.public)
			if len(k.algorithms) == 0 || !(&jose.JSONWebKey{Key: k.public}).IsPublic() {
				t.Fatalf("%q is no public key", raw)
			}
			for _, a := range k.algorithms {
				if !slices.Contains(own, a) || a == jose.HS256 || a == jose.HS384 || a == jose.HS512 {
					t.Fatalf("%q: algorithm %s", raw, a)
				}
			}
			var said struct {
				Use string `json:"use"`
				Alg string `json:"alg"`
			}
			if json.Unmarshal(raw, &said) == nil && (said.Use == "enc" || said.Alg == "HS256" || said.Alg == "none") {
				t.Fatalf("%q is for something else", raw)
			}
		}
	})
}

// TestKeysOfSeeds makes sure that the target looks at keys, and not at refusals alone.
func TestKeysOfSeeds(t *testing.T) {
	for document, want := range map[string]int{
		`{"kty":"EC","crv":"P-256","kid":"a","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`:                                         1,
		`{"kty":"EC","crv":"P-256","use":"sig","alg":"ES256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`:                         1,
		`{"kty":"EC","crv":"P-256","use":"enc","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`:                                       0,
		`{"kty":"EC","crv":"P-256","alg":"ECDH-ES","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`:                                   0,
		`{"kty":"EC","crv":"P-256","alg":"RS256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`:                                     0,
		`{"kty":"EC","crv":"P-256","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`: 0,
		`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`:                                                                                                  1,
		`{"kty":"oct","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}`: 0,
		`{"kty":"RSA","n":"4f5wg5l2","e":"AQAB"}`:              0,
		`null`: 0,
	} {
		got := 0
		if rawKey(document).parse() != nil {
			got = 1
		}
		if got != want {
			t.Errorf("%s: %d keys, not %d", document, got, want)
		}
	}
}
