package x509lint

import (
	"crypto/x509"
	"net"
	"net/netip"
	"net/url"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func needSeeds(f *testing.F) {
	seeds, err := os.ReadDir("testdata/fuzz/" + f.Name())
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
}

// FuzzNames puts every name that is accepted into a certificate and wants it back as it was.
func FuzzNames(f *testing.F) {
	needSeeds(f)
	k := testKey('f')
	f.Fuzz(func(t *testing.T, s string) {
		c := newLeaf()
		c.DNSNames = nil
		if CommonName(s) == nil {
			c.Subject.CommonName = s
		}
		if DNSName(s, true) == nil {
			c.DNSNames = []string{s}
		}
		if Email(s) == nil {
			c.EmailAddresses = []string{s}
		}
		if URI(s) == nil {
			u, err := url.Parse(s)
			require.NoError(t, err)
			c.URIs = []*url.URL{u}
		}
		if a, err := netip.ParseAddr(s); err == nil && IP(a) == nil {
			c.IPAddresses = []net.IP{a.AsSlice()}
		}
		require.NoError(t, Names(c.Subject.CommonName, c))
		require.NoError(t, Subject(c.Subject))
		out := sign(t, c, k.Public(), nil, k)
		require.Equal(t, c.Subject.CommonName, out.Subject.CommonName)
		require.Equal(t, c.DNSNames, out.DNSNames)
		require.Equal(t, c.EmailAddresses, out.EmailAddresses)
		require.Len(t, out.URIs, len(c.URIs))
		for i := range c.URIs {
			require.Equal(t, s, out.URIs[i].String())
		}
		for i := range c.IPAddresses {
			require.True(t, c.IPAddresses[i].Equal(out.IPAddresses[i]))
		}
		require.NoError(t, RawSubject(out.RawSubject))
	})
}

// FuzzExtension gives the extension parsers whatever DER, as a SAN and as a CA's name constraints.
func FuzzExtension(f *testing.F) {
	needSeeds(f)
	f.Fuzz(func(t *testing.T, der []byte) {
		c := newLeaf()
		extra(sanExtension())(c)
		c.ExtraExtensions[0].Value = der
		if _, err := shape(c); err == nil {
			// What passed must hold the fields' names and no other when it is read back.
			k := testKey('f')
			c.SerialNumber = nil
			out := sign(t, c, k.Public(), nil, k)
			require.Equal(t, c.DNSNames, out.DNSNames)
			require.Zero(t, countNames(out)-len(c.DNSNames))
		}
		_ = RawSubject(der)
		nc := &constraints{by: "CA"}
		if nc.parse(der) == nil {
			_ = nc.check(newLeaf(), &altNames{other: 1})
		}
	})
}

// FuzzRequest wants no panic from a CSR of whatever shape.
func FuzzRequest(f *testing.F) {
	needSeeds(f)
	f.Fuzz(func(t *testing.T, der []byte) {
		csr, err := x509.ParseCertificateRequest(der)
		if err != nil || Request(csr) != nil {
			return
		}
		require.NoError(t, PublicKey(csr.PublicKey))
		require.NoError(t, csr.CheckSignature())
	})
}
