package authority_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"testing"
	"testing/synctest"
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

func renewal(c *x509.Certificate) *authority.Request {
	return &authority.Request{Operation: provisioner.X509Renew, Certificate: c, Proof: provisioner.TLSProof}
}

func TestRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := authoritytest.New(t)
		old := ca.Leaf("db.internal", "10.0.0.1").Leaf
		time.Sleep(16 * time.Hour)
		c := ca.Issue(renewal(old)).Leaf
		require.Equal(t, old.RawSubject, c.RawSubject)
		require.Equal(t, old.RawSubjectPublicKeyInfo, c.RawSubjectPublicKeyInfo)
		require.NotEqual(t, old.SerialNumber, c.SerialNumber)
		require.Equal(t, old.NotAfter.Sub(old.NotBefore), c.NotAfter.Sub(c.NotBefore))
		require.True(t, c.NotAfter.After(old.NotAfter))
		requireSameExtensions(t, old, c)
		r, err := ca.Authority.Certificate(t.Context(), authority.SerialOf(c.SerialNumber))
		require.NoError(t, err)
		require.Equal(t, authority.SerialOf(old.SerialNumber), r.Previous)
		require.Len(t, ca.Events.OfType(event.CertificateRenewed), 1)
		ca.Check()
	})
}

func requireSameExtensions(t testing.TB, old, c *x509.Certificate) {
	t.Helper()
	byID := map[string]pkix.Extension{}
	for _, e := range c.Extensions {
		byID[e.Id.String()] = e
	}
	require.Len(t, c.Extensions, len(old.Extensions))
	for _, e := range old.Extensions {
		require.Equal(t, e, byID[e.Id.String()], "extension %s", e.Id)
	}
}

func TestRenewKeepsEveryExtension(t *testing.T) {
	tpl, err := step.Parse("custom", `{
		"subject": {{ toJson .Subject }}, "sans": {{ toJson .SANs }},
		"keyUsage": ["digitalSignature", "keyAgreement"], "extKeyUsage": ["serverAuth", "timeStamping"],
		"policyIdentifiers": ["1.2.3.4"], "ocspServer": ["http://ocsp.test"], "crlDistributionPoints": ["http://crl.test/1"],
		"extensions": [{"id": "1.2.3.4.5", "critical": false, "value": "BAMBAgM="}]
	}`)
	require.NoError(t, err)
	ca := authoritytest.New(t, func(c *authority.Config) { c.Profiles = []authority.Profile{{Template: tpl}} })
	old := ca.Leaf("db.internal").Leaf
	requireSameExtensions(t, old, ca.Issue(renewal(old)).Leaf)
	ca.Check()
}

func TestRekey(t *testing.T) {
	ca := authoritytest.New(t)
	old := ca.Leaf("db.internal").Leaf
	key := newKey(t, kms.Ed25519)
	c := ca.Issue(&authority.Request{
		Operation: provisioner.X509Rekey, Certificate: old, Proof: provisioner.TLSProof, CSR: ca.CSR(key, "ignored.internal"),
	}).Leaf
	require.Equal(t, []string{"db.internal"}, c.DNSNames)
	require.Equal(t, key.Public(), c.PublicKey)
	require.NotEqual(t, old.SubjectKeyId, c.SubjectKeyId)
	ca.Check()
}

func TestRenewalIsJudgedByToday(t *testing.T) {
	ca := authoritytest.New(t)
	config := func(change func(*authority.Config)) authority.Config {
		c := authority.Config{
			Roots: []*x509.Certificate{ca.Root}, URLs: []string{authoritytest.URL},
			Issuers:      []authority.Issuer{{Name: "intermediate", Chain: []*x509.Certificate{ca.Intermediate}, Signer: ca.Signer()}},
			Provisioners: []provisioner.Provisioner{&provisioner.Local{ID: authoritytest.Local, AnyName: true}},
		}
		change(&c)
		return c
	}
	old := ca.Leaf("db.internal").Leaf
	deny, err := policy.New(policy.Config{Deny: policy.Rules{DNS: []string{"db.internal"}}})
	require.NoError(t, err)
	for _, c := range []struct {
		name   string
		change func(*authority.Config)
		kind   authority.Kind
		code   string
	}{
		{"policy", func(c *authority.Config) { c.Policy = deny }, authority.Denied, "policy-cn"},
		{"renewal disabled", func(c *authority.Config) {
			c.Provisioners[0].(*provisioner.Local).Renewal.Disabled = true
		}, authority.Unauthenticated, "renewal-disabled"},
		{"provisioner gone", func(c *authority.Config) { c.Provisioners[0].(*provisioner.Local).ID = "other" }, authority.Unauthenticated, "provisioner"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.NoError(t, ca.Authority.Reconfigure(t.Context(), config(c.change)))
			_, err := ca.Try(renewal(old))
			requireRefused(t, err, c.kind, c.code)
		})
	}
	short := config(func(c *authority.Config) {
		c.Profiles = []authority.Profile{{Validity: authority.Validity{Max: time.Hour}}}
	})
	require.NoError(t, ca.Authority.Reconfigure(t.Context(), short))
	c := ca.Issue(renewal(old)).Leaf
	require.Equal(t, time.Hour+time.Minute, c.NotAfter.Sub(c.NotBefore), "cut to today's maximum")
}

func TestRenewAfterExpiry(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ca := authoritytest.New(t, func(c *authority.Config) {
				c.Provisioners[0].(*provisioner.Local).Renewal.AfterExpiry = allowed
			})
			leaf := ca.Leaf("db.internal")
			time.Sleep(48 * time.Hour)
			r := &authority.Request{Operation: provisioner.X509Renew, Token: renewToken(t, leaf)}
			_, err := ca.Try(r)
			if !allowed {
				requireRefused(t, err, authority.Unauthenticated, "expired")
				return
			}
			require.NoError(t, err)
			_, err = ca.Try(r)
			requireRefused(t, err, authority.Unauthenticated, "spent")
			ca.Check()
		})
	}
}

func renewToken(t testing.TB, leaf *tls.Certificate) string {
	t.Helper()
	token, err := authoritytest.RenewToken(leaf, authoritytest.URL+"/1.0/renew")
	require.NoError(t, err)
	return token
}

func TestRevokedIsNotRenewed(t *testing.T) {
	ca := authoritytest.New(t)
	_, err := ca.Try(renewal(ca.Revoked("db.internal").Leaf))
	requireRefused(t, err, authority.Unauthenticated, "revoked")
	_, err = ca.Try(&authority.Request{Operation: provisioner.X509Renew, Token: renewToken(t, ca.Revoked("db.internal"))})
	requireRefused(t, err, authority.Unauthenticated, "revoked")
}

// A certificate that another program issued under the same intermediate, step-ca before it was replaced
// for example, has no record. Its mark says who judges it.
func TestCertificateWithoutRecord(t *testing.T) {
	ca := authoritytest.New(t)
	marked := func(m provisioner.Mark, name string) *x509.Certificate {
		e, err := m.Extension(name)
		require.NoError(t, err)
		return ca.SignAnything(func(c *x509.Certificate) { c.ExtraExtensions = append(c.ExtraExtensions, e) }, "legacy.internal").Leaf
	}
	_, mark, _ := provisioner.MarkOf(ca.Issue(signRequest(t, ca, "x.internal")).Leaf)
	legacy := marked(mark, authoritytest.JWK)
	c := ca.Issue(renewal(legacy)).Leaf
	requireSameExtensionIDs(t, legacy, c)

	for name, bad := range map[string]*x509.Certificate{
		"unmarked":   ca.SignAnything(func(*x509.Certificate) {}, "legacy.internal").Leaf,
		"other key":  marked(provisioner.Mark{Type: provisioner.TypeJWK, CredentialID: "other"}, authoritytest.JWK),
		"other name": marked(mark, "gone"),
		"a CA":       ca.SignAnything(func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }, "x").Leaf,
		"a stranger": authoritytest.New(t).Leaf("legacy.internal").Leaf,
	} {
		_, err := ca.Try(renewal(bad))
		require.Error(t, err, name)
	}

	v, err := ca.Authority.Revoke(t.Context(), &authority.RevokeRequest{
		Serial: authority.SerialOf(legacy.SerialNumber), Certificate: legacy, Proof: provisioner.TLSProof,
	})
	require.NoError(t, err)
	require.Equal(t, authoritytest.JWK, v.Provisioner)
	_, err = ca.Try(renewal(legacy))
	requireRefused(t, err, authority.Unauthenticated, "revoked")
}

func requireSameExtensionIDs(t testing.TB, a, b *x509.Certificate) {
	t.Helper()
	ids := func(c *x509.Certificate) (s []string) {
		for _, e := range c.Extensions {
			if !e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 14}) {
				s = append(s, e.Id.String())
			}
		}
		return s
	}
	require.ElementsMatch(t, ids(a), ids(b))
}

func TestRevoke(t *testing.T) {
	ca := authoritytest.New(t)
	leaf := ca.Issue(signRequest(t, ca, "db.internal")).Leaf
	serial := authority.SerialOf(leaf.SerialNumber)
	revoke := func(r authority.RevokeRequest) error {
		if r.Serial == "" {
			r.Serial = serial
		}
		_, err := ca.Authority.Revoke(t.Context(), &r)
		return err
	}
	other := ca.Leaf("other.internal").Leaf
	requireRefused(t, revoke(authority.RevokeRequest{}), authority.BadRequest, "no-credential")
	requireRefused(t, revoke(authority.RevokeRequest{Serial: "zz", Local: true}), authority.BadRequest, "serial")
	requireRefused(t, revoke(authority.RevokeRequest{ReasonCode: 7, Local: true}), authority.BadRequest, "reason")
	requireRefused(t, revoke(authority.RevokeRequest{ReasonCode: 11, Local: true}), authority.BadRequest, "reason")
	requireRefused(t, revoke(authority.RevokeRequest{Serial: "123", Local: true}), authority.NotFound, "serial")
	requireRefused(t, revoke(authority.RevokeRequest{Token: ca.RevokeToken(other)}), authority.Denied, "serial")
	requireRefused(t, revoke(authority.RevokeRequest{Token: ca.Token("db.internal")}), authority.Unauthenticated, "audience")
	requireRefused(t, revoke(authority.RevokeRequest{Certificate: other, Proof: provisioner.TLSProof}), authority.Denied, "serial")
	requireRefused(t, revoke(authority.RevokeRequest{Certificate: leaf}), authority.BadRequest, "no-credential")

	// A token of one provisioner does not revoke what another one issued.
	requireRefused(t, revoke(authority.RevokeRequest{Serial: authority.SerialOf(other.SerialNumber), Token: ca.RevokeToken(other)}), authority.Denied, "owner")

	token := ca.RevokeToken(leaf)
	require.NoError(t, revoke(authority.RevokeRequest{Token: token, ReasonCode: 1, Reason: "lost"}))
	requireRefused(t, revoke(authority.RevokeRequest{Token: token}), authority.Conflict, "revoked")
	r, err := ca.Authority.Certificate(t.Context(), serial)
	require.NoError(t, err)
	require.Equal(t, 1, r.Revocation.ReasonCode)
	require.Equal(t, "lost", r.Revocation.Reason)
	require.Equal(t, authoritytest.JWK, r.Revocation.Provisioner)
	events := ca.Events.OfType(event.CertificateRevoked)
	require.Len(t, events, 1)

	require.NoError(t, revoke(authority.RevokeRequest{Serial: authority.SerialOf(other.SerialNumber), Certificate: other, Proof: provisioner.TLSProof}))
	ca.Check()
}

func TestRevokeTokenIsSpentOnce(t *testing.T) {
	ca := authoritytest.New(t, func(c *authority.Config) {
		c.Bindings = map[string]authority.Binding{authoritytest.JWK: {RevokeAny: true}}
	})
	leaf := ca.Leaf("db.internal").Leaf
	_, err := ca.Authority.Revoke(t.Context(), &authority.RevokeRequest{Serial: authority.SerialOf(leaf.SerialNumber), Token: ca.RevokeToken(leaf)})
	require.NoError(t, err, "RevokeAny lifts ownership")
	ca.Check()
}

func TestRecordSaysWhoseKey(t *testing.T) {
	ca := authoritytest.New(t)
	leaf := ca.Leaf("db.internal").Leaf
	r, err := ca.Authority.Certificate(t.Context(), authority.SerialOf(leaf.SerialNumber))
	require.NoError(t, err)
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	require.Equal(t, hex.EncodeToString(sum[:]), r.KeyID)
}
