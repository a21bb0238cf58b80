package authority_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
)

// Nobody changes a running configuration behind the checks; the race detector has a word here.
func TestConfigurationIsNotTheCallersAnyMore(t *testing.T) {
	var kept authority.Config
	ca := authoritytest.New(t, func(c *authority.Config) {
		c.Profiles = []authority.Profile{{}, {Name: "other"}, {Name: "secret"}}
		c.Bindings = map[string]authority.Binding{authoritytest.Local: {Profiles: []string{"other"}}}
		kept = *c
	})
	ask := func(profile string) *authority.Request {
		return &authority.Request{Provisioner: authoritytest.Local, Local: true, Profile: profile, CSR: ca.CSR(newKey(t, kms.ECDSAP256), "a.internal")}
	}
	want := ca.Authority.Provisioners()[0]
	start := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		<-start
		for range 20 {
			ca.Authority.Explain(t.Context(), ask("other"))
		}
	})
	close(start)
	kept.Bindings[authoritytest.Local].Profiles[0] = "secret"
	kept.Bindings[authoritytest.Local] = authority.Binding{Profile: "nowhere", Profiles: []string{"secret"}}
	kept.Profiles[0], kept.Profiles[1] = authority.Profile{Authority: true}, authority.Profile{Name: "other", Authority: true}
	kept.Provisioners[0] = &provisioner.Local{ID: "nobody"}
	kept.Issuers[0].State = authority.Retired
	kept.Issuers[0].Chain[0], kept.Roots[0], kept.URLs[0] = ca.Root, ca.Intermediate, "https://elsewhere.test"
	readers.Wait()

	_, err := ca.Try(ask("secret"))
	requireRefused(t, err, authority.Denied, "profile")
	require.Equal(t, "other", ca.Issue(ask("other")).Record.Profile)
	require.Empty(t, ca.Issue(ask("")).Record.Profile)
	ca.Issue(signRequest(t, ca, "a.internal"))
	require.Equal(t, want, ca.Authority.Provisioners()[0])
	require.NotSame(t, ca.Intermediate, ca.Authority.Roots()[0])
	ca.Check()
}

// Nor what its templates say beside the request.
func TestTemplateDataIsNotTheCallersAnyMore(t *testing.T) {
	data := map[string]any{"org": "Good Inc"}
	ca := withTemplate(t, `{"subject": {"commonName": "db.internal", "organization": {{ toJson .org }}}, "sans": {{ toJson .SANs }}}`,
		func(c *authority.Config) { c.Profiles[0].TemplateData = data })
	data["org"] = "Evil Inc"
	c, err := tryWith(t, ca, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"Good Inc"}, c.Leaf.Subject.Organization)
	ca.Check()
}

// What the credential is for, the request does not change.
func TestGrantsProfileBinds(t *testing.T) {
	ca := authoritytest.New(t, func(c *authority.Config) {
		c.Provisioners = append(c.Provisioners, granting("f", &provisioner.Grant{Subject: "a.internal", AnyName: true, Profile: "short"}))
		c.Profiles = []authority.Profile{{Name: "short"}, {Name: "long"}}
		c.Bindings = map[string]authority.Binding{"f": {Profiles: []string{"short", "long"}}}
	})
	r := &authority.Request{Provisioner: "f", Profile: "long", CSR: ca.CSR(newKey(t, kms.ECDSAP256), "a.internal")}
	_, err := ca.Try(r)
	requireRefused(t, err, authority.Denied, "profile")
	for _, name := range []string{"", "short"} {
		r.Profile = name
		require.Equal(t, "short", ca.Issue(r).Record.Profile)
	}
	ca.Check()
}

// A renewal is of the profile that the certificate was issued under, or, once that is not allowed any
// more, of the provisioner's own.
func TestRenewalKeepsItsProfile(t *testing.T) {
	ca, reconfigure := changeable(t, func(c *authority.Config) {
		c.Profiles = []authority.Profile{{Name: "strict"}, {Name: "lax"}}
		c.Bindings = map[string]authority.Binding{authoritytest.Local: {Profiles: []string{"strict", "lax"}}}
	})
	leaf := ca.Issue(&authority.Request{Provisioner: authoritytest.Local, Local: true, Profile: "strict", CSR: ca.CSR(newKey(t, kms.ECDSAP256), "a.internal")}).Leaf
	r := renewal(leaf)
	r.Profile = "lax"
	_, err := ca.Try(r)
	requireRefused(t, err, authority.Denied, "profile")
	require.Equal(t, "strict", ca.Issue(renewal(leaf)).Record.Profile)

	reconfigure(func(c *authority.Config) {
		c.Bindings = map[string]authority.Binding{authoritytest.Local: {Profile: "lax"}}
	})
	require.Equal(t, "lax", ca.Issue(renewal(leaf)).Record.Profile)
	ca.Check()
}

// A credential of today is for about today.
func TestBeginFarAway(t *testing.T) {
	ca := authoritytest.New(t)
	for _, d := range []time.Duration{9 * 365 * 24 * time.Hour, 25 * time.Hour, -23 * time.Hour, -2 * time.Minute} {
		r := signRequest(t, ca, "db.internal")
		r.NotBefore = authority.When{Duration: d}
		_, err := ca.Try(r)
		requireRefused(t, err, authority.Denied, "validity-begin")
	}
	ca.Check()
}

// A certificate does not begin before its credential did: what nobody asked for is cut to fit.
func TestCredentialsBeginning(t *testing.T) {
	began := time.Now().Add(-20 * time.Second).Truncate(time.Second)
	ca := authoritytest.New(t, func(c *authority.Config) {
		c.Provisioners = append(c.Provisioners, granting("f", &provisioner.Grant{
			Subject: "a.internal", AnyName: true, Validity: provisioner.Validity{NotBefore: began},
		}))
	})
	r := &authority.Request{Provisioner: "f", CSR: ca.CSR(newKey(t, kms.ECDSAP256), "a.internal")}
	require.WithinDuration(t, began, ca.Issue(r).Leaf.NotBefore, 0, "backdated to the beginning, no farther")
	r.NotBefore = authority.When{Time: began.Add(-10 * time.Second)}
	_, err := ca.Try(r)
	requireRefused(t, err, authority.Denied, "validity-credential")
	ca.Check()
}

// A template may shorten what was decided, and nothing else.
func TestTemplatesValidity(t *testing.T) {
	for name, c := range map[string]struct{ field, value string }{
		"too late":  {"notAfter", "2099-01-01T00:00:00Z"},
		"too early": {"notBefore", "2001-01-01T00:00:00Z"},
		"backwards": {"notAfter", "2001-01-01T00:00:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			ca := withTemplate(t, `{"subject": {{ toJson .Subject }}, "sans": {{ toJson .SANs }}, "`+c.field+`": "`+c.value+`"}`, nil)
			_, err := tryWith(t, ca, nil)
			requireRefused(t, err, authority.Denied, "validity-template")
			ca.Check()
		})
	}
	ca := withTemplate(t, `{"subject": {{ toJson .Subject }}, "sans": {{ toJson .SANs }}, "notAfter": {{ toJson .Insecure.User.end }}}`, nil)
	end := time.Now().Add(time.Hour).Truncate(time.Second).UTC()
	c, err := tryWith(t, ca, map[string]any{"end": end.Format(time.RFC3339)})
	require.NoError(t, err)
	require.Equal(t, end, c.Leaf.NotAfter)
	ca.Check()
}
