//lint:file-ignore SA1019 bad keys are made by their coordinates

package x509lint

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func code(err error) string {
	if err == nil {
		return ""
	}
	return err.(*Problem).Code
}

func ecKey(t testing.TB, c elliptic.Curve) *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	require.NoError(t, err)
	return k
}

func prime(t testing.TB, bits int) *big.Int {
	p, err := rand.Prime(rand.Reader, bits)
	require.NoError(t, err)
	return p
}

func rsaOf(p, q *big.Int) *rsa.PublicKey {
	return &rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537}
}

// rocaPrime makes a prime the way the broken generator did: k·M + (65537^a mod M).
func rocaPrime(t testing.TB) *big.Int {
	m := big.NewInt(2)
	for p := uint64(3); p <= 701; p += 2 {
		if isPrime(p) {
			m.Mul(m, new(big.Int).SetUint64(p))
		}
	}
	for {
		k, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), uint(1030-m.BitLen())))
		require.NoError(t, err)
		a, err := rand.Int(rand.Reader, big.NewInt(1<<40))
		require.NoError(t, err)
		p := new(big.Int).Exp(big.NewInt(65537), a, m)
		if p.Add(p, k.Mul(k, m)); p.ProbablyPrime(10) {
			return p
		}
	}
}

func TestPublicKey(t *testing.T) {
	p, q := prime(t, 1024), prime(t, 1024)
	good := rsaOf(p, q)
	withE := func(e int) *rsa.PublicKey { return &rsa.PublicKey{N: good.N, E: e} }
	near := new(big.Int).Add(p, big.NewInt(2))
	for !near.ProbablyPrime(10) {
		near.Add(near, big.NewInt(2))
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	onP256 := ecKey(t, elliptic.P256()).PublicKey
	off := ecdsa.PublicKey{Curve: elliptic.P256(), X: onP256.X, Y: new(big.Int).Add(onP256.Y, big.NewInt(1))}
	xk, err := ecdh.X25519().GenerateKey(rand.Reader)
	require.NoError(t, err)
	for _, c := range []struct {
		name string
		key  crypto.PublicKey
		code string
	}{
		{"rsa 2048", good, ""},
		{"rsa large odd e", withE(1<<31 - 1), ""},
		{"rsa e=3", withE(3), "rsa-exponent"},
		{"rsa e=17", withE(17), "rsa-exponent"},
		{"rsa even e", withE(65538), "rsa-exponent"},
		{"rsa negative e", withE(-65537), "rsa-exponent"},
		{"rsa 2047", &rsa.PublicKey{N: new(big.Int).Rsh(good.N, 1), E: 65537}, "rsa-too-short"},
		{"rsa 8193", &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 8192, 1), E: 65537}, "rsa-too-long"},
		{"rsa even", &rsa.PublicKey{N: new(big.Int).Sub(good.N, big.NewInt(1)), E: 65537}, "rsa-factor"},
		{"rsa 3", rsaOf(big.NewInt(3), prime(t, 2047)), "rsa-factor"},
		{"rsa 751", rsaOf(big.NewInt(751), prime(t, 2040)), "rsa-factor"},
		{"rsa roca", rsaOf(rocaPrime(t), rocaPrime(t)), "rsa-roca"},
		{"rsa square", rsaOf(p, p), "rsa-close-primes"},
		{"rsa next prime", rsaOf(p, near), "rsa-close-primes"},
		{"rsa nil", (*rsa.PublicKey)(nil), "rsa-modulus"},
		{"rsa empty", &rsa.PublicKey{}, "rsa-modulus"},
		{"p256", &onP256, ""},
		{"p384", &ecKey(t, elliptic.P384()).PublicKey, ""},
		{"p521", &ecKey(t, elliptic.P521()).PublicKey, ""},
		{"p224", &ecKey(t, elliptic.P224()).PublicKey, "ecdsa-curve"},
		{"ec nil", (*ecdsa.PublicKey)(nil), "ecdsa-point"},
		{"ec empty", &ecdsa.PublicKey{Curve: elliptic.P256()}, "ecdsa-point"},
		{"ec infinity", &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int), Y: new(big.Int)}, "ecdsa-point"},
		{"ec off", &off, "ecdsa-point"},
		{"ec negative", &ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(-1), Y: onP256.Y}, "ecdsa-point"},
		{"ec huge", &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).Lsh(onP256.X, 256), Y: onP256.Y}, "ecdsa-point"},
		{"ed25519", ed, ""},
		{"ed25519 short", ed[:31], "ed25519-length"},
		{"ed25519 zero", make(ed25519.PublicKey, 32), "ed25519-order"},
		{"ed25519 non-canonical", ed25519.PublicKey("\xee" + strings.Repeat("\xff", 30) + "\x7f"), "ed25519-encoding"},
		{"x25519", xk.PublicKey(), "key-type"},
		{"nil", nil, "key-type"},
	} {
		require.Equal(t, c.code, code(PublicKey(c.key)), c.name)
	}
}

// A key of low order lets anyone sign: with R the identity and S zero, one message in eight verifies.
func TestLowOrderKeysAreForgeable(t *testing.T) {
	forged := make([]byte, ed25519.SignatureSize)
	forged[0] = 1
	for _, low := range lowOrder() {
		works := false
		for i := range uint64(300) {
			msg := binary.BigEndian.AppendUint64(nil, i)
			works = works || ed25519.Verify(low[:], msg, forged)
		}
		require.True(t, works, "%x is in the list for a reason", low)
		low[31] |= 0x80
		require.Equal(t, "ed25519-order", code(PublicKey(ed25519.PublicKey(low[:]))))
	}
}

func TestSmallFactors(t *testing.T) {
	q := prime(t, 200)
	for p := uint64(2); p < 752; p++ {
		if p == 2 || p%2 == 1 && isPrime(p) {
			require.True(t, hasSmallFactor(new(big.Int).Mul(q, new(big.Int).SetUint64(p))), p)
		}
	}
	require.False(t, hasSmallFactor(q))
}

func newCSR(t testing.TB, k crypto.Signer, tmpl x509.CertificateRequest) *x509.CertificateRequest {
	der, err := x509.CreateCertificateRequest(rand.Reader, &tmpl, k)
	require.NoError(t, err)
	csr, err := x509.ParseCertificateRequest(der)
	require.NoError(t, err)
	return csr
}

func TestRequest(t *testing.T) {
	k := ecKey(t, elliptic.P256())
	good := newCSR(t, k, x509.CertificateRequest{DNSNames: []string{"a.ex.com"}})
	require.NoError(t, Request(good))
	require.Equal(t, "csr-missing", code(Request(nil)))
	require.Equal(t, "csr-missing", code(Request(&x509.CertificateRequest{})))

	forged := newCSR(t, k, x509.CertificateRequest{})
	forged.PublicKey = &ecKey(t, elliptic.P256()).PublicKey
	require.NoError(t, RequestShape(forged))
	require.Equal(t, "csr-signature", code(Request(forged)))

	for want, change := range map[string]func(*x509.CertificateRequest){
		"csr-version":   func(c *x509.CertificateRequest) { c.Version = 1 },
		"csr-algorithm": func(c *x509.CertificateRequest) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 },
		"csr-too-large": func(c *x509.CertificateRequest) { c.Raw = make([]byte, maxRequest+1) },
		"key-type":      func(c *x509.CertificateRequest) { c.PublicKey = nil },
	} {
		csr := *good
		change(&csr)
		require.Equal(t, want, code(Request(&csr)))
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	require.Equal(t, "rsa-too-short", code(Request(newCSR(t, weak, x509.CertificateRequest{}))))
}

func TestDNSName(t *testing.T) {
	l63 := strings.Repeat("a", 63)
	long := strings.Repeat("a.", 126)
	for s, want := range map[string]string{
		"a.ex.com": "", "localhost": "", "db": "", "A.Ex.COM": "", "_acme.ex.com": "", "r3---x.ex.com": "",
		"xn--bcher-kva.example": "", "xn--e1afmkfd.xn--p1ai": "", "1.ex.com": "", "3com": "", l63 + ".com": "", long + "a": "",
		"*.ex.com": "dns-wildcard", "": "dns-empty", "ex.com.": "dns-trailing-dot", ".": "dns-trailing-dot", "a..b": "dns-label",
		".ex.com": "dns-label", "-a.com": "dns-label", "a-.com": "dns-label", l63 + "a.com": "dns-label", long + "ab": "dns-too-long",
		"a b.com": "dns-label", "bücher.example": "dns-label", "a*.com": "dns-label", "a.*.com": "dns-label", "a\x00.com": "dns-label",
		"10.0.0.1": "dns-numeric", "1": "dns-numeric", "a.1": "dns-numeric", "0x7f.0x1": "dns-numeric", "xn--": "dns-label", "xn--a-.com": "dns-label",
		"xn--99999999.com": "dns-label", "a/b": "dns-label", "[::1]": "dns-label",
	} {
		require.Equal(t, want, code(DNSName(s, false)), s)
	}
	for s, want := range map[string]string{"*.ex.com": "", "*.com": "", "*": "dns-label", "*.": "dns-empty", "*.*.com": "dns-label", "**.com": "dns-label", "*.10": "dns-numeric"} {
		require.Equal(t, want, code(DNSName(s, true)), s)
	}
}

func TestEmail(t *testing.T) {
	for s, want := range map[string]string{
		"joe@ex.com": "", "j.o+e@EX.com": "", "joe@localhost": "", "o'hara@ex.com": "",
		"ex.com": "email-form", "": "email-form", "@ex.com": "email-local", ".a@ex.com": "email-local", "a..b@ex.com": "email-local",
		"a@b@ex.com": "email-local", `"a"@ex.com`: "email-local", "Joe <joe@ex.com>": "email-local", "jö@ex.com": "email-local",
		"joe@": "email-domain", "joe@[10.0.0.1]": "email-domain", "joe@10.0.0.1": "email-domain", "joe@ex.com.": "email-domain", "joe@*.ex.com": "email-domain",
		"joe\n@ex.com": "email-local", strings.Repeat("a", 65) + "@ex.com": "email-too-long",
	} {
		require.Equal(t, want, code(Email(s)), s)
	}
}

func TestURI(t *testing.T) {
	for s, want := range map[string]string{
		"https://ex.com": "", "https://ex.com:8443/a?b=c#d": "", "spiffe://td/ns/x": "", "urn:uuid:1-2": "", "https://10.0.0.1/": "",
		"https://[::1]:80/": "", "ssh://git@ex.com/": "", "file:///etc/x": "", "mailto:joe@ex.com": "",
		"": "uri-form", "ex.com": "uri-form", "/x": "uri-form", "//ex.com": "uri-form", "https:": "uri-form", ":x": "uri-form",
		"https://": "uri-spelling", "https://ex.com:99999/": "uri-host", "https://ex.com:/": "uri-host", "https://*.ex.com/": "uri-host", "https://ex.com./": "uri-host",
		"https://u@/": "uri-host", "https://a_b!/": "uri-host", "HTTPS://ex.com": "uri-spelling",
		"https://ex.com/a b": "uri-character", "https://ex.com/\x00": "uri-character", "https://exämple/": "uri-character",
		"https://ex.com/" + strings.Repeat("a", maxURI): "uri-too-long",
	} {
		require.Equal(t, want, code(URI(s)), s)
	}
}

func TestIP(t *testing.T) {
	require.NoError(t, IP(netip.MustParseAddr("10.0.0.1")))
	require.NoError(t, IP(netip.MustParseAddr("::1")))
	require.Equal(t, "ip-form", code(IP(netip.Addr{})))
	require.Equal(t, "ip-zone", code(IP(netip.MustParseAddr("fe80::1%eth0"))))
	for _, s := range []string{"0.0.0.0", "::", "::ffff:0.0.0.0"} {
		require.Equal(t, "ip-unspecified", code(IP(netip.MustParseAddr(s))), s)
	}
}

func TestNames(t *testing.T) {
	require.NoError(t, Names("", &x509.Certificate{}))
	require.NoError(t, Names("Jö the Ex", &x509.Certificate{DNSNames: []string{"*.ex.com"}}))
	require.NoError(t, Names(strings.Repeat("ö", 64), &x509.Certificate{}))
	require.Equal(t, "cn-too-long", code(Names(strings.Repeat("a", 65), &x509.Certificate{})))
	for _, cn := range []string{"a\x00b", "a\nb", "\xff", "a\u202eb", "a\u0085"} {
		require.Equal(t, "cn-character", code(Names(cn, &x509.Certificate{})), "%q", cn)
	}
	require.Equal(t, "dns-empty", code(Names("", &x509.Certificate{DNSNames: []string{"a", ""}})))
	require.Equal(t, "email-form", code(Names("", &x509.Certificate{EmailAddresses: []string{"a"}})))
	require.Equal(t, "ip-form", code(Names("", &x509.Certificate{IPAddresses: []net.IP{{1, 2}}})))
	require.Equal(t, "uri-form", code(Names("", &x509.Certificate{URIs: []*url.URL{nil}})))
	require.Equal(t, "names-too-many", code(Names("", &x509.Certificate{DNSNames: make([]string, maxNames+1)})))
}

func TestSubject(t *testing.T) {
	raw := func(n pkix.Name) []byte {
		der, err := asn1.Marshal(n.ToRDNSequence())
		require.NoError(t, err)
		return der
	}
	extra := func(v any) pkix.Name {
		return pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: v}}}
	}
	for _, n := range []pkix.Name{{}, {CommonName: "x", Organization: []string{"Ö Ltd"}, Country: []string{"DE"}}, extra("x")} {
		require.NoError(t, Subject(n))
		require.NoError(t, RawSubject(raw(n)))
	}
	for want, n := range map[string]pkix.Name{
		"cn-too-long":       {CommonName: strings.Repeat("a", 65)},
		"cn-character":      extra("a\x00"),
		"subject-character": {Organization: []string{"a", "b\x1b"}},
		"subject-too-long":  {SerialNumber: strings.Repeat("1", 257)},
		"subject-too-many":  {Locality: make([]string, 65)},
	} {
		require.Equal(t, want, code(Subject(n)))
		if want != "subject-too-many" {
			require.Equal(t, want, code(RawSubject(raw(n))))
		}
	}
	require.Equal(t, "subject-attribute", code(Subject(extra(7))))
	require.Equal(t, "cn-character", code(Subject(extra(asn1.RawValue{Tag: asn1.TagBMPString, Bytes: []byte("\x00a")}))))
	require.NoError(t, Subject(extra(asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte("a")})))
	require.Equal(t, "subject-form", code(RawSubject([]byte("x"))))
	require.Equal(t, "subject-form", code(RawSubject(append(raw(pkix.Name{CommonName: "x"}), 0))))
}

func BenchmarkPublicKey(b *testing.B) {
	ed, _, _ := ed25519.GenerateKey(rand.Reader)
	for name, k := range map[string]crypto.PublicKey{
		"p256": &ecKey(b, elliptic.P256()).PublicKey, "ed25519": ed, "rsa2048": rsaOf(prime(b, 1024), prime(b, 1024)),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := PublicKey(k); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Request is both looks at a CSR.
func Request(csr *x509.CertificateRequest) error {
	if err := RequestShape(csr); err != nil {
		return err
	}
	return RequestSignature(csr)
}
