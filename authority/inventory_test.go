package authority_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/inventory"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/template/step"
)

func vm17() *inventory.Entity {
	return &inventory.Entity{
		ID: "vm-17", Kind: inventory.Host, Active: true, DNS: []string{"billing.internal", "api.billing.internal"},
		Identifiers: []inventory.Identifier{{Kind: provisioner.HostName, Value: "vm-17.cloud.test"}},
		Groups:      []string{"billing"}, Attributes: map[string]any{"owner": "finance"},
	}
}

func withInventory(t testing.TB, rule authority.EntityRule, es ...*inventory.Entity) (*inventory.Memory, authoritytest.Option) {
	t.Helper()
	m, err := inventory.NewMemory(es...)
	require.NoError(t, err)
	return m, func(c *authority.Config) {
		c.Inventory = m
		c.Profiles = []authority.Profile{{Entity: rule}}
	}
}

func TestEntityRequired(t *testing.T) {
	m, option := withInventory(t, authority.EntityRule{Required: true}, vm17())
	ca := authoritytest.New(t, option)
	_, err := ca.Try(signRequest(t, ca, "vm-18.cloud.test"))
	requireRefused(t, err, authority.Denied, "entity-unknown")
	leaf := ca.Issue(signRequest(t, ca, "vm-17.cloud.test")).Leaf
	r, err := ca.Authority.Certificate(t.Context(), authority.SerialOf(leaf.SerialNumber))
	require.NoError(t, err)
	require.Equal(t, "vm-17", r.Entity)

	gone := vm17()
	gone.Active = false
	require.NoError(t, m.Put(t.Context(), gone))
	_, err = ca.Try(signRequest(t, ca, "vm-17.cloud.test"))
	requireRefused(t, err, authority.Denied, "entity-inactive")
	_, err = ca.Try(renewal(leaf))
	requireRefused(t, err, authority.Denied, "entity-inactive")

	require.NoError(t, m.Delete(t.Context(), "vm-17"))
	_, err = ca.Try(renewal(leaf))
	requireRefused(t, err, authority.Denied, "entity-unknown")
	ca.Check()
}

// Whoever was known when the certificate was issued must be known when it is renewed, even where the
// profile asks for nobody.
func TestRemovedEntityIsNotRenewed(t *testing.T) {
	m, option := withInventory(t, authority.EntityRule{}, vm17())
	ca := authoritytest.New(t, option)
	unknown := ca.Issue(signRequest(t, ca, "vm-18.cloud.test")).Leaf
	known := ca.Issue(signRequest(t, ca, "vm-17.cloud.test")).Leaf
	require.NoError(t, m.Delete(t.Context(), "vm-17"))
	ca.Issue(renewal(unknown))
	_, err := ca.Try(renewal(known))
	requireRefused(t, err, authority.Denied, "entity-removed")
	ca.Check()
}

func TestNamesFromInventory(t *testing.T) {
	m, option := withInventory(t, authority.EntityRule{Names: true}, vm17())
	ca := authoritytest.New(t, option)
	leaf := ca.Issue(signRequest(t, ca, "vm-17.cloud.test")).Leaf
	require.Equal(t, []string{"billing.internal", "api.billing.internal"}, leaf.DNSNames)
	require.Equal(t, "billing.internal", leaf.Subject.CommonName)

	ca.Issue(renewal(leaf))
	moved := vm17()
	moved.DNS = []string{"billing.internal"}
	require.NoError(t, m.Put(t.Context(), moved))
	_, err := ca.Try(renewal(leaf))
	requireRefused(t, err, authority.Denied, "entity-names")

	nameless := vm17()
	nameless.DNS = nil
	require.NoError(t, m.Put(t.Context(), nameless))
	_, err = ca.Try(signRequest(t, ca, "vm-17.cloud.test"))
	requireRefused(t, err, authority.Denied, "entity-names")
	ca.Check()
}

func TestGroupsAllowNames(t *testing.T) {
	rule := authority.EntityRule{Groups: map[string][]string{"billing": {"**.billing.internal"}, "hr": {"**.hr.internal"}}}
	e := vm17()
	e.Identifiers = append(e.Identifiers, inventory.Identifier{Kind: provisioner.Subject, Value: "deploy"})
	m, option := withInventory(t, rule, e)
	ca := authoritytest.New(t, option)
	ask := func(names ...string) *authority.Request {
		return &authority.Request{Token: ca.Token("deploy", names...), CSR: ca.CSR(newKey(t, "EC-P256"), names...)}
	}
	leaf := ca.Issue(ask("a.billing.internal", "b.c.billing.internal")).Leaf
	for _, bad := range [][]string{{"a.hr.internal"}, {"a.billing.internal", "a.hr.internal"}, {"billing.internal"}, {"10.0.0.1"}, {"x@billing.internal"}} {
		_, err := ca.Try(ask(bad...))
		requireRefused(t, err, authority.Denied, "group")
	}
	e.Groups = []string{"hr"}
	require.NoError(t, m.Put(t.Context(), e))
	_, err := ca.Try(ask("a.billing.internal"))
	requireRefused(t, err, authority.Denied, "group")
	_, err = ca.Try(renewal(leaf))
	requireRefused(t, err, authority.Denied, "group")
	ca.Check()
}

func TestEntityReachesTemplateAndEvents(t *testing.T) {
	tpl, err := step.Parse("entity", `{"subject": {"commonName": {{ toJson .Subject.CommonName }}, "organizationalUnit": {{ toJson .Entity.Attributes.owner }}}, "sans": {{ toJson .SANs }}}`)
	require.NoError(t, err)
	_, option := withInventory(t, authority.EntityRule{Required: true}, vm17())
	ca := authoritytest.New(t, option, func(c *authority.Config) { c.Profiles[0].Template = tpl })
	leaf := ca.Issue(signRequest(t, ca, "vm-17.cloud.test")).Leaf
	require.Equal(t, []string{"finance"}, leaf.Subject.OrganizationalUnit)
	ca.Check()
}

func TestInventoryDown(t *testing.T) {
	_, option := withInventory(t, authority.EntityRule{}, vm17())
	ca := authoritytest.New(t, option)
	ca.Faults.Fail(authoritytest.Lookup, 1)
	r := signRequest(t, ca, "vm-17.cloud.test")
	_, err := ca.Try(r)
	requireRefused(t, err, authority.Unavailable, "inventory")
	ca.Issue(r)
	ca.Check()
}
