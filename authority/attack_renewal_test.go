package authority_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
)

// changeable makes a CA whose configuration can be changed afterwards: each change begins with what the
// CA was made from.
func changeable(t testing.TB, options ...authoritytest.Option) (*authoritytest.CA, func(change func(*authority.Config))) {
	t.Helper()
	var kept authority.Config
	ca := authoritytest.New(t, append(options, func(c *authority.Config) { kept = *c })...)
	return ca, func(change func(*authority.Config)) {
		t.Helper()
		c := kept
		c.Store, c.Sinks = ca.Store, []event.Sink{ca.Events}
		change(&c)
		require.NoError(t, ca.Authority.Reconfigure(t.Context(), c))
	}
}

func unchanged(*authority.Config) {}

// A name that the provisioner no longer grants is not had again.
func TestRenewalByTodaysGrant(t *testing.T) {
	ca, reconfigure := changeable(t)
	old := ca.Leaf("a.internal", "b.internal").Leaf
	names := provisioner.ParseNames([]string{"a.internal"})
	for _, p := range []provisioner.Provisioner{
		&provisioner.Local{ID: authoritytest.Local, Names: names},
		granting(authoritytest.Local, &provisioner.Grant{Names: names}),
		granting(authoritytest.Local, &provisioner.Grant{}),
	} {
		reconfigure(func(c *authority.Config) { c.Provisioners, c.Bindings = []provisioner.Provisioner{p}, nil })
		_, err := ca.Try(renewal(old))
		requireRefused(t, err, authority.Denied, "names")
	}
	reconfigure(func(c *authority.Config) {
		c.Provisioners, c.Bindings = []provisioner.Provisioner{granting(authoritytest.Local, &provisioner.Grant{Names: provisioner.NamesOf(old)})}, nil
	})
	ca.Issue(renewal(old))
	ca.Check()
}

// Whoever gets a name after somebody else does not inherit the certificates, nor keep them renewed.
func TestReassignedNameIsNotRenewed(t *testing.T) {
	m, option := withInventory(t, authority.EntityRule{}, vm17())
	ca := authoritytest.New(t, option)
	leaf := ca.Issue(signRequest(t, ca, "vm-17.cloud.test")).Leaf
	require.NoError(t, m.Delete(t.Context(), "vm-17"))
	next := vm17()
	next.ID = "vm-99"
	require.NoError(t, m.Put(t.Context(), next))
	_, err := ca.Try(renewal(leaf))
	requireRefused(t, err, authority.Denied, "entity-changed")
	ca.Check()
}

// An old common name must be one of the entity's names, like all others.
func TestOldCommonNameIsAName(t *testing.T) {
	_, option := withInventory(t, authority.EntityRule{}, vm17())
	ca, reconfigure := changeable(t, option)
	r := signRequest(t, ca, "billing.internal")
	r.Token = ca.Token("vm-17.cloud.test", "billing.internal")
	old := ca.Issue(r).Leaf
	require.Equal(t, "vm-17.cloud.test", old.Subject.CommonName)
	reconfigure(func(c *authority.Config) {
		c.Profiles = []authority.Profile{{Entity: authority.EntityRule{Names: true}}}
	})
	_, err := ca.Try(renewal(old))
	requireRefused(t, err, authority.Denied, "entity-names")
	ca.Check()
}

// A certificate of an issuer that is no longer configured is a stranger's.
func TestRemovedIssuersCertificate(t *testing.T) {
	ca, reconfigure := changeable(t)
	old := ca.Leaf("a.internal").Leaf
	next := authoritytest.New(t)
	reconfigure(func(c *authority.Config) {
		c.Roots = []*x509.Certificate{next.Root}
		c.Issuers = []authority.Issuer{{Name: "next", Chain: []*x509.Certificate{next.Intermediate}, Signer: next.Signer()}}
	})
	_, err := ca.Try(renewal(old))
	requireRefused(t, err, authority.Unauthenticated, "foreign")
	reconfigure(unchanged)
	ca.Issue(renewal(old))
	ca.Check()
}

// legacy signs a leaf like another program would: with a key, in the name of parent, and marked.
func legacy(t testing.TB, parent *x509.Certificate, signer crypto.Signer, mark pkix.Extension, spoil ...func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	c := &x509.Certificate{
		SerialNumber: big.NewInt(77), Subject: pkix.Name{CommonName: "l.internal"}, DNSNames: []string{"l.internal"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtraExtensions: []pkix.Extension{mark},
	}
	for _, f := range spoil {
		f(c)
	}
	own := *parent
	own.PublicKey = signer.Public()
	der, err := x509.CreateCertificate(rand.Reader, c, &own, newKey(t, kms.ECDSAP256).Public(), signer)
	require.NoError(t, err)
	c, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}

// goodMark is the provisioner extension of what the JWK provisioner lets through.
func goodMark(t testing.TB, ca *authoritytest.CA) pkix.Extension {
	t.Helper()
	_, m, ok := provisioner.MarkOf(ca.Issue(signRequest(t, ca, "x.internal")).Leaf)
	require.True(t, ok)
	e, err := m.Extension(authoritytest.JWK)
	require.NoError(t, err)
	return e
}

// A certificate without record must bear the issuer's signature: its name, its key id and a good mark
// are anybody's to write.
func TestForgedLegacyCertificate(t *testing.T) {
	ca := authoritytest.New(t)
	forged := legacy(t, ca.Intermediate, newKey(t, kms.ECDSAP256), goodMark(t, ca))
	require.Equal(t, ca.Intermediate.SubjectKeyId, forged.AuthorityKeyId)
	require.Equal(t, ca.Intermediate.RawSubject, forged.RawIssuer)
	_, err := ca.Try(renewal(forged))
	requireRefused(t, err, authority.Unauthenticated, "foreign")
	r := renewal(forged)
	r.Operation, r.CSR = provisioner.X509Rekey, ca.CSR(newKey(t, kms.ECDSAP256), "l.internal")
	_, err = ca.Try(r)
	requireRefused(t, err, authority.Unauthenticated, "foreign")

	serial := authority.SerialOf(forged.SerialNumber)
	_, err = ca.Authority.Revoke(t.Context(), &authority.RevokeRequest{Serial: serial, Certificate: forged, Proof: provisioner.TLSProof})
	e, ok := errors.AsType[*authority.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, authority.Unauthenticated, e.Kind, "told at the door, before the provisioner is asked")
	require.Equal(t, "foreign", e.Code)
	_, err = ca.Authority.Revoke(t.Context(), &authority.RevokeRequest{Serial: serial, Certificate: forged, Token: ca.RevokeToken(forged)})
	requireRefused(t, err, authority.Denied, "foreign")
	_, err = ca.Authority.Certificate(t.Context(), serial)
	require.ErrorIs(t, err, authority.NotFound)
	ca.Check()
}

// Nor does the serial of a certificate that is on record help.
func TestForgedCertificateWithKnownSerial(t *testing.T) {
	ca := authoritytest.New(t)
	genuine := ca.Issue(signRequest(t, ca, "a.internal")).Leaf
	forged := legacy(t, ca.Intermediate, newKey(t, kms.ECDSAP256), goodMark(t, ca), func(c *x509.Certificate) { c.SerialNumber = genuine.SerialNumber })
	_, err := ca.Try(renewal(forged))
	requireRefused(t, err, authority.Unauthenticated, "foreign")
	_, err = ca.Authority.Revoke(t.Context(), &authority.RevokeRequest{
		Serial: authority.SerialOf(genuine.SerialNumber), Certificate: forged, Proof: provisioner.TLSProof,
	})
	require.ErrorIs(t, err, authority.Unauthenticated)
	ca.Issue(renewal(genuine))
	ca.Check()
}

// Of two issuers with one name, the one that signed is found, even where the certificate has no key id.
func TestLegacyOfTwoIssuersWithOneName(t *testing.T) {
	k1, k2, rootKey := newKey(t, kms.ECDSAP256), newKey(t, kms.ECDSAP256), newKey(t, kms.ECDSAP256)
	root := caCertificate(t, "Root", nil, rootKey.Public(), rootKey)
	i1, i2 := caCertificate(t, "I", root, k1.Public(), rootKey), caCertificate(t, "I", root, k2.Public(), rootKey)
	ca := authoritytest.New(t, func(c *authority.Config) {
		c.Roots = []*x509.Certificate{root}
		c.Issuers = []authority.Issuer{
			{Name: "one", Chain: []*x509.Certificate{i1}, Signer: kms.FromCrypto(k1)},
			{Name: "two", Chain: []*x509.Certificate{i2}, State: authority.Retiring, Signer: kms.FromCrypto(k2)},
		}
	})
	nameless := *i2
	nameless.SubjectKeyId = nil
	mark := goodMark(t, ca)
	c := legacy(t, &nameless, k2, mark)
	require.Empty(t, c.AuthorityKeyId)
	require.NoError(t, ca.Issue(renewal(c)).Leaf.CheckSignatureFrom(i1))
	_, err := ca.Try(renewal(legacy(t, &nameless, newKey(t, kms.ECDSAP256), mark)))
	requireRefused(t, err, authority.Unauthenticated, "foreign")
	ca.Check()
}

// What one request spends does not stick to a grant that the provisioner hands out again.
func TestSharedGrant(t *testing.T) {
	shared := &provisioner.Grant{Subject: "x.internal", Names: provisioner.ParseNames([]string{"x.internal"})}
	ca := authoritytest.New(t, func(c *authority.Config) { c.Provisioners = append(c.Provisioners, granting("f", shared)) })
	key := newKey(t, kms.ECDSAP256)
	c := ca.Issue(&authority.Request{Provisioner: "f", CSR: ca.CSR(key, "x.internal")})
	pair := &tls.Certificate{PrivateKey: key, Leaf: c.Leaf, Certificate: [][]byte{c.Leaf.Raw, ca.Intermediate.Raw}}
	for range 2 {
		ca.Issue(&authority.Request{Operation: provisioner.X509Renew, Token: renewToken(t, pair)})
		ca.Issue(renewal(c.Leaf))
	}
	require.Equal(t, &provisioner.Grant{Subject: "x.internal", Names: provisioner.Names{DNS: []string{"x.internal"}}}, shared)
	ca.Check()
}

// With a key of tokens go the certificates that it let through.
func TestWithdrawnTokenKey(t *testing.T) {
	ca, reconfigure := changeable(t)
	old := ca.Issue(signRequest(t, ca, "a.internal")).Leaf
	stranger := authoritytest.New(t).Authority.Provisioners()[1]
	require.Equal(t, authoritytest.JWK, stranger.Name())
	reconfigure(func(c *authority.Config) { c.Provisioners, c.Bindings = []provisioner.Provisioner{stranger}, nil })
	_, err := ca.Try(renewal(old))
	requireRefused(t, err, authority.Unauthenticated, "provisioner")
	reconfigure(unchanged)
	ca.Issue(renewal(old))
	ca.Check()
}

// A renewal names no other provisioner than its own, keeps its key, and needs a proof of it whatever the
// provisioner says.
func TestRenewalRequestAsItMustBe(t *testing.T) {
	ca := authoritytest.New(t, func(c *authority.Config) {
		c.Provisioners = append(c.Provisioners, granting("f", &provisioner.Grant{Subject: "a.internal", AnyName: true}))
	})
	csr := ca.CSR(newKey(t, kms.ECDSAP256), "a.internal")
	leaf := ca.Issue(&authority.Request{Provisioner: "f", CSR: csr}).Leaf
	for _, c := range []struct {
		name   string
		change func(*authority.Request)
		kind   authority.Kind
		code   string
	}{
		{"no proof", func(r *authority.Request) { r.Proof = provisioner.NoProof }, authority.BadRequest, "no-credential"},
		{"no proof, local", func(r *authority.Request) { r.Proof, r.Local = provisioner.NoProof, true }, authority.BadRequest, "no-credential"},
		{"no proof, rekey", func(r *authority.Request) {
			r.Operation, r.Proof, r.CSR = provisioner.X509Rekey, provisioner.NoProof, csr
		}, authority.BadRequest, "no-credential"},
		{"another provisioner", func(r *authority.Request) { r.Provisioner = authoritytest.Local }, authority.Denied, "provisioner"},
		{"a certificate request", func(r *authority.Request) { r.CSR = csr }, authority.BadRequest, "csr"},
		{"a token beside", func(r *authority.Request) { r.Token = ca.Token("a.internal") }, authority.BadRequest, "credential"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := renewal(leaf)
			c.change(r)
			_, err := ca.Try(r)
			requireRefused(t, err, c.kind, c.code)
		})
	}
	r := renewal(leaf)
	r.Provisioner = "f"
	ca.Issue(r)
	ca.Check()
}

// Whoever is left without a judge may end their own certificate, and no other.
func TestRevokesItsOwnSerialOnly(t *testing.T) {
	judge := authoritytest.Option(func(c *authority.Config) {
		c.Provisioners = append(c.Provisioners, granting("f", &provisioner.Grant{AnyName: true}))
	})
	ca, reconfigure := changeable(t, judge)
	issue := func() *x509.Certificate {
		return ca.Issue(&authority.Request{Provisioner: "f", CSR: ca.CSR(newKey(t, kms.ECDSAP256), "a.internal")}).Leaf
	}
	own, other := issue(), issue()
	revoke := func(serial *big.Int) error {
		_, err := ca.Authority.Revoke(context.Background(), &authority.RevokeRequest{Serial: authority.SerialOf(serial), Certificate: own, Proof: provisioner.TLSProof})
		return err
	}
	requireRefused(t, revoke(other.SerialNumber), authority.Denied, "serial")
	reconfigure(func(c *authority.Config) { c.Provisioners = c.Provisioners[:3] })
	requireRefused(t, revoke(other.SerialNumber), authority.Denied, "serial")
	require.NoError(t, revoke(own.SerialNumber))
	r, err := ca.Authority.Certificate(t.Context(), authority.SerialOf(other.SerialNumber))
	require.NoError(t, err)
	require.Nil(t, r.Revocation)
	ca.Check()
}
