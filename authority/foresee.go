package authority

import (
	"context"
	"crypto/x509"
	"net"
	"net/url"

	"github.com/chancery-ca/chancery/internal/x509lint"
	"github.com/chancery-ca/chancery/provisioner"
)

// Prospect is a certificate that a client of a provisioner's protocol wants, before there is a key or a credential
// for it: what an ACME client orders, say.
type Prospect struct {
	Provisioner string
	Profile     string // as in [Request]
	Grant       *provisioner.Grant

	NotBefore, NotAfter When
	RequestID           string
}

// Foresee tells whether a certificate would be refused as things are now, so that a client hears it before it has
// gone to any trouble: by inventory, policy, validity, hygiene of names, and name constraints. nil promises
// nothing: Issue judges again, also what cannot be known yet. Nothing is signed, spent or recorded. Its errors are
// *Error, and a refusal is told as one of Issue would be.
func (a *Authority) Foresee(ctx context.Context, q *Prospect) error {
	s, err := a.begin()
	if err != nil {
		return err
	}
	p := newPassage(a, s, &Request{Provisioner: q.Provisioner, Profile: q.Profile, NotBefore: q.NotBefore, NotAfter: q.NotAfter, RequestID: q.RequestID})
	if e := p.foresee(ctx, q.Grant); e != nil {
		p.refused(ctx, e)
		return e
	}
	return nil
}

func (p *passage) foresee(ctx context.Context, g *provisioner.Grant) (e *Error) {
	if g == nil || g.AnyName {
		return refuse(Internal, StepAuthenticate, "no-grant", "provisioner %q did not say what is wanted", p.r.Provisioner)
	}
	if p.provisioner, e = p.s.judgeOf(p.r); e != nil {
		return e
	}
	own := *g
	p.grant = &own
	step := StepAuthenticate
	defer func() {
		if e != nil && e.Step == "" {
			e.Step = step
		}
	}()
	if e = p.choose(); e != nil {
		return e
	}
	step = StepLookup
	if _, e = p.lookUp(ctx, p.profile.Entity.required()); e != nil {
		return e
	}
	step = StepDecide
	if e = p.settle(); e != nil {
		return e
	}
	step = StepCheck
	return p.foreseeNames()
}

// foreseeNames judges the names as step 5 will.
func (p *passage) foreseeNames() *Error {
	n := p.decision.Names
	c := &x509.Certificate{DNSNames: n.DNS, EmailAddresses: n.Emails, NotBefore: p.decision.NotBefore, NotAfter: p.decision.NotAfter}
	for _, ip := range n.IPs {
		c.IPAddresses = append(c.IPAddresses, net.IP(ip.AsSlice()))
	}
	for _, s := range n.URIs {
		u, err := url.Parse(s)
		if err != nil {
			return refuse(BadRequest, "", "uri", "a name is no URI")
		}
		c.URIs = append(c.URIs, u)
	}
	c.Subject.CommonName = p.commonName()
	if err := x509lint.Names(c.Subject.CommonName, c); err != nil {
		return unfit(err)
	}
	if err := p.issuer.rules.Foresee(c); err != nil {
		return unfit(err)
	}
	return nil
}
