package authority_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/template"
	"github.com/chancery-ca/chancery/template/step"
)

func TestBadKeysAreRefused(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	ca := authoritytest.New(t)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	for code, csr := range map[string]*x509.CertificateRequest{
		"ecdsa-curve":   ca.CSR(p224, "db.internal"),
		"rsa-too-short": ca.CSR(short, "db.internal"),
	} {
		_, err := ca.Try(&authority.Request{Token: ca.Token("db.internal"), CSR: csr})
		requireRefused(t, err, authority.Denied, code)
	}
	ca.Check()
}

func TestBadRequestSignature(t *testing.T) {
	ca := authoritytest.New(t)
	csr := ca.CSR(newKey(t, kms.Ed25519), "db.internal")
	forged := *csr
	forged.Signature = append([]byte{}, csr.Signature...)
	forged.Signature[0] ^= 1
	r := &authority.Request{Token: ca.Token("db.internal"), CSR: &forged}
	_, err := ca.Try(r)
	requireRefused(t, err, authority.BadRequest, "csr-signature")
	r.CSR = csr
	ca.Issue(r)
	ca.Check()
}

func TestBadNamesAreRefused(t *testing.T) {
	ca := authoritytest.New(t)
	for _, name := range []string{
		"a..b", "-a.internal", "a_.b.", "a b", "*", "*.*.internal", "x.*.internal", "1.2.3", "caf\u00e9.internal", "a\x00b",
		"joe@", "@internal", "joe smith@example.com", "http://[::1", "ftp:", "0.0.0.0",
	} {
		csr := ca.CSR(newKey(t, kms.Ed25519))
		_, err := ca.Try(&authority.Request{Token: ca.Token(name), CSR: csr})
		require.ErrorIs(t, err, authority.Denied, "%q", name)
	}
	ca.Check()
}

func TestIssuerConstraints(t *testing.T) {
	parse := func(text string) *template.Template {
		tpl, err := step.Parse("test", text)
		require.NoError(t, err)
		return tpl
	}
	ca := parse(`{"subject": {{ toJson .Subject }}, "keyUsage": ["certSign"], "basicConstraints": {"isCA": true, "maxPathLen": 0}}`)
	coder := parse(`{"subject": {{ toJson .Subject }}, "sans": {{ toJson .SANs }}, "extKeyUsage": ["codeSigning"]}`)
	for _, c := range []struct {
		name, code string
		issuer     func(*x509.Certificate)
		profile    authority.Profile
		subject    string
	}{
		{"name outside the permitted", "name-constraints-dns", func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"internal"} }, authority.Profile{}, "db.example.com"},
		{"name among the excluded", "name-constraints-dns", func(c *x509.Certificate) { c.ExcludedDNSDomains = []string{"example.com"} }, authority.Profile{}, "db.example.com"},
		{"usage the issuer lacks", "ext-key-usage", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, authority.Profile{Template: coder}, "db.internal"},
		{"path too long", "path-length", func(c *x509.Certificate) { c.MaxPathLen, c.MaxPathLenZero = 0, true }, authority.Profile{Template: ca, Authority: true}, "Sub CA"},
		{"CA from a leaf profile", "ca", func(*x509.Certificate) {}, authority.Profile{Template: ca}, "Sub CA"},
		{"leaf from a CA profile", "not-ca", func(*x509.Certificate) {}, authority.Profile{Authority: true}, "db.internal"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ca := authoritytest.New(t, func(cfg *authority.Config) {
				replaceIssuer(t, cfg, newKey(t, kms.ECDSAP256), c.issuer)
				cfg.Profiles = []authority.Profile{c.profile}
			})
			csr := &authority.Request{Provisioner: authoritytest.Local, Local: true, CSR: ca.CSR(newKey(t, kms.ECDSAP256), c.subject)}
			_, err := ca.Try(csr)
			requireRefused(t, err, authority.Denied, c.code)
			ca.Check()
		})
	}
}

func TestTemplateCannotAddNames(t *testing.T) {
	tpl, err := step.Parse("adds", `{"subject": {{ toJson .Subject }}, "dnsNames": ["db.internal", "extra.internal"]}`)
	require.NoError(t, err)
	for _, trusted := range []bool{false, true} {
		ca := authoritytest.New(t, func(c *authority.Config) {
			c.Profiles = []authority.Profile{{Template: tpl, TemplateNames: trusted}}
		})
		got, err := ca.Try(signRequest(t, ca, "db.internal"))
		if trusted {
			require.NoError(t, err)
			require.Equal(t, []string{"db.internal", "extra.internal"}, got.Leaf.DNSNames)
			require.Contains(t, got.Record.Names, "extra.internal")
		} else {
			requireRefused(t, err, authority.Denied, "names")
		}
		ca.Check()
	}
}

func TestHostileCommonName(t *testing.T) {
	ca := authoritytest.New(t)
	for _, cn := range []string{`db","isCA":true,"x":"`, "db\x00.internal", "db\n.internal", `{"a":1}`} {
		csr := mustCSR(t, newKey(t, kms.Ed25519), &x509.CertificateRequest{Subject: pkix.Name{CommonName: cn}})
		got, err := ca.Try(&authority.Request{Provisioner: authoritytest.Local, Local: true, CSR: csr})
		if err == nil {
			require.Equal(t, cn, got.Leaf.Subject.CommonName)
			require.False(t, got.Leaf.IsCA)
		}
	}
	ca.Check()
}

func mustCSR(t testing.TB, key any, c *x509.CertificateRequest) *x509.CertificateRequest {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, c, key)
	require.NoError(t, err)
	csr, err := x509.ParseCertificateRequest(der)
	require.NoError(t, err)
	return csr
}

func TestKeyRules(t *testing.T) {
	for _, c := range []struct {
		rule authority.KeyRule
		key  kms.Algorithm
		code string
	}{
		{authority.KeyRule{}, kms.RSA2048, ""},
		{authority.KeyRule{MinRSABits: 3072}, kms.RSA2048, "key-size"},
		{authority.KeyRule{MinRSABits: 3072}, kms.Ed25519, ""},
		{authority.KeyRule{Curves: []elliptic.Curve{elliptic.P384()}}, kms.ECDSAP256, "key-curve"},
		{authority.KeyRule{Curves: []elliptic.Curve{elliptic.P384()}}, kms.ECDSAP384, ""},
		{authority.KeyRule{Algorithms: []x509.PublicKeyAlgorithm{x509.Ed25519}}, kms.ECDSAP256, "key-algorithm"},
		{authority.KeyRule{Algorithms: []x509.PublicKeyAlgorithm{x509.Ed25519}}, kms.Ed25519, ""},
	} {
		ca := authoritytest.New(t, func(cfg *authority.Config) { cfg.Profiles = []authority.Profile{{Keys: c.rule}} })
		_, err := ca.Try(&authority.Request{Provisioner: authoritytest.Local, Local: true, CSR: ca.CSR(newKey(t, c.key), "a.internal")})
		if c.code == "" {
			require.NoError(t, err)
		} else {
			requireRefused(t, err, authority.Denied, c.code)
		}
		ca.Check()
	}
}

// A template of step's that mixes ordinary names with others puts all of them into one extension. They are
// judged as they will be signed.
func TestMixedNames(t *testing.T) {
	mixed := func(dns string) *template.Template {
		tpl, err := step.Parse("mixed", `{"subject": {{ toJson .Subject }}, "sans": [
			{"type": "dns", "value": "`+dns+`"}, {"type": "userPrincipalName", "value": "joe@example.com"}]}`)
		require.NoError(t, err)
		return tpl
	}
	for _, c := range []struct {
		dns     string
		trusted bool
		code    string
	}{{"db.internal", true, ""}, {"other.internal", true, ""}, {"db.internal", false, "names"}, {"a..b", true, "dns-label"}} {
		ca := authoritytest.New(t, func(cfg *authority.Config) {
			cfg.Profiles = []authority.Profile{{Template: mixed(c.dns), TemplateNames: c.trusted}}
		})
		got, err := ca.Try(signRequest(t, ca, "db.internal"))
		if c.code == "" {
			require.NoError(t, err)
			require.Equal(t, []string{c.dns}, got.Leaf.DNSNames)
			require.Equal(t, []string{c.dns}, got.Record.Names)
			ca.Issue(renewal(got.Leaf))
		} else {
			require.Error(t, err)
			requireRefused(t, err, authority.Denied, c.code)
		}
		ca.Check()
	}
}
