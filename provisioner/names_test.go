package provisioner_test

import (
	"crypto/x509"
	"math/big"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/provisionertest"
)

func newCSR(t testing.TB, cn string, names ...string) *x509.CertificateRequest {
	return provisionertest.NewCSR(t, cn, names...)
}

func TestParseNames(t *testing.T) {
	n := provisioner.ParseNames([]string{"", "DB.Internal", "::ffff:192.0.2.1", "[2001:DB8::1]", "Joe@Example.COM", "spiffe://Example/db", "*.Internal"})
	require.Equal(t, []string{"db.internal", "*.internal"}, n.DNS)
	require.Equal(t, []string{"db.internal", "*.internal", "192.0.2.1", "2001:db8::1", "Joe@example.com", "spiffe://Example/db"}, n.Strings())
	require.True(t, n.Contains("db.INTERNAL"))
	require.False(t, n.Contains("internal"))
	require.False(t, n.Contains(""))
}

func TestNamesWithout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-c]\.x|192\.0\.2\.[1-3]|[ab]@x|u:[ab]`)
		a := provisioner.ParseNames(rapid.SliceOf(name).Draw(t, "a"))
		b := provisioner.ParseNames(rapid.SliceOf(name).Draw(t, "b"))
		left := a.Without(b)
		for _, s := range left.Strings() {
			if b.Contains(s) || !a.Contains(s) {
				t.Fatalf("%q should not be left", s)
			}
		}
		for _, s := range a.Strings() {
			if !b.Contains(s) && !left.Contains(s) {
				t.Fatalf("%q is missing", s)
			}
		}
		if a.Without(a).Len() != 0 {
			t.Fatal("something is left of nothing")
		}
	})
}

func TestIdentifiersOf(t *testing.T) {
	id := func(k, v string) provisioner.Identifier { return provisioner.Identifier{Kind: k, Value: v} }
	require.Empty(t, provisioner.IdentifiersOf(""))
	for in, want := range map[string]provisioner.Identifier{
		"DB.internal": id(provisioner.HostName, "db.internal"), "a@B.c": id(provisioner.Email, "a@b.c"),
		"::1": id(provisioner.IPAddress, "::1"), "spiffe://x/y": id(provisioner.URI, "spiffe://x/y"),
	} {
		require.Equal(t, []provisioner.Identifier{id(provisioner.Subject, in), want}, provisioner.IdentifiersOf(in))
	}
	require.Len(t, provisioner.IdentifiersOf("Joe Smith"), 1)
}

func TestParseSerial(t *testing.T) {
	for in, want := range map[string]string{"31": "1f", "0x1F": "1f", "0X00ff": "ff", "255": "ff"} {
		got, err := provisioner.ParseSerial(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got)
	}
	long := new(big.Int).Lsh(big.NewInt(1), 160).String()
	for _, in := range []string{"", "0", "0x", "0x0", "017", "-1", "+1", "1f", " 1", "1 ", "1_0", "0x1_0", "0x-1", "٣", "1e3", long} {
		_, err := provisioner.ParseSerial(in)
		require.Error(t, err, in)
	}
}

func TestMarks(t *testing.T) {
	ca := provisionertest.NewCA(t)
	m := provisioner.Mark{Type: provisioner.TypeGCP, CredentialID: "id", KeyValuePairs: []string{"InstanceID", "7"}}
	leaf := ca.Leaf(t, provisionertest.NewKey(t, jose.ES256), "db", func(c *x509.Certificate) {
		e, err := m.Extension("cloud")
		require.NoError(t, err)
		require.False(t, e.Critical)
		c.ExtraExtensions = append(c.ExtraExtensions, e)
	})
	name, got, ok := provisioner.MarkOf(leaf)
	require.True(t, ok)
	require.Equal(t, "cloud", name)
	require.Equal(t, m, got)
	_, _, ok = provisioner.MarkOf(ca.Certificate)
	require.False(t, ok)
}
