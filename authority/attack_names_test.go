package authority_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/policy"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/template/step"
)

// withTemplate makes a CA whose default profile renders a template.
func withTemplate(t testing.TB, text string, change func(*authority.Config)) *authoritytest.CA {
	t.Helper()
	tpl, err := step.Parse("attack", text)
	require.NoError(t, err)
	return authoritytest.New(t, func(c *authority.Config) {
		c.Profiles = []authority.Profile{{Template: tpl}}
		if change != nil {
			change(c)
		}
	})
}

// tryWith asks for db.internal, and tells the template more.
func tryWith(t testing.TB, ca *authoritytest.CA, user map[string]any) (*authority.Certificate, error) {
	t.Helper()
	r := signRequest(t, ca, "db.internal")
	r.UserData = user
	return ca.Try(r)
}

func rules(t testing.TB, c policy.Config) *policy.Policy {
	t.Helper()
	p, err := policy.New(c)
	require.NoError(t, err)
	return p
}

func trusting(c *authority.Config) { c.Profiles[0].TemplateNames = true }

const templateWithNames = `{"subject": {{ toJson .Subject }}, "dnsNames": {{ toJson .Insecure.User.names }}}`

// The program's own rule sees what will be in the certificate, and its no counts.
func TestDecideSeesTheTemplatesNames(t *testing.T) {
	ca := withTemplate(t, templateWithNames, func(c *authority.Config) {
		trusting(c)
		c.Decide = func(_ context.Context, d *authority.Decision) error {
			if slices.Contains(d.Names.DNS, "admin.internal") {
				return errors.New("no admins")
			}
			return nil
		}
	})
	_, err := tryWith(t, ca, map[string]any{"names": []any{"db.internal", "admin.internal"}})
	requireRefused(t, err, authority.Denied, "decide")
	c, err := tryWith(t, ca, map[string]any{"names": []any{"db.internal", "web.internal"}})
	require.NoError(t, err)
	require.Equal(t, []string{"db.internal", "web.internal"}, c.Leaf.DNSNames)
	ca.Check()
}

// What it writes into the decision goes nowhere: not into the certificate, the record, what is spent, nor
// back to the provisioner.
func TestDecideWritesNothing(t *testing.T) {
	fresh := func() *provisioner.Grant {
		return &provisioner.Grant{
			Subject: "db.internal", Names: provisioner.ParseNames([]string{"db.internal"}), Spend: provisioner.Spend{ID: "once", Until: time.Unix(1<<33, 0)},
			Identifiers: provisioner.IdentifiersOf("db.internal"), Claims: map[string]any{"team": "db"},
		}
	}
	shared := fresh()
	m, option := withInventory(t, authority.EntityRule{}, vm17())
	e := vm17()
	e.Identifiers[0].Value = "db.internal"
	require.NoError(t, m.Put(t.Context(), e))
	ca := authoritytest.New(t, option, func(c *authority.Config) {
		c.Provisioners = append(c.Provisioners, granting("f", shared))
		c.Decide = func(_ context.Context, d *authority.Decision) error {
			d.Names.DNS[0], d.Grant.Names.DNS[0], d.Grant.Identifiers[0].Value, d.Grant.Claims["team"] = "evil.internal", "evil.internal", "evil", "evil"
			d.Grant.Spend, d.Grant.Subject, d.Entity.ID = provisioner.Spend{}, "evil", "evil"
			d.NotAfter, d.Profile, d.Provisioner = d.NotAfter.AddDate(9, 0, 0), "evil", authoritytest.Local
			return nil
		}
	})
	r := &authority.Request{Provisioner: "f", CSR: ca.CSR(newKey(t, kms.ECDSAP256), "db.internal")}
	c := ca.Issue(r)
	require.Equal(t, []string{"db.internal"}, c.Leaf.DNSNames)
	require.WithinDuration(t, time.Now().Add(24*time.Hour), c.Leaf.NotAfter, time.Minute)
	require.Equal(t, "db.internal", c.Record.Subject)
	require.Equal(t, "vm-17", c.Record.Entity)
	require.Equal(t, "f", c.Record.Provisioner)
	require.Equal(t, fresh().Identifiers, c.Record.Identifiers)
	require.Equal(t, fresh(), shared)
	_, err := ca.Try(r)
	requireRefused(t, err, authority.Unauthenticated, "spent")
	ca.Check()
}

// Names that a trusted template adds are judged like all others.
func TestPolicyJudgesTheTemplatesNames(t *testing.T) {
	ca := withTemplate(t, templateWithNames, func(c *authority.Config) {
		trusting(c)
		c.Policy = rules(t, policy.Config{Allow: policy.Rules{DNS: []string{"db.internal", "web.internal"}}})
	})
	_, err := tryWith(t, ca, map[string]any{"names": []any{"db.internal", "admin.internal"}})
	requireRefused(t, err, authority.Denied, "policy-dns")
	_, err = tryWith(t, ca, map[string]any{"names": []any{"db.internal", "web.internal"}})
	require.NoError(t, err)
	ca.Check()
}

// A name of a type that no policy can judge is not issued where there is a policy, whosever it is.
func TestOtherNameWherePolicy(t *testing.T) {
	const text = `{"subject": {{ toJson .Subject }}, "sans": [{"type": "userPrincipalName", "value": "administrator@corp"}]}`
	allow := rules(t, policy.Config{Allow: policy.Rules{DNS: []string{"db.internal"}}})
	e := vm17()
	e.Identifiers[0].Value = "db.internal"
	for name, change := range map[string]func(*authority.Config){
		"an untrusted template": nil,
		"the authority":         func(c *authority.Config) { trusting(c); c.Policy = allow },
		"the profile":           func(c *authority.Config) { trusting(c); c.Profiles[0].Policy = allow },
		"the provisioner": func(c *authority.Config) {
			trusting(c)
			c.Bindings = map[string]authority.Binding{authoritytest.JWK: {Policy: allow}}
		},
		"groups": func(c *authority.Config) {
			_, option := withInventory(t, authority.EntityRule{}, e)
			p := c.Profiles[0]
			option(c)
			p.Entity.Groups = map[string][]string{"billing": {"db.internal"}}
			c.Profiles[0] = p
			trusting(c)
		},
	} {
		t.Run(name, func(t *testing.T) {
			ca := withTemplate(t, text, change)
			_, err := tryWith(t, ca, nil)
			requireRefused(t, err, authority.Denied, "names")
			ca.Check()
		})
	}
	ca := withTemplate(t, text, trusting)
	_, err := tryWith(t, ca, nil)
	require.NoError(t, err, "nobody has a policy")
	ca.Check()
}

const templateWithAttribute = `{"subject": {"commonName": {{ toJson .Subject.CommonName }}, "extraNames": [{"type": %q, "value": {{ toJson .Insecure.User.v }}}]}, "sans": {{ toJson .SANs }}}`

const twoCommonNames = `{"subject": {"extraNames": [
	{"type": "2.5.4.3", "value": {{ toJson .Subject.CommonName }}}, {"type": "2.5.4.3", "value": {{ toJson .Insecure.User.v }}}
]}, "sans": {{ toJson .SANs }}}`

// A second common name is refused even to a trusted template.
func TestSecondCommonName(t *testing.T) {
	for _, change := range []func(*authority.Config){nil, trusting} {
		ca := withTemplate(t, twoCommonNames, change)
		_, err := tryWith(t, ca, map[string]any{"v": "evil.internal"})
		requireRefused(t, err, authority.Denied, "subject")
		ca.Check()
	}
}

// An only common name is a name however the template spells it.
func TestCommonNameAsAttribute(t *testing.T) {
	const text = `{"subject": {"extraNames": [{"type": "2.5.4.3", "value": {{ toJson .Insecure.User.v }}}]}, "sans": {{ toJson .SANs }}}`
	ca := withTemplate(t, text, nil)
	_, err := tryWith(t, ca, map[string]any{"v": "evil.internal"})
	requireRefused(t, err, authority.Denied, "names")
	_, err = tryWith(t, ca, map[string]any{"v": "db.internal"})
	require.NoError(t, err)
	ca = withTemplate(t, text, func(c *authority.Config) {
		trusting(c)
		c.Policy = rules(t, policy.Config{Deny: policy.Rules{DNS: []string{"evil.internal"}}})
	})
	_, err = tryWith(t, ca, map[string]any{"v": "evil.internal"})
	requireRefused(t, err, authority.Denied, "policy-cn")
	ca.Check()
}

// An e-mail address in the subject is one like those among the alternative names.
func TestMailInTheSubject(t *testing.T) {
	text := fmt.Sprintf(templateWithAttribute, "1.2.840.113549.1.9.1")
	ca := withTemplate(t, text, nil)
	_, err := tryWith(t, ca, map[string]any{"v": "root@corp.test"})
	requireRefused(t, err, authority.Denied, "names")
	ca.Check()

	ca = withTemplate(t, text, func(c *authority.Config) {
		trusting(c)
		c.Policy = rules(t, policy.Config{Deny: policy.Rules{Email: []string{"root@corp.test"}}})
	})
	_, err = tryWith(t, ca, map[string]any{"v": "root@corp.test"})
	requireRefused(t, err, authority.Denied, "policy-email")
	_, err = tryWith(t, ca, map[string]any{"v": "joe@corp.test"})
	require.NoError(t, err)
	ca.Check()
}

// A leaf with its issuer's name would look self-signed.
func TestLeafNamedLikeItsIssuer(t *testing.T) {
	ca := authoritytest.New(t)
	r := signRequest(t, ca, "db.internal")
	r.Token = ca.Token(ca.Intermediate.Subject.CommonName, "db.internal")
	_, err := ca.Try(r)
	requireRefused(t, err, authority.Denied, "subject")
	ca.Check()
}

// So many names are refused before anybody is asked about them.
func TestTooManyNames(t *testing.T) {
	asked := 0
	ca := authoritytest.New(t, func(c *authority.Config) {
		c.Provisioners = append(c.Provisioners, provisioner.Func("f", func(context.Context, *provisioner.Request) (*provisioner.Grant, error) {
			asked++
			return nil, provisioner.Refuse(provisioner.NotAllowed, "asked", "no")
		}))
	})
	var names []string
	for i := range 1001 {
		names = append(names, []string{fmt.Sprintf("n%d.internal", i), fmt.Sprintf("10.0.%d.%d", i>>8, i&255), fmt.Sprintf("n%d@corp.test", i), fmt.Sprintf("spiffe://td/%d", i)}[i%4])
	}
	key := newKey(t, kms.ECDSAP256)
	_, err := ca.Try(&authority.Request{Provisioner: "f", CSR: ca.CSR(key, names...)})
	requireRefused(t, err, authority.BadRequest, "too-many-names")
	require.Zero(t, asked)
	_, err = ca.Try(&authority.Request{Provisioner: "f", CSR: ca.CSR(key, names[1:]...)})
	requireRefused(t, err, authority.Denied, "asked")
	require.Equal(t, 1, asked)
	ca.Check()
}
