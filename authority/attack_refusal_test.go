package authority_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/eventtest"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/template/step"
)

func audited(c *authority.Config) {
	c.Outbox = []authority.Delivery{{Name: "audit", Sink: event.SinkFunc(func(context.Context, event.Event) error { return nil })}}
}

func rowsFor(t testing.TB, ca *authoritytest.CA, sink string) int {
	t.Helper()
	rows, err := ca.Store.Outbox(t.Context(), sink, 0, 1000)
	require.NoError(t, err)
	return len(rows)
}

// Nobody fills the disk without a credential; who has one is on file.
func TestRefusalsWithoutCredentialCostNoRow(t *testing.T) {
	ca := authoritytest.New(t, audited)
	stranger := authoritytest.New(t)
	csr := ca.CSR(newKey(t, kms.ECDSAP256), "a.internal")
	for _, r := range []*authority.Request{
		{}, {Token: "garbage"}, {Token: "a.b.c", CSR: csr}, {Provisioner: "nobody", CSR: csr}, {Provisioner: authoritytest.Local, CSR: csr},
		{Token: stranger.Token("a.internal"), CSR: csr}, {Token: ca.Token("a.internal")}, {Operation: "x509/bless"},
		renewal(stranger.Leaf("a.internal").Leaf), {Operation: provisioner.X509Renew, Token: "a.b.c"},
	} {
		_, err := ca.Try(r)
		require.Error(t, err)
	}
	for _, r := range []*authority.RevokeRequest{
		{}, {Serial: "1"}, {Serial: "1", Token: "a.b.c"}, {Serial: "1", Token: stranger.TokenFor("/1.0/revoke", "1")},
	} {
		_, err := ca.Authority.Revoke(t.Context(), r)
		require.Error(t, err)
	}
	require.Len(t, ca.Events.OfType(event.RequestRefused), 14, "those in this process are told all the same")
	require.Zero(t, rowsFor(t, ca, "audit"))

	_, err := ca.Try(&authority.Request{Token: ca.Token("a b"), CSR: ca.CSR(newKey(t, kms.ECDSAP256))})
	require.ErrorIs(t, err, authority.Denied)
	require.Equal(t, 1, rowsFor(t, ca, "audit"))
	_, err = ca.Authority.Revoke(t.Context(), &authority.RevokeRequest{Serial: "1", Token: ca.TokenFor("/1.0/revoke", "1")})
	requireRefused(t, err, authority.NotFound, "serial")
	require.Equal(t, 2, rowsFor(t, ca, "audit"))
	ca.Check()
}

// Nor does a certificate that is not one of ours, or good no more, buy a row with a revocation.
func TestRefusedRevocationByCertificateCostsNoRow(t *testing.T) {
	ca := authoritytest.New(t, audited)
	foreign := authoritytest.New(t).Leaf("a.internal").Leaf
	_, err := ca.Authority.Revoke(t.Context(), &authority.RevokeRequest{
		Serial: authority.SerialOf(foreign.SerialNumber), Certificate: foreign, Proof: provisioner.TLSProof,
	})
	requireRefused(t, err, authority.Unauthenticated, "foreign")
	require.Zero(t, rowsFor(t, ca, "audit"))
	ca.Check()
}

// A sink in the place of another one of its name gets what comes from then on, and the other one nothing.
func TestReplacedSinkIsTakenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var first, second eventtest.Recorder
		ca, reconfigure := changeable(t, func(c *authority.Config) {
			c.Outbox = []authority.Delivery{{Name: "audit", Sink: &first}}
		})
		stop := background(t, ca.Authority)
		a := ca.Leaf("a.internal").Leaf
		time.Sleep(2 * time.Minute)
		reconfigure(func(c *authority.Config) { c.Outbox = []authority.Delivery{{Name: "audit", Sink: &second}} })
		time.Sleep(2 * time.Minute)
		b := ca.Leaf("b.internal").Leaf
		time.Sleep(2 * time.Minute)
		stop()
		issued := func(r *eventtest.Recorder) (serials []string) {
			for _, e := range r.OfType(event.CertificateIssued) {
				serials = append(serials, e.Subject)
			}
			return serials
		}
		require.Equal(t, []string{string(authority.SerialOf(a.SerialNumber))}, issued(&first))
		require.Equal(t, []string{string(authority.SerialOf(b.SerialNumber))}, issued(&second))
		require.Zero(t, rowsFor(t, ca, "audit"))
		ca.Check()
	})
}

// What a caller wrote at length comes back cut, in errors and in events.
func TestLongReasonsAreCut(t *testing.T) {
	ca := authoritytest.New(t)
	var names []string
	for i := range 900 {
		names = append(names, fmt.Sprintf("name-%04d.internal", i))
	}
	many := ca.CSR(newKey(t, kms.ECDSAP256), names...)
	for _, r := range []*authority.Request{
		{Token: ca.Token("a.internal"), CSR: many},
		{Provisioner: strings.Repeat("é", 2000), CSR: many},
		{Provisioner: "x" + strings.Repeat("é", 2000), CSR: many},
		{Provisioner: "\xff\xfe\x00" + strings.Repeat("\xc3", 2000), CSR: many},
	} {
		x := ca.Authority.Explain(t.Context(), r)
		_, err := ca.Try(r)
		require.Error(t, err)
		require.NotNil(t, x.Err)
		es := ca.Events.OfType(event.RequestRefused)
		for _, reason := range []string{x.Err.Reason, es[len(es)-1].Data.(event.Refusal).Reason} {
			require.Less(t, len(reason), 600)
			require.True(t, utf8.ValidString(reason))
		}
	}
	ca.Check()
}

// A template that fails over a claim does not tell the claim.
func TestTemplateErrorsDoNotQuoteClaims(t *testing.T) {
	const secret = "hunter2secret"
	grant := &provisioner.Grant{Subject: "a.internal", Names: provisioner.ParseNames([]string{"a.internal"}), Claims: map[string]any{"secret": secret}}
	failed := 0
	for _, text := range []string{
		`"keyUsage": {{ toJson .Token.secret }}`,
		`"extKeyUsage": [{{ toJson .Token.secret }}]`,
		`"{{ .Token.secret }}": 1`,
		`"notBefore": {{ toJson .Token.secret }}`,
		`"extensions": [{"id": {{ toJson .Token.secret }}}]`,
		`"ipAddresses": [{{ toJson .Token.secret }}]`,
		`"uris": [{{ toJson (printf "%%%s" .Token.secret) }}]`,
		`"signatureAlgorithm": {{ toJson .Token.secret }}`,
		`"basicConstraints": {{ toJson .Token.secret }}`,
		`"dnsNames": {{ index .Token.secret 9999 }}`,
		`"dnsNames": [{{ .Token.secret }}`,
	} {
		tpl, err := step.Parse("attack", `{"subject": {{ toJson .Subject }}, `+text+`}`)
		if err != nil {
			require.NotContains(t, err.Error(), secret)
			continue
		}
		ca := authoritytest.New(t, func(c *authority.Config) {
			c.Profiles = []authority.Profile{{Template: tpl}}
			c.Provisioners = append(c.Provisioners, granting("f", grant))
		})
		_, err = ca.Try(&authority.Request{Provisioner: "f", CSR: ca.CSR(newKey(t, kms.ECDSAP256), "a.internal")})
		require.Error(t, err, text)
		failed++
		told, jerr := json.Marshal(ca.Events.Events())
		require.NoError(t, jerr)
		for _, s := range []string{err.Error(), fmt.Sprintf("%+v", err), string(told)} {
			require.NotContains(t, s, secret, text)
		}
		ca.Check()
	}
	require.Greater(t, failed, 5, "the templates are to fail while they render, not before")
}
