package authority

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/chancery-ca/chancery/authority/policy"
	"github.com/chancery-ca/chancery/provisioner"
)

// decide is step 3: may this be issued?
func (p *passage) decide(context.Context) (string, *Error) {
	if err := p.profile.Keys.check(p.publicKey()); err != nil {
		return "", err
	}
	if err := p.settle(); err != nil {
		return "", err
	}
	if p.trace == nil {
		return "", nil
	}
	d := &p.decision
	return fmt.Sprintf("names %q, %s to %s", d.Names.Strings(), d.NotBefore.UTC().Format(time.RFC3339), d.NotAfter.UTC().Format(time.RFC3339)), nil
}

// settle decides on all but the key.
func (p *passage) settle() *Error {
	d := &p.decision
	*d = Decision{
		Operation: p.r.Operation, Provisioner: p.provisioner.Name(), Profile: p.profile.Name, Grant: p.grant,
		Entity: p.entity, CSR: p.r.CSR, Previous: p.old, RequestID: p.r.RequestID,
	}
	if err := p.settleNames(); err != nil {
		return err
	}
	if err := p.settleValidity(); err != nil {
		return err
	}
	return p.judgeNames(p.commonName(), d.Names)
}

// commonName is what the certificate will be called unless its template says otherwise.
func (p *passage) commonName() string {
	switch {
	case p.old != nil:
		return p.old.Subject.CommonName
	case p.profile.Entity.Names && !p.decision.Names.Contains(p.grant.Subject):
		if s := p.decision.Names.Strings(); len(s) > 0 {
			return s[0]
		}
	}
	return p.grant.Subject
}

// settleNames works out the most names that the certificate may carry.
func (p *passage) settleNames() *Error {
	d := &p.decision
	switch {
	case p.old != nil:
		d.Names = provisioner.NamesOf(p.old)
		if gone := d.Names.Without(p.grant.Names).Strings(); len(gone) > 0 && !p.grant.AnyName && !p.profile.Entity.Names {
			return refuse(Denied, "", "names", "%q is no longer granted", gone[0])
		}
	case p.grant.AnyName:
		d.Names = provisioner.NamesOfCSR(p.r.CSR)
	default:
		d.Names = p.grant.Names
	}
	if !p.profile.Entity.Names {
		return nil
	}
	own, err := entityNames(p.entity)
	if err != nil {
		return &Error{Kind: Internal, Code: "inventory", Reason: fmt.Sprintf("the inventory's names of %q cannot be read", p.entity.ID), Err: err}
	}
	if p.old != nil {
		gone := d.Names.Without(own).Strings()
		if cn := p.old.Subject.CommonName; cn != "" && !own.Contains(cn) {
			gone = append(gone, cn)
		}
		if len(gone) > 0 {
			return refuse(Denied, "", "entity-names", "%q is no longer a name of %q", gone[0], p.entity.ID)
		}
		return nil
	}
	if own.Len() == 0 {
		return refuse(Denied, "", "entity-names", "the inventory has no name for %q", p.entity.ID)
	}
	d.Names = own
	if asked := provisioner.NamesOfCSR(p.r.CSR); asked.Len() > 0 && asked.Without(own).Len() == 0 {
		d.Names = asked
	}
	return nil
}

// settleValidity works out when the certificate begins and ends. What is asked for explicitly is
// honoured or refused; what nobody asked for is cut to fit.
func (p *passage) settleValidity() *Error {
	v, g := p.profile.Validity, p.grant.Validity
	if p.old == nil {
		begin, end, err := v.term(p.now, provisioner.Leeway, g, p.r.NotBefore, p.r.NotAfter)
		if err != nil {
			return err
		}
		return p.fitIssuer(begin, end)
	}
	begin := p.now.Truncate(time.Second).Add(-v.Backdate)
	end := begin.Add(min(p.length(v.Backdate), v.longest(g)+v.Backdate))
	if !g.NotAfter.IsZero() && end.After(g.NotAfter) {
		end = g.NotAfter
	}
	if begin.Before(g.NotBefore) {
		begin = g.NotBefore
	}
	return p.fitIssuer(begin, end)
}

// longest is the maximum that profile and grant agree on.
func (v Validity) longest(g provisioner.Validity) time.Duration {
	if g.Max > 0 {
		return min(v.Max, g.Max)
	}
	return v.Max
}

// term works out when a new certificate begins and ends, of what its request asks for and the grant allows. It may
// begin as long ago as it would be backdated, or as ago says.
func (v Validity) term(at time.Time, ago time.Duration, g provisioner.Validity, notBefore, notAfter When) (begin, end time.Time, _ *Error) {
	no := func(k Kind, code, format string, args ...any) (time.Time, time.Time, *Error) {
		return time.Time{}, time.Time{}, refuse(k, "", code, format, args...)
	}
	longest, now := v.longest(g), at.Truncate(time.Second)
	from := now
	if !notBefore.IsZero() {
		from = notBefore.from(at).Truncate(time.Second)
		begin = from
	} else {
		begin = now.Add(-v.Backdate)
	}
	if end = from.Add(min(v.Default, longest)); !notAfter.IsZero() {
		end = notAfter.from(from).Truncate(time.Second)
	} else if !g.NotAfter.IsZero() && end.After(g.NotAfter) {
		end = g.NotAfter
	}
	switch life := end.Sub(from); {
	case !end.After(from) || !end.After(now):
		return no(BadRequest, "validity", "the certificate would end before it begins")
	case from.After(now.Add(longest)) || from.Before(now.Add(-max(v.Backdate, ago))):
		return no(Denied, "validity-begin", "a certificate cannot begin on %s", from.UTC().Format(time.RFC3339))
	case !notAfter.IsZero() && life < v.Min:
		return no(Denied, "validity-short", "%s is shorter than the minimum of %s", life, v.Min)
	case life > longest+v.Backdate:
		return no(Denied, "validity-long", "%s is longer than the maximum of %s", life, longest)
	case !g.NotAfter.IsZero() && end.After(g.NotAfter):
		return no(Denied, "validity-credential", "the credential itself ends on %s", g.NotAfter.UTC().Format(time.RFC3339))
	}
	if !g.NotBefore.IsZero() && begin.Before(g.NotBefore) {
		if !notBefore.IsZero() {
			return no(Denied, "validity-credential", "the credential itself begins on %s", g.NotBefore.UTC().Format(time.RFC3339))
		}
		begin = g.NotBefore
	}
	return begin, end, nil
}

// length is the whole life of the certificate to be had again. One that could not be backdated in full,
// because its issuer was younger than that, gets back what it lacked.
func (p *passage) length(backdate time.Duration) time.Duration {
	length := p.old.NotAfter.Sub(p.old.NotBefore)
	if r := p.oldRecord; r != nil {
		if begun := r.ReservedAt.Truncate(time.Second).Sub(p.old.NotBefore); 0 <= begun && begun < backdate {
			length += backdate - begun
		}
	}
	return length
}

// fitIssuer keeps a leaf within the life of the chain that vouches for it.
func (p *passage) fitIssuer(begin, end time.Time) *Error {
	i := p.issuer
	if !p.now.Before(i.notAfter) {
		return refuse(Unavailable, "", "issuer-expired", "issuer %q has expired", i.Name)
	}
	if begin.Before(i.cert.NotBefore) {
		begin = i.cert.NotBefore
	}
	if end.After(i.notAfter) {
		if i.RefuseTruncation {
			return refuse(Denied, "", "issuer-ends", "the certificate would outlive its issuer, which ends on %s", i.notAfter.UTC().Format(time.RFC3339))
		}
		p.truncated, end = end, i.notAfter
	}
	if !end.After(begin) {
		return refuse(BadRequest, "", "validity", "the certificate would end before it begins")
	}
	p.decision.NotBefore, p.decision.NotAfter = begin, end
	return nil
}

// judgeNames asks policies and groups about names. It runs on what is allowed, in step 3, and again on
// what a template made of it.
func (p *passage) judgeNames(cn string, n provisioner.Names) *Error {
	if p.profile.nameless {
		cn = ""
	}
	names := policy.Names{CommonName: cn, DNS: n.DNS, IPs: n.IPs, Emails: n.Emails, URIs: n.URIs}
	for _, c := range [...]struct {
		policy *policy.Policy
		whose  func() string
	}{
		{p.s.Policy, func() string { return "the authority" }},
		{p.profile.Policy, func() string { return "profile " + strconv.Quote(p.profile.Name) }},
		{p.s.Bindings[p.provisioner.Name()].Policy, func() string { return "provisioner " + strconv.Quote(p.provisioner.Name()) }},
	} {
		if c.policy == nil {
			continue
		}
		if p.trace != nil {
			p.trace.Policies = append(p.trace.Policies, PolicyTrace{c.whose(), c.policy.Explain(names)})
		}
		err := c.policy.Check(names)
		if err == nil {
			continue
		}
		if d, ok := errors.AsType[*policy.Denial](err); ok {
			return refuse(Denied, "", d.Code, "policy of %s: %s", c.whose(), d.Reason)
		}
		return &Error{Kind: Denied, Code: "policy", Reason: "policy of " + c.whose(), Err: err}
	}
	if p.profile.Entity.Groups != nil {
		if err := p.profile.allowedByGroups(p.entity, n); err != nil {
			return refuse(Denied, "", "group", "%s", err)
		}
	}
	return nil
}
