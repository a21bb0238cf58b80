package authority_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/policy"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/template/step"
)

func newKey(t testing.TB, alg kms.Algorithm) crypto.Signer {
	t.Helper()
	k, err := kms.Generate(alg)
	require.NoError(t, err)
	return k
}

// signRequest asks with a one-time token of the JWK provisioner.
func signRequest(t testing.TB, ca *authoritytest.CA, names ...string) *authority.Request {
	t.Helper()
	return &authority.Request{Token: ca.Token(names[0], names...), CSR: ca.CSR(newKey(t, kms.ECDSAP256), names...)}
}

func requireRefused(t testing.TB, err error, kind authority.Kind, code string) {
	t.Helper()
	e, ok := errors.AsType[*authority.Error](err)
	require.True(t, ok, "not an *authority.Error: %v", err)
	require.ErrorIs(t, err, kind)
	require.Equal(t, code, e.Code, "%v", err)
	require.NotEmpty(t, e.Reason)
	require.NotEmpty(t, e.Step)
}

func TestIssueEveryKey(t *testing.T) {
	algorithms := []kms.Algorithm{kms.ECDSAP256, kms.ECDSAP384, kms.ECDSAP521, kms.Ed25519, kms.RSA2048}
	for _, issuer := range algorithms {
		signer := newKey(t, issuer)
		ca := authoritytest.New(t, func(c *authority.Config) { replaceIssuer(t, c, signer) })
		for _, leaf := range algorithms {
			t.Run(string(issuer)+" signs "+string(leaf), func(t *testing.T) {
				key := newKey(t, leaf)
				c := ca.Issue(&authority.Request{Token: ca.Token("db.internal"), CSR: ca.CSR(key, "db.internal")})
				_, err := c.Leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), Intermediates: poolOf(c.Chain[1:]), DNSName: "db.internal"})
				require.NoError(t, err)
				require.True(t, key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(c.Leaf.PublicKey))
				require.Len(t, c.Chain, 2, "leaf and intermediate, without the root")
			})
		}
		ca.Check()
	}
}

func poolOf(cs []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range cs {
		p.AddCert(c)
	}
	return p
}

// replaceIssuer gives c a root of its own that issues by itself through an intermediate with that key.
func replaceIssuer(t testing.TB, c *authority.Config, signer crypto.Signer, spoil ...func(*x509.Certificate)) {
	t.Helper()
	rootKey := newKey(t, kms.ECDSAP256)
	root := caCertificate(t, "Root", nil, rootKey.Public(), rootKey)
	inter := caCertificate(t, "Issuing CA", root, signer.Public(), rootKey, spoil...)
	c.Roots = []*x509.Certificate{root}
	c.Issuers = []authority.Issuer{{Name: "issuing", Chain: []*x509.Certificate{inter}, Signer: kms.FromCrypto(signer)}}
}

func TestCertificateContents(t *testing.T) {
	ca := authoritytest.New(t)
	before := time.Now()
	c := ca.Issue(signRequest(t, ca, "db.internal", "10.0.0.1", "joe@example.com", "spiffe://td/db"))
	leaf := c.Leaf
	require.Equal(t, "db.internal", leaf.Subject.CommonName)
	require.Equal(t, []string{"db.internal"}, leaf.DNSNames)
	require.Equal(t, "10.0.0.1", leaf.IPAddresses[0].String())
	require.Equal(t, []string{"joe@example.com"}, leaf.EmailAddresses)
	require.Equal(t, "spiffe://td/db", leaf.URIs[0].String())
	require.Equal(t, x509.KeyUsageDigitalSignature, leaf.KeyUsage)
	require.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, leaf.ExtKeyUsage)
	require.False(t, leaf.IsCA)
	require.Len(t, leaf.SerialNumber.Bytes(), 16)
	require.Equal(t, ca.Intermediate.SubjectKeyId, leaf.AuthorityKeyId)
	sum := sha256.Sum256(mustUncompressed(t, leaf.PublicKey))
	require.Equal(t, sum[:20], leaf.SubjectKeyId, "RFC 7093, method 1")
	require.WithinDuration(t, before.Add(-time.Minute), leaf.NotBefore, 2*time.Second)
	require.WithinDuration(t, before.Add(24*time.Hour), leaf.NotAfter, 2*time.Second)

	name, mark, ok := provisioner.MarkOf(leaf)
	require.True(t, ok)
	require.Equal(t, authoritytest.JWK, name)
	require.Equal(t, provisioner.TypeJWK, mark.Type)
	require.NotEmpty(t, mark.CredentialID)

	r, err := ca.Authority.Certificate(t.Context(), authority.SerialOf(leaf.SerialNumber))
	require.NoError(t, err)
	require.Equal(t, leaf.Raw, r.DER)
	require.Equal(t, leaf.RawTBSCertificate, r.TBS)
	require.Equal(t, "db.internal", r.Subject)
	require.Equal(t, authoritytest.JWK, r.Provisioner)
	ca.Check()
}

func mustUncompressed(t testing.TB, pub any) []byte {
	b, err := pub.(*ecdsa.PublicKey).Bytes()
	require.NoError(t, err)
	return b
}

func TestTokenIsSpentOnce(t *testing.T) {
	ca := authoritytest.New(t)
	r := signRequest(t, ca, "db.internal")
	ca.Issue(r)
	_, err := ca.Try(r)
	requireRefused(t, err, authority.Unauthenticated, "spent")
	ca.Check()
}

func TestRefusedRequestDoesNotBurnToken(t *testing.T) {
	ca := authoritytest.New(t)
	r := signRequest(t, ca, "db.internal")
	wrong := *r
	wrong.CSR = ca.CSR(newKey(t, kms.ECDSAP256), "other.internal")
	_, err := ca.Try(&wrong)
	require.ErrorIs(t, err, authority.Denied)
	wrong = *r
	wrong.NotAfter = authority.When{Duration: 1000 * time.Hour}
	_, err = ca.Try(&wrong)
	requireRefused(t, err, authority.Denied, "validity-long")
	ca.Issue(r)
	ca.Check()
}

func TestFailedSignatureGivesTokenBack(t *testing.T) {
	ca := authoritytest.New(t)
	r := signRequest(t, ca, "db.internal")
	ca.Faults.Fail(authoritytest.Sign, 1)
	_, err := ca.Try(r)
	requireRefused(t, err, authority.Unavailable, "signer")
	ca.Issue(r)
	ca.Check()
}

func TestValidity(t *testing.T) {
	ca := authoritytest.New(t)
	now := time.Now()
	abs := func(d time.Duration) authority.When { return authority.When{Time: now.Add(d)} }
	rel := func(d time.Duration) authority.When { return authority.When{Duration: d} }
	for _, c := range []struct {
		name       string
		from, to   authority.When
		begin, end time.Duration // from now
		kind       authority.Kind
		code       string
	}{
		{name: "default", begin: -time.Minute, end: 24 * time.Hour},
		{name: "relative end", to: rel(time.Hour), begin: -time.Minute, end: time.Hour},
		{name: "absolute end", to: abs(2 * time.Hour), begin: -time.Minute, end: 2 * time.Hour},
		{name: "relative begin", from: rel(time.Hour), to: rel(time.Hour), begin: time.Hour, end: 2 * time.Hour},
		{name: "begin without end", from: abs(time.Hour), begin: time.Hour, end: 25 * time.Hour},
		{name: "the maximum", to: rel(24 * time.Hour), begin: -time.Minute, end: 24 * time.Hour},
		{name: "over the maximum", to: rel(25 * time.Hour), kind: authority.Denied, code: "validity-long"},
		{name: "under the minimum", to: rel(4 * time.Minute), kind: authority.Denied, code: "validity-short"},
		{name: "in the past", to: abs(-time.Hour), kind: authority.BadRequest, code: "validity"},
		{name: "before the beginning", from: rel(2 * time.Hour), to: abs(time.Hour), kind: authority.BadRequest, code: "validity"},
		{name: "all in the past", from: abs(-3 * time.Hour), to: abs(-2 * time.Hour), kind: authority.BadRequest, code: "validity"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := signRequest(t, ca, "db.internal")
			r.NotBefore, r.NotAfter = c.from, c.to
			got, err := ca.Try(r)
			if c.code != "" {
				requireRefused(t, err, c.kind, c.code)
				return
			}
			require.NoError(t, err)
			require.WithinDuration(t, now.Add(c.begin), got.Leaf.NotBefore, 3*time.Second)
			require.WithinDuration(t, now.Add(c.end), got.Leaf.NotAfter, 3*time.Second)
		})
	}
	ca.Check()
}

func TestLeafDoesNotOutliveIssuer(t *testing.T) {
	short := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(time.Hour) }
	ca := authoritytest.New(t, func(c *authority.Config) { replaceIssuer(t, c, newKey(t, kms.ECDSAP256), short) })
	got := ca.Issue(signRequest(t, ca, "db.internal"))
	require.True(t, got.Truncated)
	require.Equal(t, got.Chain[1].NotAfter, got.Leaf.NotAfter)
	cut := ca.Events.OfType(event.ValidityTruncated)
	require.Len(t, cut, 1)
	ca.Check()

	ca = authoritytest.New(t, func(c *authority.Config) {
		replaceIssuer(t, c, newKey(t, kms.ECDSAP256), short)
		c.Issuers[0].RefuseTruncation = true
	})
	_, err := ca.Try(signRequest(t, ca, "db.internal"))
	requireRefused(t, err, authority.Denied, "issuer-ends")
	ca.Check()
}

func TestExplain(t *testing.T) {
	ca := authoritytest.New(t)
	r := signRequest(t, ca, "db.internal")
	x := ca.Authority.Explain(t.Context(), r)
	require.Nil(t, x.Err)
	require.Len(t, x.Steps, 5)
	require.Equal(t, "db.internal", x.Decision.Grant.Subject)
	require.NotEmpty(t, x.TBS)
	require.Empty(t, ca.Events.Events(), "explaining tells nobody")
	ca.Issue(r) // nor does it spend anything

	x = ca.Authority.Explain(t.Context(), &authority.Request{Token: ca.Token("a.internal"), CSR: ca.CSR(newKey(t, kms.ECDSAP256), "b.internal")})
	require.ErrorIs(t, x.Err, authority.Denied)
	require.Len(t, x.Steps, 1)
	require.Equal(t, "refused", x.Steps[0].Outcome)
	require.Nil(t, x.Template)
	ca.Check()
}

func TestNoCredentialNoCertificate(t *testing.T) {
	ca := authoritytest.New(t)
	csr := ca.CSR(newKey(t, kms.ECDSAP256), "db.internal")
	stranger := authoritytest.New(t)
	for name, r := range map[string]*authority.Request{
		"nothing":               {CSR: csr},
		"not local":             {CSR: csr, Provisioner: authoritytest.Local},
		"token for local":       {CSR: csr, Provisioner: authoritytest.Local, Token: ca.Token("db.internal"), Local: true},
		"unknown provisioner":   {CSR: csr, Provisioner: "nobody", Token: ca.Token("db.internal")},
		"foreign token":         {CSR: csr, Token: stranger.Token("db.internal")},
		"foreign token, named":  {CSR: csr, Provisioner: authoritytest.JWK, Token: stranger.Token("db.internal")},
		"revoke token":          {CSR: csr, Token: ca.TokenFor("/1.0/revoke", "db.internal")},
		"garbage":               {CSR: csr, Token: "a.b.c"},
		"local without a CSR":   {Provisioner: authoritytest.Local, Local: true},
		"unknown operation":     {Operation: "x509/bless", CSR: csr, Token: ca.Token("db.internal")},
		"revoke is no issuance": {Operation: provisioner.X509Revoke, CSR: csr, Token: ca.Token("db.internal")},
		"renew without a proof": {Operation: provisioner.X509Renew, Certificate: ca.Leaf("db.internal").Leaf},
		"renew of a stranger":   {Operation: provisioner.X509Renew, Certificate: stranger.Leaf("x").Leaf, Proof: provisioner.TLSProof},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ca.Try(r)
			require.Error(t, err)
			_, ok := errors.AsType[*authority.Error](err)
			require.True(t, ok)
		})
	}
	ca.Check()
}

// Authority, profile and provisioner each have a word, and all of them have to agree.
func TestEveryPolicyMustAgree(t *testing.T) {
	allow := func(patterns ...string) *policy.Policy {
		p, err := policy.New(policy.Config{Allow: policy.Rules{DNS: patterns}})
		require.NoError(t, err)
		return p
	}
	ca := authoritytest.New(t, func(c *authority.Config) {
		c.Policy = allow("**.internal")
		c.Profiles = []authority.Profile{{Policy: allow("a.x.internal", "b.x.internal")}}
		c.Bindings = map[string]authority.Binding{authoritytest.JWK: {Policy: allow("a.x.internal", "a.y.internal")}}
	})
	x := ca.Authority.Explain(t.Context(), signRequest(t, ca, "a.x.internal"))
	require.Nil(t, x.Err)
	require.Len(t, x.Policies, 3)
	require.Equal(t, "**.internal", x.Policies[0].Verdicts[0].Rule)
	ca.Issue(signRequest(t, ca, "a.x.internal"))
	for name, whose := range map[string]string{"a.y.internal": "profile", "b.x.internal": "provisioner", "a.example.com": "the authority"} {
		_, err := ca.Try(signRequest(t, ca, name))
		require.ErrorIs(t, err, authority.Denied)
		require.ErrorContains(t, err, "policy of "+whose)
	}
	ca.Issue(&authority.Request{Provisioner: authoritytest.Local, Local: true, CSR: ca.CSR(newKey(t, kms.Ed25519), "b.x.internal")})
	ca.Check()
}

// What a record says is in the certificate is what a search must find, not what was granted.
func TestRecordHasTheCertificatesNames(t *testing.T) {
	tpl, err := step.Parse("first", `{"subject": {{ toJson .Subject }}, "dnsNames": ["a.internal"]}`)
	require.NoError(t, err)
	ca := authoritytest.New(t, func(c *authority.Config) { c.Profiles = []authority.Profile{{Template: tpl}} })
	got := ca.Issue(signRequest(t, ca, "a.internal", "b.internal"))
	require.Equal(t, []string{"a.internal"}, got.Record.Names)
	ca.Check()
}
