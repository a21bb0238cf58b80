package authority

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/inventory"
	"github.com/chancery-ca/chancery/provisioner"
)

// Issue takes a request through the whole pipeline and returns the certificate, which by then is in the
// store. Its errors are *Error. Unless the certificate is returned, the one-time credential stays good
// and nobody has a signature, with two exceptions, each of which leaves a record that says so: a store
// that fails after the signature was made, and one that fails twice, first at signing and then at
// giving the credential back.
func (a *Authority) Issue(ctx context.Context, r *Request) (*Certificate, error) {
	s, err := a.begin()
	if err != nil {
		return nil, err
	}
	p := newPassage(a, s, r)
	ctx, p.watch = s.observe(ctx, p.r.Operation)
	c, e := (*Certificate)(nil), errPanic
	defer func() { p.watch.End(p.outcome(e)) }()
	if c, e = p.pass(ctx); e != nil {
		return nil, e
	}
	return c, nil
}

// pass goes the whole way.
func (p *passage) pass(ctx context.Context) (*Certificate, *Error) {
	var e *Error
	if p.r.Provisioner != responders { // without whom nobody would hear what is revoked
		e = p.a.held(ctx, p.s)
	}
	if e == nil {
		var d *draft
		if d, e = p.prepare(ctx); e == nil {
			var c *Certificate
			if c, e = p.a.redeem(ctx, d); e == nil {
				return c, nil
			}
		}
	}
	p.refused(ctx, e)
	return nil, e
}

// outcome is what there is to say to whoever watches.
func (p *passage) outcome(e *Error) Outcome {
	o := Outcome{Provisioner: p.r.Provisioner, Err: e}
	if p.provisioner != nil {
		o.Provisioner = p.provisioner.Name()
	}
	if p.profile != nil {
		o.Profile = p.profile.Name
	}
	if p.issuer != nil {
		o.Issuer = p.issuer.Name
	}
	return o
}

// Explain takes a request through steps 1 to 5 and tells what each of them said. Nothing is signed,
// spent, recorded or published.
func (a *Authority) Explain(ctx context.Context, r *Request) *Explanation {
	s, err := a.begin()
	if err != nil {
		e, _ := errors.AsType[*Error](err)
		return &Explanation{Err: e}
	}
	p := newPassage(a, s, r)
	p.trace = &Explanation{}
	d, e := p.prepare(ctx)
	p.trace.Decision, p.trace.Err = &p.decision, e
	if e == nil {
		p.trace.Template, p.trace.TBS = p.certificate, d.record.TBS
	}
	return p.trace
}

// passage is one request on its way through steps 1 to 5. Each step reads what those before it wrote.
type passage struct {
	a     *Authority
	s     *snapshot
	r     *Request
	now   time.Time
	trace *Explanation // nil unless somebody asked
	watch Observation

	// written by authenticate
	provisioner provisioner.Provisioner
	grant       *provisioner.Grant
	profile     *profile
	issuer      *issuer
	old         *x509.Certificate // renew and rekey
	oldRecord   *Record           // nil when another program issued old

	// written by lookUp
	entity *inventory.Entity

	// written by decide
	decision  Decision
	truncated time.Time // where the certificate would have ended; zero when it is not cut

	// written by render
	certificate *x509.Certificate
	otherNames  bool // the template gives names that are neither DNS, IP, e-mail nor URI
	shard       int  // of the issuer's CRL
}

func newPassage(a *Authority, s *snapshot, r *Request) *passage {
	if r == nil {
		r = &Request{}
	}
	if r.Operation == "" {
		c := *r
		c.Operation = provisioner.X509Sign
		r = &c
	}
	return &passage{a: a, s: s, r: r, now: time.Now(), watch: unwatched{}}
}

// prepare is steps 1 to 5. Only it makes drafts.
func (p *passage) prepare(ctx context.Context) (*draft, *Error) {
	for _, step := range []struct {
		name Step
		do   func(context.Context) (string, *Error)
	}{
		{StepAuthenticate, p.authenticate},
		{StepLookup, p.lookUp},
		{StepDecide, p.decide},
		{StepRender, p.render},
		{StepCheck, p.check},
	} {
		began := time.Now()
		detail, err := step.do(ctx)
		p.watch.Step(step.name, began)
		if err != nil && err.Step == "" {
			err.Step = step.name
		}
		if p.trace != nil {
			t := Trace{step.name, "ok", detail}
			if err != nil {
				t.Outcome, t.Detail = "refused", err.Reason
			}
			p.trace.Steps = append(p.trace.Steps, t)
		}
		if err != nil {
			return nil, err
		}
	}
	return p.draft()
}

// refused tells everybody who wants to know that the answer is no.
func (p *passage) refused(ctx context.Context, e *Error) {
	d := event.Refusal{
		Operation: string(p.r.Operation), Step: string(e.Step), Kind: string(e.Kind), Code: e.Code,
		Reason: e.Reason, RequestID: p.r.RequestID, Provisioner: p.r.Provisioner,
	}
	if p.provisioner != nil {
		d.Provisioner = p.provisioner.Name()
	}
	if p.grant != nil {
		d.Subject, d.Names = p.grant.Subject, p.decision.Names.Strings()
	}
	if p.old != nil {
		d.Serial = string(SerialOf(p.old.SerialNumber))
	}
	subject := d.Subject
	if subject == "" {
		subject = d.Provisioner
	}
	p.a.tellRefusal(ctx, p.s, e, p.a.post(p.s, event.RequestRefused, subject, d))
}
