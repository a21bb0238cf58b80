package oidc_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/oidc"
	"github.com/chancery-ca/chancery/provisioner/provisionertest"
)

func requireSeeds(f *testing.F, target string) {
	f.Helper()
	seeds, err := os.ReadDir(filepath.Join("testdata", "fuzz", target))
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
}

// Whatever the provider says, a token by a key that is not in its documents gets nothing.
func FuzzDocuments(f *testing.F) {
	requireSeeds(f, "FuzzDocuments")
	stranger := provisionertest.NewKey(f, jose.ES256)
	token := sign(f, jose.ES256, stranger, "k1", good())
	r := x509Request(f, token)
	f.Fuzz(func(t *testing.T, discovery, keys []byte) {
		p := newIDP(t)
		n := 0
		p.body = func() []byte {
			if n++; n == 1 {
				return discovery
			}
			return keys
		}
		_, err := p.provisioner(nil).Authorize(context.Background(), r)
		_, ok := errors.AsType[*provisioner.Refusal](err)
		require.True(t, ok, "%v", err)
	})
}

// Whatever a token that is well signed says, what comes of it is a refusal or a grant without holes.
func FuzzClaims(f *testing.F) {
	requireSeeds(f, "FuzzClaims")
	p := newIDP(f)
	o := p.provisioner(func(c *oidc.Config) { c.MaxLife = 100 * 365 * 24 * time.Hour })
	key := p.keys[0]
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key.Key}, (&jose.SignerOptions{}).WithHeader("kid", "k1"))
	require.NoError(f, err)
	r := sshRequest(f, "")
	f.Fuzz(func(t *testing.T, claims []byte) {
		m, err := s.Sign(claims)
		require.NoError(t, err)
		q := *r
		q.Token, err = m.CompactSerialize()
		require.NoError(t, err)
		g, err := o.Authorize(context.Background(), &q)
		if err != nil {
			_, ok := errors.AsType[*provisioner.Refusal](err)
			require.True(t, ok, "%v", err)
			return
		}
		require.Equal(t, provisioner.SSHUser, g.SSH.Type)
		require.NotEmpty(t, g.SSH.Principals)
		require.NotEmpty(t, g.SSH.KeyID)
		for _, s := range g.SSH.Principals {
			require.NotEmpty(t, s)
			require.False(t, strings.ContainsAny(s, ",\x00\n\r"), "%q", s)
		}
		require.False(t, g.Spend.IsZero())
	})
}

func Example() {
	p, err := oidc.New(oidc.Config{
		Name: "people", ClientID: "ssh", ConfigurationEndpoint: "https://sso.example.com/realms/main", Domains: []string{"example.com"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Name(), oidc.Principals("Joe.Smith@example.com"))
	// Output: people [joesmith Joe.Smith Joe.Smith@example.com]
}

func BenchmarkAuthorize(b *testing.B) {
	p := newIDP(b)
	o := p.provisioner(nil)
	r := sshRequest(b, p.token(good()))
	b.Run("authorize", func(b *testing.B) {
		for b.Loop() {
			if _, err := o.Authorize(context.Background(), r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("floor", func(b *testing.B) { // the signature alone
		m, err := jose.ParseSignedCompact(r.Token, []jose.SignatureAlgorithm{jose.ES256})
		require.NoError(b, err)
		pub := p.keys[0].Public()
		for b.Loop() {
			if _, err := m.Verify(&pub); err != nil {
				b.Fatal(err)
			}
		}
	})
}
