package authority_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/template"
)

func pointing(p authority.Pointers) authoritytest.Option {
	return func(c *authority.Config) { c.Issuers[0].Pointers = p }
}

func TestPointers(t *testing.T) {
	ca := authoritytest.New(t, pointing(authority.Pointers{
		CRLDistributionPoints: []string{"http://ca.test/crl/{shard}.crl", "http://mirror.test/{shard}"}, Shards: 4,
		OCSPServers: []string{"http://ca.test/ocsp"}, IssuingCertificateURLs: []string{"http://ca.test/ca.crt"},
	}))
	shards := map[int]int{}
	for range 200 {
		c := ca.Issue(signRequest(t, ca, "a.internal"))
		n := c.Record.Shard
		shards[n]++
		require.Equal(t, []string{fmt.Sprintf("http://ca.test/crl/%d.crl", n), fmt.Sprintf("http://mirror.test/%d", n)}, c.Leaf.CRLDistributionPoints)
		require.Equal(t, []string{"http://ca.test/ocsp"}, c.Leaf.OCSPServer)
		require.Equal(t, []string{"http://ca.test/ca.crt"}, c.Leaf.IssuingCertificateURL)
	}
	for n := 1; n <= 4; n++ {
		require.Greater(t, shards[n], 20, "%v", shards)
	}
	require.Len(t, shards, 4)
	ca.Check()
}

// A certificate that is had again has today's pointers, each extension once, and is on the shard that it
// names.
func TestPointersOfRenewals(t *testing.T) {
	store := authority.NewMemory()
	onStore := func(c *authority.Config) { c.Store = store }
	first := authoritytest.New(t, onStore)
	bare := first.Leaf("a.internal")
	c := authority.Config{
		URLs: []string{authoritytest.URL}, Roots: []*x509.Certificate{first.Root}, Provisioners: first.Authority.Provisioners(),
		Issuers: []authority.Issuer{{Name: "intermediate", Chain: []*x509.Certificate{first.Intermediate}, Signer: first.Signer()}},
	}
	with := func(p authority.Pointers) {
		t.Helper()
		c.Issuers[0].Pointers = p
		require.NoError(t, first.Authority.Reconfigure(t.Context(), c))
	}
	with(authority.Pointers{CRLDistributionPoints: []string{"http://ca.test/{shard}"}, Shards: 1000, OCSPServers: []string{"http://ca.test/ocsp"}})
	a := first.Issue(renewal(bare.Leaf))
	require.Equal(t, []string{fmt.Sprintf("http://ca.test/%d", a.Record.Shard)}, a.Leaf.CRLDistributionPoints)
	b := first.Issue(renewal(a.Leaf))
	require.Equal(t, []string{fmt.Sprintf("http://ca.test/%d", b.Record.Shard)}, b.Leaf.CRLDistributionPoints)
	require.Equal(t, []string{"http://ca.test/ocsp"}, b.Leaf.OCSPServer)

	with(authority.Pointers{}) // what a certificate has it keeps, and the record says so
	again := first.Issue(renewal(b.Leaf))
	require.Equal(t, b.Leaf.CRLDistributionPoints, again.Leaf.CRLDistributionPoints)
	require.Equal(t, b.Record.Shard, again.Record.Shard)
}

func TestPointersOfTemplates(t *testing.T) {
	own := template.New("own", func(d *template.Data) (*x509.Certificate, error) {
		return &x509.Certificate{
			Subject: pkix.Name{CommonName: d.CommonName}, DNSNames: []string{d.SANs[0].Value}, CRLDistributionPoints: []string{"http://own.test/crl"},
		}, nil
	})
	ca := authoritytest.New(t, pointing(authority.Pointers{CRLDistributionPoints: []string{"http://ca.test/{shard}"}, Shards: 9, OCSPServers: []string{"http://ca.test/ocsp"}}),
		func(c *authority.Config) { c.Profiles = []authority.Profile{{Template: own}} })
	c := ca.Issue(signRequest(t, ca, "a.internal"))
	require.Equal(t, []string{"http://own.test/crl"}, c.Leaf.CRLDistributionPoints)
	require.Zero(t, c.Record.Shard)
	require.Equal(t, []string{"http://ca.test/ocsp"}, c.Leaf.OCSPServer)
}

func TestPointersThatAreWrong(t *testing.T) {
	ca := authoritytest.New(t)
	for name, p := range map[string]authority.Pointers{
		"negative shards":          {Shards: -1},
		"too many shards":          {Shards: 1e6, CRLDistributionPoints: []string{"http://ca.test/{shard}"}},
		"shards without a URL":     {Shards: 2},
		"no place for the shard":   {Shards: 2, CRLDistributionPoints: []string{"http://ca.test/crl"}},
		"a place and no shards":    {CRLDistributionPoints: []string{"http://ca.test/{shard}"}},
		"relative":                 {CRLDistributionPoints: []string{"/crl"}},
		"another scheme":           {OCSPServers: []string{"file:///etc/passwd"}},
		"shards of an OCSP server": {Shards: 2, CRLDistributionPoints: []string{"http://ca.test/{shard}"}, OCSPServers: []string{"http://ca.test/{shard}"}},
	} {
		_, err := authority.New(authority.Config{
			URLs: []string{authoritytest.URL}, Roots: []*x509.Certificate{ca.Root}, Provisioners: ca.Authority.Provisioners(), Store: authority.NewMemory(),
			Issuers: []authority.Issuer{{Name: "a", Chain: []*x509.Certificate{ca.Intermediate}, Signer: ca.Signer(), Pointers: p}},
		})
		require.Error(t, err, name)
	}
}

// A certificate whose record is lost is revoked on the shard that it names.
func TestShardOfACertificateInHand(t *testing.T) {
	p := authority.Pointers{CRLDistributionPoints: []string{"http://ca.test/crl/{shard}.crl"}, Shards: 4}
	ca := authoritytest.New(t, pointing(p))
	leaf := ca.Issue(signRequest(t, ca, "a.internal"))
	for shards, want := range map[int]int{4: leaf.Record.Shard, 1: leaf.Record.Shard, 4096: leaf.Record.Shard} {
		p.Shards = shards
		store := authority.NewMemory()
		again := authoritytest.New(t, func(c *authority.Config) {
			c.Store, c.Roots = store, []*x509.Certificate{ca.Root}
			c.Issuers[0] = authority.Issuer{Name: "intermediate", Chain: []*x509.Certificate{ca.Intermediate}, Signer: ca.Signer(), Pointers: p}
		})
		_, err := again.Authority.Revoke(t.Context(), &authority.RevokeRequest{Serial: leaf.Record.Serial, Certificate: leaf.Leaf, Local: true})
		require.NoError(t, err)
		page, err := store.Changes(t.Context(), authority.ChangeQuery{Issuer: "intermediate", Shard: want})
		require.NoError(t, err)
		require.Len(t, page.Changes, 1, "%d shards", shards)
	}
}

// Where to look is said by whoever issued, and not repeated by another one.
func TestPointersOfAnotherIssuer(t *testing.T) {
	store := authority.NewMemory()
	first := authoritytest.New(t, pointing(authority.Pointers{CRLDistributionPoints: []string{"http://ca.test/{shard}"}, Shards: 4, OCSPServers: []string{"http://ca.test/ocsp"}}),
		func(c *authority.Config) { c.Store = store })
	leaf := first.Issue(signRequest(t, first, "a.internal")).Leaf
	second := authoritytest.New(t)
	require.NoError(t, first.Authority.Reconfigure(t.Context(), authority.Config{
		URLs: []string{authoritytest.URL}, Roots: []*x509.Certificate{first.Root, second.Root}, Provisioners: first.Authority.Provisioners(),
		Issuers: []authority.Issuer{
			{Name: "new", Chain: []*x509.Certificate{second.Intermediate}, Signer: second.Signer()},
			{Name: "intermediate", State: authority.Retiring, Chain: []*x509.Certificate{first.Intermediate}, Signer: first.Signer()},
		},
	}))
	c, err := first.Authority.Issue(t.Context(), renewal(leaf))
	require.NoError(t, err)
	require.Equal(t, "new", c.Record.Issuer)
	require.Zero(t, c.Record.Shard)
	require.Empty(t, c.Leaf.CRLDistributionPoints)
	require.Empty(t, c.Leaf.OCSPServer)
}
