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
