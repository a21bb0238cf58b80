package x509lint

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var (
	epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	noon  = epoch.Add(12 * time.Hour)
)

type testCA struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func testKey(seed byte) ed25519.PrivateKey {
	s := make([]byte, ed25519.SeedSize)
	s[0] = seed
	return ed25519.NewKeyFromSeed(s)
}

func sign(t require.TestingT, tmpl *x509.Certificate, pub crypto.PublicKey, by *testCA, key crypto.Signer) *x509.Certificate {
	c := *tmpl
	c.SerialNumber = big.NewInt(7)
	parent := &c
	if by != nil {
		parent, key = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, &c, parent, pub, key)
	require.NoError(t, err)
	out, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return out
}

// newCA makes a CA, by itself when by is nil. change has the last word on the template.
func newCA(t require.TestingT, name string, by *testCA, change func(*x509.Certificate)) *testCA {
	k := testKey(name[0])
	tmpl := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: epoch, NotAfter: epoch.Add(240 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, MaxPathLen: -1, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if change != nil {
		change(tmpl)
	}
	return &testCA{sign(t, tmpl, k.Public(), by, k), k}
}

func newLeaf() *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: "leaf"}, NotBefore: epoch, NotAfter: epoch.Add(24 * time.Hour),
		DNSNames: []string{"a.ex.com"}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

// verify asks Go's own verifier, for each usage of the leaf.
func verify(leaf *x509.Certificate, chain, roots []*x509.Certificate, now time.Time) error {
	o := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now}
	for _, c := range chain {
		o.Intermediates.AddCert(c)
	}
	for _, c := range roots {
		o.Roots.AddCert(c)
	}
	usages := leaf.ExtKeyUsage
	if len(usages) == 0 {
		usages = []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
	}
	for _, u := range usages {
		o.KeyUsages = []x509.ExtKeyUsage{u}
		if _, err := leaf.Verify(o); err != nil {
			return err
		}
	}
	return nil
}

func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		return &url.URL{Scheme: "x", Host: "bad"}
	}
	return u
}

func mustNet(s string) *net.IPNet {
	_, n, err := net.ParseCIDR(s)
	if err != nil {
		return nil
	}
	return n
}

func drawConstraints(t *rapid.T, c *x509.Certificate, label string) {
	host := rapid.SampledFrom([]string{"com", "ex.com", "a.ex.com", ".ex.com", "B.ex.com", "org", ""})
	// Without a leading dot, Go differs from the RFC here; the tables below have those.
	dotted := rapid.SampledFrom([]string{".com", ".ex.com", ".a.ex.com", ".org", ""})
	mail := rapid.SampledFrom([]string{".com", ".ex.com", "joe@ex.com", "joe@a.EX.com"})
	cidr := rapid.Map(rapid.SampledFrom([]string{"10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0", "fd00::/8", "::/0"}), mustNet)
	few := func(max int) int { return rapid.SampledFrom([]int{0, 0, 0, max}).Draw(t, label+"n") }
	c.PermittedDNSDomains = rapid.SliceOfN(host, 0, few(3)).Draw(t, label+"dns+")
	c.ExcludedDNSDomains = rapid.SliceOfN(host, 0, few(2)).Draw(t, label+"dns-")
	c.PermittedURIDomains = rapid.SliceOfN(dotted, 0, few(2)).Draw(t, label+"uri+")
	c.ExcludedURIDomains = rapid.SliceOfN(dotted, 0, few(2)).Draw(t, label+"uri-")
	c.PermittedEmailAddresses = rapid.SliceOfN(mail, 0, few(2)).Draw(t, label+"mail+")
	c.ExcludedEmailAddresses = rapid.SliceOfN(mail, 0, few(2)).Draw(t, label+"mail-")
	c.PermittedIPRanges = rapid.SliceOfN(cidr, 0, few(2)).Draw(t, label+"ip+")
	c.ExcludedIPRanges = rapid.SliceOfN(cidr, 0, few(2)).Draw(t, label+"ip-")
}

func drawLeaf(t *rapid.T) *x509.Certificate {
	leaf := newLeaf()
	leaf.DNSNames = rapid.SliceOfN(rapid.SampledFrom([]string{"a.ex.com", "ex.com", "*.ex.com", "c.a.ex.com", "*.a.ex.com", "B.EX.com", "x.org", "localhost"}), 0, 2).Draw(t, "dns")
	leaf.EmailAddresses = rapid.SliceOfN(rapid.SampledFrom([]string{"joe@ex.com", "Joe@ex.com", "joe@A.ex.com", "jim@x.org"}), 0, 1).Draw(t, "mail")
	leaf.URIs = rapid.SliceOfN(rapid.Map(rapid.SampledFrom([]string{"x://a.ex.com/y", "x://ex.com:8", "x://Z.org", "urn:a:b", "x://10.0.0.1/", "x://[::1]/"}), mustURL), 0, 1).Draw(t, "uri")
	leaf.IPAddresses = rapid.SliceOfN(rapid.Map(rapid.SampledFrom([]string{"10.0.0.1", "10.1.1.1", "192.0.2.1", "fd00::1", "fe80::1"}), net.ParseIP), 0, 1).Draw(t, "ip")
	leaf.ExtKeyUsage = rapid.SampledFrom([][]x509.ExtKeyUsage{nil, {x509.ExtKeyUsageServerAuth}, {x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}).Draw(t, "eku")
	leaf.NotAfter = epoch.Add(rapid.SampledFrom([]time.Duration{24 * time.Hour, 100 * time.Hour}).Draw(t, "life"))
	return leaf
}

// What Chain says of a template is what Go's verifier says of the certificate made from it.
func TestChainIsVerify(t *testing.T) {
	agreed := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		shape := func(label string) func(*x509.Certificate) {
			return func(c *x509.Certificate) {
				drawConstraints(t, c, label)
				c.ExtKeyUsage = rapid.SampledFrom([][]x509.ExtKeyUsage{nil, nil, {x509.ExtKeyUsageServerAuth}, {x509.ExtKeyUsageAny}}).Draw(t, label+"eku")
				c.MaxPathLen = rapid.SampledFrom([]int{-1, 0, 1, 2}).Draw(t, label+"path")
				c.MaxPathLenZero = c.MaxPathLen == 0
			}
		}
		root := newCA(t, "root", nil, shape("root "))
		chain := []*x509.Certificate{}
		last := root
		for _, name := range []string{"outer", "issuer"}[rapid.IntRange(0, 2).Draw(t, "tiers"):] {
			last = newCA(t, name, last, shape(name))
			chain = append([]*x509.Certificate{last.cert}, chain...)
		}
		if len(chain) == 0 || rapid.Bool().Draw(t, "with root") {
			chain = append(chain, root.cert)
		}
		leaf := drawLeaf(t)
		now := noon.Add(rapid.SampledFrom([]time.Duration{0, -24 * time.Hour, 1000 * time.Hour}).Draw(t, "now"))
		signed := sign(t, leaf, testKey('k').Public(), last, nil)
		roots := []*x509.Certificate{newCA(t, "stranger", nil, nil).cert, root.cert}
		got, want := Chain(leaf, chain, roots, now), verify(signed, chain, roots, now)
		if (got == nil) != (want == nil) {
			t.Fatalf("lint: %v, verify: %v", got, want)
		}
		if err := Chain(signed, chain, roots, now); (err == nil) != (got == nil) {
			t.Fatalf("template: %v, parsed: %v", got, err)
		}
		agreed[got == nil]++
	})
	require.NotZero(t, agreed[true])
	require.NotZero(t, agreed[false])
}

func dn(names ...string) asn1.RawValue {
	seq := pkix.RDNSequence{}
	for i := 0; i < len(names); i += 2 {
		oid := asn1.ObjectIdentifier{2, 5, 4, map[string]int{"O": 10, "OU": 11, "CN": 3}[names[i]]}
		seq = append(seq, pkix.RelativeDistinguishedNameSET{{Type: oid, Value: names[i+1]}})
	}
	der, _ := asn1.Marshal(seq)
	return asn1.RawValue{Class: 2, Tag: nameDir, IsCompound: true, Bytes: der}
}

func ncExtension(permitted, excluded []subtree) pkix.Extension {
	der, _ := asn1.Marshal(struct {
		Permitted []subtree `asn1:"optional,omitempty,tag:0"`
		Excluded  []subtree `asn1:"optional,omitempty,tag:1"`
	}{permitted, excluded})
	return pkix.Extension{Id: oidOf(extNameConstraints), Critical: true, Value: der}
}

type chainCase struct {
	name   string
	issuer func(*x509.Certificate)
	leaf   func(*x509.Certificate)
	code   string
}

// The cases that OpenSSL, strict, decides as we do.
var opensslCases = []chainCase{
	{"plain", nil, nil, ""},
	{"permitted dns", func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"ex.com"} }, nil, ""},
	{"not permitted dns", func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"ex.org"} }, nil, "name-constraints-dns"},
	{"excluded dns", func(c *x509.Certificate) { c.ExcludedDNSDomains = []string{"ex.com"} }, nil, "name-constraints-dns"},
	{"label boundary", func(c *x509.Certificate) { c.ExcludedDNSDomains = []string{"x.com"} }, nil, ""},
	{"cn as dns", func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"ex.com"} }, func(c *x509.Certificate) {
		c.DNSNames, c.EmailAddresses, c.Subject.CommonName = nil, []string{"joe@ex.com"}, "evil.org"
	}, "name-constraints-dns"},
	{"email host is that host", func(c *x509.Certificate) { c.PermittedEmailAddresses = []string{"ex.com"} }, func(c *x509.Certificate) { c.EmailAddresses = []string{"joe@a.ex.com"} }, "name-constraints-email"},
	{"email host", func(c *x509.Certificate) { c.PermittedEmailAddresses = []string{"ex.com"} }, func(c *x509.Certificate) { c.EmailAddresses = []string{"joe@EX.com"} }, ""},
	{"email in subject", func(c *x509.Certificate) { c.PermittedEmailAddresses = []string{"ex.com"} }, func(c *x509.Certificate) {
		c.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: oidEmailAddress(), Value: asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte("joe@x.org")}}}
	}, "name-constraints-email"},
	{"uri host is that host", func(c *x509.Certificate) { c.PermittedURIDomains = []string{"ex.com"} }, func(c *x509.Certificate) { c.URIs = []*url.URL{mustURL("x://a.ex.com/")} }, "name-constraints-uri"},
	{"ip", func(c *x509.Certificate) { c.PermittedIPRanges = []*net.IPNet{mustNet("10.0.0.0/8")} }, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP("10.0.0.1")} }, ""},
	{"ip of the other family", func(c *x509.Certificate) { c.PermittedIPRanges = []*net.IPNet{mustNet("10.0.0.0/8")} }, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP("fd00::1")} }, "name-constraints-ip"},
	{"dir permitted", func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{ncExtension([]subtree{{Base: dn("O", "Ex  LTD"), Max: -1}}, nil)}
	},
		func(c *x509.Certificate) { c.Subject.Organization = []string{"ex ltd"} }, ""},
	{"dir not permitted", func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{ncExtension([]subtree{{Base: dn("O", "Ex"), Max: -1}}, nil)}
	},
		func(c *x509.Certificate) { c.Subject.Organization = []string{"Exx"} }, "name-constraints-dir"},
	{"dir excluded", func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{ncExtension(nil, []subtree{{Base: dn("CN", "leaf"), Max: -1}})}
	}, nil, "name-constraints-dir"},
	{"no subject", nil, func(c *x509.Certificate) { c.Subject = pkix.Name{} }, ""},
	{"certSign", nil, func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }, "key-usage-cert-sign"},
	{"eku", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, nil, "ext-key-usage"},
	{"ca not certSign", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }, nil, "issuer-key-usage"},
}

// Where Go's verifier is content and we are not.
var ownCases = []chainCase{
	{"outlives", nil, func(c *x509.Certificate) { c.NotAfter = epoch.Add(241 * time.Hour) }, "outlives-issuer"},
	{"same second", nil, func(c *x509.Certificate) { c.NotAfter = epoch.Add(240*time.Hour + time.Millisecond) }, ""},
	{"backwards", nil, func(c *x509.Certificate) { c.NotBefore = c.NotAfter }, "validity-empty"},
	{"far", nil, func(c *x509.Certificate) { c.NotAfter = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, "validity-range"},
	{"any", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }, "ext-key-usage"},
	{"unknown eku", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, func(c *x509.Certificate) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3}} }, "ext-key-usage"},
	{"unknown eku listed", func(c *x509.Certificate) {
		c.ExtKeyUsage, c.UnknownExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, []asn1.ObjectIdentifier{{1, 2, 3}}
	}, func(c *x509.Certificate) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3}} }, ""},
	{"other ca extension", func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
	}, nil, "issuer-extension"},
	{"ca", nil, ca, ""},
	{"ca below pathlen 0", func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true }, ca, "path-length"},
	{"ca below pathlen 1", func(c *x509.Certificate) { c.MaxPathLen = 1 }, ca, ""},
	{"ca without certSign", nil, func(c *x509.Certificate) { ca(c); c.KeyUsage = 0 }, "ca-key-usage"},
	{"ca without basic constraints", nil, func(c *x509.Certificate) { ca(c); c.BasicConstraintsValid = false }, "basic-constraints"},
	{"ca without subject", nil, func(c *x509.Certificate) { ca(c); c.Subject = pkix.Name{} }, "ca-subject"},
	{"pathlen", nil, func(c *x509.Certificate) { c.MaxPathLen = 1 }, "basic-constraints"},
	{"constraints", nil, func(c *x509.Certificate) { c.ExcludedDNSDomains = []string{"x"} }, "name-constraints-leaf"},
	{"nobody", nil, func(c *x509.Certificate) { c.Subject, c.DNSNames = pkix.Name{}, nil }, "no-names"},
	{"extension", nil, extra(pkix.Extension{Id: []int{1, 2, 3}, Critical: true, Value: []byte{5, 0}}), ""},
	{"extension twice", nil, extra(pkix.Extension{Id: []int{1, 2, 3}, Value: []byte{5, 0}}, pkix.Extension{Id: []int{1, 2, 3}, Value: []byte{5, 0}}), "duplicate-extension"},
	{"extension not der", nil, extra(pkix.Extension{Id: []int{1, 2, 3}, Value: []byte("hello")}), "extension-form"},
	{"extension of two", nil, extra(pkix.Extension{Id: []int{1, 2, 3}, Value: []byte{5, 0, 5, 0}}), "extension-form"},
	{"extension empty", nil, extra(pkix.Extension{Id: []int{1, 2, 3}}), "extension-form"},
	{"extension nameless", nil, extra(pkix.Extension{Value: []byte{5, 0}}), "extension-form"},
	{"ca by the back door", nil, extra(pkix.Extension{Id: oidOf(extBasicConstraints), Critical: true, Value: []byte{0x30, 3, 1, 1, 0xff}}), "reserved-extension"},
	{"crl points twice", nil, func(c *x509.Certificate) {
		c.CRLDistributionPoints = []string{"http://x"}
		extra(pkix.Extension{Id: oidOf(extCRLPoints), Value: []byte{0x30, 0}})(c)
	}, "duplicate-extension"},
	{"san smuggled", nil, extra(sanExtension(asn1.RawValue{Class: 2, Tag: 2, Bytes: []byte("evil.org")})), "san-mismatch"},
	{"san left out", nil, extra(sanExtension(asn1.RawValue{Class: 2, Tag: 8, Bytes: []byte{42}})), "san-mismatch"},
	{"san with more kinds", nil, extra(sanExtension(asn1.RawValue{Class: 2, Tag: 2, Bytes: []byte("a.ex.com")}, asn1.RawValue{Class: 2, Tag: 8, Bytes: []byte{42}})), ""},
	{"san empty", nil, extra(sanExtension()), "san-form"},
	{"san not critical", nil, func(c *x509.Certificate) {
		c.Subject = pkix.Name{}
		extra(sanExtension(asn1.RawValue{Class: 2, Tag: 2, Bytes: []byte("a.ex.com")}))(c)
	}, "san-not-critical"},
	{"registered id constrained", func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{ncExtension(nil, []subtree{{Base: asn1.RawValue{Class: 2, Tag: 8, Bytes: []byte{42}}, Max: -1}})}
	}, extra(sanExtension(asn1.RawValue{Class: 2, Tag: 2, Bytes: []byte("a.ex.com")}, asn1.RawValue{Class: 2, Tag: 8, Bytes: []byte{43}})), "name-constraints-other"},
	{"excluded email host, wide", func(c *x509.Certificate) { c.ExcludedEmailAddresses = []string{"ex.com"} }, func(c *x509.Certificate) { c.EmailAddresses = []string{"joe@a.ex.com"} }, "name-constraints-email"},
	{"wildcard over excluded", func(c *x509.Certificate) { c.ExcludedDNSDomains = []string{"secret.ex.com"} }, func(c *x509.Certificate) { c.DNSNames = []string{"*.EX.com"} }, "name-constraints-dns"},
}

func ca(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.MaxPathLen, c.KeyUsage, c.ExtKeyUsage = true, true, -1, x509.KeyUsageCertSign, nil
}

func extra(e ...pkix.Extension) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtraExtensions = e }
}

func sanExtension(names ...asn1.RawValue) pkix.Extension {
	der, _ := asn1.Marshal(names)
	return pkix.Extension{Id: oidOf(extSAN), Value: der}
}

func (c chainCase) build(t *testing.T) (leaf *x509.Certificate, issuer, root *testCA) {
	root = newCA(t, "root", nil, nil)
	issuer = newCA(t, "issuer", root, c.issuer)
	leaf = newLeaf()
	if c.leaf != nil {
		c.leaf(leaf)
	}
	return leaf, issuer, root
}

// Chain is [NewIssuer] and [Issuer.Check] in one, for when there is one leaf to look at.
func Chain(leaf *x509.Certificate, chain, roots []*x509.Certificate, now time.Time) error {
	is, err := NewIssuer(chain, roots)
	if err != nil {
		return err
	}
	return is.Check(leaf, now)
}

func TestChain(t *testing.T) {
	for _, c := range append(ownCases, opensslCases...) {
		leaf, issuer, root := c.build(t)
		err := Chain(leaf, []*x509.Certificate{issuer.cert}, []*x509.Certificate{root.cert}, noon)
		require.Equal(t, c.code, code(err), "%s: %v", c.name, err)
	}
}

func TestNewIssuer(t *testing.T) {
	root := newCA(t, "root", nil, nil)
	flat := newCA(t, "flat", nil, func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true })
	issuer, below := newCA(t, "issuer", root, nil), newCA(t, "below", flat, nil)
	deep := newCA(t, "deep", below, nil)
	leaf := &testCA{sign(t, newLeaf(), testKey('k').Public(), root, nil), nil}
	list := func(cas ...*testCA) (out []*x509.Certificate) {
		for _, c := range cas {
			out = append(out, c.cert)
		}
		return out
	}
	for want, c := range map[string][2][]*x509.Certificate{
		"chain-empty":   {nil, list(root)},
		"chain-root":    {list(issuer), list(flat)},
		"chain-order":   {list(deep, issuer), list(root)},
		"issuer-not-ca": {list(leaf), list(root)},
		"path-length":   {list(deep, below), list(flat)},
	} {
		_, err := NewIssuer(c[0], c[1])
		require.Equal(t, want, code(err))
	}
	_, err := NewIssuer([]*x509.Certificate{nil}, nil)
	require.Error(t, err)

	// A second root with the same name and key, without limits, is another way up.
	limited := newCA(t, "root", nil, func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"x.org"} })
	for _, roots := range [][]*x509.Certificate{list(root, limited), list(limited, root)} {
		require.NoError(t, Chain(newLeaf(), list(issuer), roots, noon))
	}
	require.Equal(t, "name-constraints-dns", code(Chain(newLeaf(), list(issuer), list(limited), noon)))
	require.Equal(t, "issuer-expired", code(Chain(newLeaf(), list(issuer), list(root), noon.Add(1000*time.Hour))))
	require.Equal(t, "issuer-not-yet-valid", code(Chain(newLeaf(), list(issuer), list(root), epoch.Add(-time.Second))))
	require.Equal(t, "leaf-missing", code(Chain(nil, list(issuer), list(root), noon)))
}

func TestOpenSSLAgrees(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("CHANCERY_INTEROP") == "require" {
			t.Fatal("openssl is required and not installed")
		}
		t.Skip("openssl is not installed")
	}
	dir := t.TempDir()
	write := func(name string, c *x509.Certificate) string {
		p := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(p, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), 0o600))
		return p
	}
	for _, c := range opensslCases {
		leaf, issuer, root := c.build(t)
		signed := sign(t, leaf, testKey('k').Public(), issuer, nil)
		args := []string{"verify", "-x509_strict", "-no-CApath", "-no-CAstore", "-purpose", "sslserver", "-attime", "1767268800",
			"-CAfile", write("root", root.cert), "-untrusted", write("issuer", issuer.cert), write("leaf", signed)}
		out, err := exec.Command("openssl", args...).CombinedOutput()
		require.Equal(t, c.code == "", err == nil, "%s: %s", c.name, out)
	}
}

func BenchmarkCheck(b *testing.B) {
	root := newCA(b, "root", nil, nil)
	for name, change := range map[string]func(*x509.Certificate){
		"plain": nil,
		"constrained": func(c *x509.Certificate) {
			c.PermittedDNSDomains, c.ExcludedDNSDomains = []string{"ex.com"}, []string{"x.ex.com"}
		},
	} {
		issuer := newCA(b, "issuer", root, change)
		is, err := NewIssuer([]*x509.Certificate{issuer.cert}, []*x509.Certificate{root.cert})
		require.NoError(b, err)
		leaf := newLeaf()
		leaf.ExtraExtensions = []pkix.Extension{{Id: []int{1, 3, 6, 1, 4, 1, 37476, 9000, 64, 1}, Value: []byte{0x30, 3, 2, 1, 1}}}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := is.Check(leaf, noon); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
