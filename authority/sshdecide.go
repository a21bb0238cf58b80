package authority

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/authority/policy"
	"github.com/chancery-ca/chancery/inventory"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/sshca"
)

// SSHDecision is what a [Decision] knows about an SSH certificate.
type SSHDecision struct {
	Type       provisioner.SSHType
	Key        ssh.PublicKey
	KeyID      string
	Principals []string         // the most that the certificate may have
	Previous   *ssh.Certificate // nil for new ones
}

// principals are those that were decided on; nil before that, and for X.509.
func (d *Decision) principals() []string {
	if d.SSH == nil {
		return nil
	}
	return d.SSH.Principals
}

// decide is step 3: may this be issued?
func (p *sshPassage) decide(context.Context) (string, *Error) {
	if err := p.judgeKey(); err != nil {
		return "", err
	}
	g := p.grant.SSH
	d := &p.decision
	*d = Decision{
		Operation: p.operation, Provisioner: p.provisioner.Name(), Profile: p.profile.Name, Grant: p.grant,
		Entity: p.entity, RequestID: p.requestID,
		SSH: &SSHDecision{Type: g.Type, Key: p.key(), KeyID: g.KeyID, Previous: p.old},
	}
	if d.SSH.KeyID == "" {
		d.SSH.KeyID = p.grant.Subject
	}
	if err := p.settlePrincipals(); err != nil {
		return "", err
	}
	if err := p.settleLife(); err != nil {
		return "", err
	}
	if err := p.judgePrincipals(d.SSH.Principals); err != nil {
		return "", err
	}
	if p.trace == nil {
		return "", nil
	}
	return fmt.Sprintf("%s certificate for %q, %s to %s", g.Type, d.SSH.Principals,
		d.NotBefore.UTC().Format(time.RFC3339), d.NotAfter.UTC().Format(time.RFC3339)), nil
}

func (p *sshPassage) judgeKey() *Error {
	if pr := sshca.LintKey(p.key(), p.profile.Keys.MinRSABits); pr != nil {
		return &Error{Kind: Denied, Code: pr.Code, Reason: pr.Reason}
	}
	k, ok := p.key().(ssh.CryptoPublicKey)
	if !ok {
		return refuse(Denied, "", "key-algorithm", "keys of type %.60q are not certified", p.key().Type())
	}
	return p.profile.Keys.check(k.CryptoPublicKey())
}

// settlePrincipals works out the most principals that the certificate may have. None at all is a refusal,
// since a certificate without them is good for everybody.
func (p *sshPassage) settlePrincipals() *Error {
	d, g := p.decision.SSH, p.grant.SSH
	switch {
	case p.old != nil:
		d.Principals = slices.Clone(p.old.ValidPrincipals)
		for _, s := range d.Principals {
			if !slices.Contains(g.Principals, s) {
				return refuse(Denied, "", "principals", "principal %q is no longer granted", s)
			}
		}
	default:
		d.Principals = slices.Clone(g.Principals)
	}
	if rule := p.rule(); rule.required() {
		if err := p.principalsOf(p.entity, rule); err != nil {
			return err
		}
	}
	if len(d.Principals) == 0 {
		return refuse(Denied, "", "no-principals", "no principal is granted")
	}
	return nil
}

// principalsOf asks the inventory what an entity may be called.
func (p *sshPassage) principalsOf(e *inventory.Entity, rule SSHEntityRule) *Error {
	d := p.decision.SSH
	if (e.Kind == inventory.Host) != (d.Type == provisioner.SSHHost) {
		return refuse(Denied, "", "entity-kind", "%q is a %s, and not for a %s certificate", e.ID, e.Kind, d.Type)
	}
	if !rule.Principals {
		return nil
	}
	own := entityPrincipals(e, d.Type)
	if len(own) == 0 {
		return refuse(Denied, "", "entity-principals", "the inventory has no principal for %q", e.ID)
	}
	if p.old != nil {
		for _, s := range d.Principals {
			if !slices.Contains(own, s) {
				return refuse(Denied, "", "entity-principals", "%q is no longer a principal of %q", s, e.ID)
			}
		}
		return nil
	}
	if d.Principals = own; len(p.r.Principals) > 0 {
		if some, err := provisioner.GrantedPrincipals(p.r.Principals, own); err == nil {
			d.Principals = some
		}
	}
	return nil
}

// entityPrincipals are an entity's principals in certificates of a type, each once.
func entityPrincipals(e *inventory.Entity, t provisioner.SSHType) []string {
	var all []string
	if t == provisioner.SSHHost {
		for _, s := range e.DNS {
			all = append(all, provisioner.CanonicalDNS(s))
		}
		all = append(all, e.IPs...)
	} else if e.POSIX != nil {
		all = append(all, e.POSIX.User)
	}
	var out []string
	for _, s := range append(all, e.Principals...) {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// loginWithin is how long ago an SSH certificate may begin: step's clients settle that before they open the browser in
// which a person is to log in.
const loginWithin = 15 * time.Minute

// settleLife works out when the certificate begins and ends.
func (p *sshPassage) settleLife() *Error {
	v := p.profile.User
	if p.grant.SSH.Type == provisioner.SSHHost {
		v = p.profile.Host
	}
	d := &p.decision
	if p.old == nil {
		after, err := p.when("validAfter", p.r.ValidAfter, p.grant.SSH.ValidAfter, p.now)
		if err != nil {
			return err
		}
		from := p.now
		if !after.IsZero() {
			from = after.from(p.now)
		}
		before, err := p.when("validBefore", p.r.ValidBefore, p.grant.SSH.ValidBefore, from)
		if err != nil {
			return err
		}
		d.NotBefore, d.NotAfter, err = v.term(p.now, loginWithin, p.grant.Validity, after, before)
		return err
	}
	length := time.Duration(p.old.ValidBefore-p.old.ValidAfter) * time.Second
	if p.old.ValidBefore <= p.old.ValidAfter || p.old.ValidBefore > 1<<40 { // which none of ours is
		length = v.Default + v.Backdate
	}
	d.NotBefore = p.now.Truncate(time.Second).Add(-v.Backdate)
	d.NotAfter = d.NotBefore.Add(min(length, v.longest(p.grant.Validity)+v.Backdate))
	if end := p.grant.Validity.NotAfter; !end.IsZero() && d.NotAfter.After(end) {
		d.NotAfter = end
	}
	return nil
}

// when puts together what the request and its credential say about a moment: one of them, or the same.
func (p *sshPassage) when(what string, asked When, granted, from time.Time) (When, *Error) {
	switch {
	case granted.IsZero():
		return asked, nil
	case !asked.IsZero() && !asked.from(from).Truncate(time.Second).Equal(granted.Truncate(time.Second)):
		return When{}, refuse(Denied, "", "validity", "%s is not the one that the credential is for", what)
	}
	return When{Time: granted}, nil
}

// judgePrincipals asks the policy. It runs on what is allowed, in step 3, and again on what a template
// made of it.
func (p *sshPassage) judgePrincipals(principals []string) *Error {
	pol, names := p.profile.UserPolicy, policy.Names{}
	if p.grant.SSH.Type == provisioner.SSHHost {
		pol = p.profile.HostPolicy
		for _, s := range principals {
			if ip, err := netip.ParseAddr(s); err == nil {
				names.IPs = append(names.IPs, ip)
			} else {
				names.DNS = append(names.DNS, s)
			}
		}
	} else {
		for _, s := range principals {
			if strings.Contains(s, "@") {
				names.Emails = append(names.Emails, s)
			} else {
				names.Principals = append(names.Principals, s)
			}
		}
	}
	if pol == nil {
		return nil
	}
	whose := "SSH profile " + strconv.Quote(p.profile.Name)
	if p.trace != nil {
		p.trace.Policies = append(p.trace.Policies, PolicyTrace{whose, pol.Explain(names)})
	}
	err := pol.Check(names)
	if err == nil {
		return nil
	}
	if d, ok := errors.AsType[*policy.Denial](err); ok {
		return refuse(Denied, "", d.Code, "policy of %s: %s", whose, d.Reason)
	}
	return &Error{Kind: Denied, Code: "policy", Reason: "policy of " + whose, Err: err}
}
