package authority_test

import (
	"context"
	"crypto/x509"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/eventtest"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
)

// background runs a until the test's bubble ends.
func background(t testing.TB, a *authority.Authority) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	return func() {
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	}
}

func TestRunDeliversTheOutbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got eventtest.Recorder
		ca := authoritytest.New(t, func(c *authority.Config) { c.Outbox = []authority.Delivery{{Name: "audit", Sink: &got}} })
		first := ca.Leaf("a.internal").Leaf
		_, err := ca.Try(&authority.Request{})
		require.Error(t, err, "nobody asked: that costs no row")
		_, err = ca.Try(&authority.Request{Token: ca.Token("a b"), CSR: ca.CSR(newKey(t, kms.Ed25519))})
		require.ErrorIs(t, err, authority.Denied)
		require.Empty(t, got.Events(), "nothing is delivered until Run")
		stop := background(t, ca.Authority)
		time.Sleep(5 * time.Second)
		second := ca.Leaf("b.internal").Leaf
		time.Sleep(5 * time.Second)
		stop()
		var serials []string
		for _, e := range got.OfType(event.CertificateIssued) {
			serials = append(serials, e.Subject)
		}
		require.Equal(t, []string{string(authority.SerialOf(first.SerialNumber)), string(authority.SerialOf(second.SerialNumber))}, serials)
		require.Len(t, got.OfType(event.RequestRefused), 1)
		left, err := ca.Store.Outbox(t.Context(), "audit", 0, 10)
		require.NoError(t, err)
		require.Empty(t, left)
		ca.Check()
	})
}

func TestRunTakesUpNewSinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := authoritytest.New(t)
		stop := background(t, ca.Authority)
		var got eventtest.Recorder
		require.NoError(t, ca.Authority.Reconfigure(t.Context(), authority.Config{
			Roots: []*x509.Certificate{ca.Root}, Sinks: []event.Sink{ca.Events},
			Issuers:      []authority.Issuer{{Name: "intermediate", Chain: []*x509.Certificate{ca.Intermediate}, Signer: ca.Signer()}},
			Provisioners: []provisioner.Provisioner{&provisioner.Local{ID: authoritytest.Local, AnyName: true}},
			Outbox:       []authority.Delivery{{Name: "late", Sink: &got}},
		}))
		ca.Leaf("a.internal")
		time.Sleep(2 * time.Minute)
		require.Len(t, got.OfType(event.CertificateIssued), 1)
		stop()
		ca.Check()
	})
}

func TestRunReconcilesAndPrunes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := authoritytest.New(t, func(c *authority.Config) { c.Retention = time.Hour })
		ca.Faults.Fail(authoritytest.Abandon, 1)
		ca.Faults.Fail(authoritytest.Sign, 1)
		_, err := ca.Try(signRequest(t, ca, "a.internal"))
		require.ErrorIs(t, err, authority.Unavailable)
		leaf := ca.Issue(signRequest(t, ca, "b.internal")).Leaf
		stop := background(t, ca.Authority)
		time.Sleep(10 * time.Minute)
		page, err := ca.Store.List(t.Context(), authority.Query{Status: authority.Abandoned})
		require.NoError(t, err)
		require.Len(t, page.Records, 1)
		require.Len(t, ca.Events.OfType(event.IssuanceAbandoned), 1)
		time.Sleep(48 * time.Hour)
		_, err = ca.Authority.Certificate(t.Context(), authority.SerialOf(leaf.SerialNumber))
		require.ErrorIs(t, err, authority.NotFound)
		stop()
	})
}

func TestIssuerNotice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := authoritytest.New(t, func(c *authority.Config) {
			replaceIssuer(t, c, newKey(t, kms.ECDSAP256), func(c *x509.Certificate) { c.NotAfter = time.Now().Add(40 * 24 * time.Hour) })
		})
		stop := background(t, ca.Authority)
		time.Sleep(time.Hour)
		require.Empty(t, ca.Events.OfType(event.IssuerExpiring))
		time.Sleep(15 * 24 * time.Hour)
		require.NotEmpty(t, ca.Events.OfType(event.IssuerExpiring))
		stop()
	})
}

func TestIdentityRenewsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := authoritytest.New(t)
		id, err := authority.NewIdentity(t.Context(), ca.Authority, authority.IdentityOptions{Provisioner: authoritytest.Local, Names: []string{"ca.internal"}})
		require.NoError(t, err)
		serial := func() authority.Serial {
			c, err := id.Certificate(t.Context())
			require.NoError(t, err)
			require.Len(t, c.Certificate, 2)
			return authority.SerialOf(c.Leaf.SerialNumber)
		}
		first := serial()
		time.Sleep(15 * time.Hour)
		require.Equal(t, first, serial())
		time.Sleep(2 * time.Hour)
		ca.Faults.Fail(authoritytest.Sign, 1)
		require.Equal(t, first, serial(), "a failed renewal keeps the current certificate")
		require.Equal(t, first, serial(), "and is not tried again at once")
		time.Sleep(2 * time.Minute)
		require.NotEqual(t, first, serial())
		ca.Faults.Fail(authoritytest.Sign, 1)
		require.Error(t, id.Renew(t.Context()))
	})
}

func TestIssuersByProfile(t *testing.T) {
	second, rootKey := newKey(t, kms.Ed25519), newKey(t, kms.ECDSAP256)
	root := caCertificate(t, "Second Root", nil, rootKey.Public(), rootKey)
	inter := caCertificate(t, "Second CA", root, second.Public(), rootKey)
	option := func(state authority.State) authoritytest.Option {
		return func(c *authority.Config) {
			c.Roots = append(c.Roots, root)
			c.Issuers = append(c.Issuers, authority.Issuer{Name: "second", State: state, Chain: []*x509.Certificate{inter}, Signer: kms.FromCrypto(second)})
			c.Profiles = []authority.Profile{{Name: "special", Issuer: "second"}}
			c.Bindings = map[string]authority.Binding{authoritytest.Local: {Profiles: []string{"special"}}}
		}
	}
	ca := authoritytest.New(t, option(authority.Active))
	ask := func(profile string) *authority.Request {
		return &authority.Request{Provisioner: authoritytest.Local, Local: true, Profile: profile, CSR: ca.CSR(newKey(t, kms.Ed25519), "a.internal")}
	}
	require.Equal(t, "Second CA", ca.Issue(ask("special")).Leaf.Issuer.CommonName)
	require.Equal(t, "Test Intermediate CA", ca.Issue(ask("")).Leaf.Issuer.CommonName)
	_, err := ca.Try(ask("unheard of"))
	requireRefused(t, err, authority.Denied, "profile")
	r := signRequest(t, ca, "a.internal")
	r.Profile = "special"
	_, err = ca.Try(r)
	requireRefused(t, err, authority.Denied, "profile")

	// What was issued under a profile is renewed under it, by its issuer of today.
	renewed := ca.Issue(renewal(ca.Issue(ask("special")).Leaf))
	require.Equal(t, "Second CA", renewed.Leaf.Issuer.CommonName)
	require.Len(t, ca.Authority.Intermediates(), 2)
	ca.Check()

	ca = authoritytest.New(t, option(authority.Retiring))
	_, err = ca.Try(ask("special"))
	requireRefused(t, err, authority.Unavailable, "issuer")
	ca.Check()
}
