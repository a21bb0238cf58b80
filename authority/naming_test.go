package authority_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
)

// An issuer that came by another name would forget what it has revoked.
func TestIssuersKeepTheirNames(t *testing.T) {
	store := authority.NewMemory()
	ca := authoritytest.New(t, func(c *authority.Config) { c.Store = store })
	config := func(names ...string) authority.Config {
		c := authority.Config{
			URLs: []string{authoritytest.URL}, Roots: []*x509.Certificate{ca.Root}, Provisioners: ca.Authority.Provisioners(), Store: ca.Store,
		}
		for _, n := range names {
			c.Issuers = append(c.Issuers, authority.Issuer{Name: n, Chain: []*x509.Certificate{ca.Intermediate}, Signer: ca.Signer()})
		}
		return c
	}
	_, err := authority.New(config("a", "b"))
	require.ErrorContains(t, err, "same name and key")
	require.ErrorContains(t, ca.Authority.Reconfigure(t.Context(), config("renamed")), "kept under its name")

	list := func(a *authority.Authority, name string) error {
		_, err := a.SignCRL(t.Context(), name, tbsListAt(t, ca.Intermediate, ca.Signer(), time.Now()))
		return err
	}
	require.NoError(t, list(ca.Authority, "intermediate"))
	renamed, err := authority.New(config("renamed")) // which reads nothing
	require.NoError(t, err)
	require.ErrorIs(t, list(renamed, "renamed"), authority.Conflict)
	again, err := authority.New(config("intermediate"))
	require.NoError(t, err)
	require.NoError(t, list(again, "intermediate"))
	require.NoError(t, list(again, "intermediate"))

	// Nor does it help to retire in between.
	second := authoritytest.New(t)
	retired := func(more ...authority.Issuer) authority.Config {
		c := config("intermediate")
		c.Issuers[0].State, c.Roots = authority.Retired, append(c.Roots, second.Root)
		c.Issuers = append(c.Issuers, authority.Issuer{Name: "second", Chain: []*x509.Certificate{second.Intermediate}, Signer: second.Signer()})
		c.Issuers = append(c.Issuers, more...)
		return c
	}
	require.NoError(t, again.Reconfigure(t.Context(), retired()))
	require.NoError(t, again.Reconfigure(t.Context(), retired(config("other").Issuers...)))
	require.ErrorIs(t, list(again, "other"), authority.Conflict)
}
