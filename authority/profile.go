package authority

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/chancery-ca/chancery/authority/policy"
	"github.com/chancery-ca/chancery/inventory"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/template"
)

// profile is a Profile with its defaults filled in and its patterns compiled.
type profile struct {
	Profile
	groups map[string]*policy.Policy

	nameless bool // what it issues names nobody that policies are about
}

func newProfile(c Profile) (*profile, error) {
	p := &profile{Profile: c, groups: map[string]*policy.Policy{}}
	if p.Template == nil {
		p.Template = template.Leaf()
	}
	if err := template.CheckExtra(c.TemplateData); err != nil {
		return nil, err
	}
	var err error
	if p.Validity, err = c.Validity.withDefaults(); err != nil {
		return nil, err
	}
	for g, patterns := range c.Entity.Groups {
		allowed, perr := policy.New(policy.Config{Allow: policy.Rules{DNS: patterns}})
		if perr != nil {
			err = errors.Join(err, fmt.Errorf("group %q: %w", g, perr))
		}
		p.groups[g] = allowed
	}
	return p, err
}

func (v Validity) withDefaults() (Validity, error) {
	return v.withDefaultsOf(24*time.Hour, 24*time.Hour)
}

// withDefaultsOf fills in what is zero: usual when nothing is asked for, and longest as the maximum.
func (v Validity) withDefaultsOf(usual, longest time.Duration) (Validity, error) {
	const shortest = 5 * time.Minute
	if v.Min < 0 || v.Default < 0 || v.Max < 0 {
		return v, errors.New("a validity is negative")
	}
	if v.Max == 0 {
		v.Max = max(longest, v.Default, v.Min)
	}
	if v.Default == 0 {
		v.Default = min(max(usual, v.Min), v.Max)
	}
	if v.Min == 0 {
		v.Min = min(shortest, v.Default)
	}
	switch {
	case v.Backdate == 0:
		v.Backdate = time.Minute
	case v.Backdate < 0:
		v.Backdate = 0
	}
	if v.Min > v.Default || v.Default > v.Max {
		return v, fmt.Errorf("validity: minimum %s, default %s and maximum %s are not in order", v.Min, v.Default, v.Max)
	}
	return v, nil
}

func (r EntityRule) required() bool { return r.Required || r.Names || r.Groups != nil }

// entityNames returns what the inventory calls an entity.
func entityNames(e *inventory.Entity) (provisioner.Names, error) {
	n := provisioner.Names{Emails: e.Emails, URIs: e.URIs}
	for _, d := range e.DNS {
		n.DNS = append(n.DNS, provisioner.CanonicalDNS(d))
	}
	for _, s := range e.IPs {
		ip, err := netip.ParseAddr(s)
		if err != nil {
			return n, err
		}
		n.IPs = append(n.IPs, ip.Unmap())
	}
	return n, nil
}

// allowedByGroups says which of the names none of the entity's groups allows.
func (p *profile) allowedByGroups(e *inventory.Entity, n provisioner.Names) error {
	if s := (provisioner.Names{IPs: n.IPs, Emails: n.Emails, URIs: n.URIs}).Strings(); len(s) > 0 {
		return fmt.Errorf("profile %q issues only DNS names, not %q", p.Name, s[0])
	}
	for _, d := range n.DNS {
		if !p.groupsAllow(e.Groups, d) {
			return fmt.Errorf("no group of %q allows %q", e.ID, d)
		}
	}
	return nil
}

func (p *profile) groupsAllow(groups []string, name string) bool {
	for _, g := range groups {
		if allowed, ok := p.groups[g]; ok && allowed.Check(policy.Names{DNS: []string{name}}) == nil {
			return true
		}
	}
	return false
}
