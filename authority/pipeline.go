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
	ctx, p.watch = s.observe(ctx, p.operation)
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
			if e = p.a.redeem(ctx, d); e == nil {
				return d.certificate(), nil
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

// visit is what every request has on its way through steps 1 to 5, whatever kind of certificate it is for.
type visit struct {
	a         *Authority
	s         *snapshot
	now       time.Time
	trace     *Explanation // nil unless somebody asked
	watch     Observation
	operation provisioner.Operation
	asked     string // the provisioner that the request names, if any
	requestID string

	// written by authenticate
	provisioner provisioner.Provisioner
	grant       *provisioner.Grant
	oldRecord   *Record // nil when another program issued what is to be had again

	// written by lookUp
	entity *inventory.Entity

	decision Decision // written by decide
}

func newVisit(a *Authority, s *snapshot, op provisioner.Operation, asked, requestID string) visit {
	return visit{a: a, s: s, now: time.Now(), watch: unwatched{}, operation: op, asked: asked, requestID: requestID}
}

// passage is one request for an X.509 certificate on its way through steps 1 to 5. Each step reads what
// those before it wrote.
type passage struct {
	visit
	r *Request

	// written by authenticate
	profile *profile
	issuer  *issuer
	old     *x509.Certificate // renew and rekey

	// written by decide
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
	return &passage{visit: newVisit(a, s, r.Operation, r.Provisioner, r.RequestID), r: r}
}

// prepare is steps 1 to 5. With its counterpart for SSH, it alone makes drafts.
func (p *passage) prepare(ctx context.Context) (*draft, *Error) {
	lookUp := func(ctx context.Context) (string, *Error) { return p.lookUp(ctx, p.profile.Entity.required()) }
	if err := p.walk(ctx, p.authenticate, lookUp, p.decide, p.render, p.check); err != nil {
		return nil, err
	}
	return p.draft()
}

// step is one of steps 1 to 5. It says something about what it did when there is a trace to write it into.
type step func(context.Context) (detail string, err *Error)

// walk takes steps 1 to 5, until one refuses.
func (v *visit) walk(ctx context.Context, authenticate, lookUp, decide, render, check step) *Error {
	for _, step := range [...]struct {
		name Step
		do   step
	}{
		{StepAuthenticate, authenticate},
		{StepLookup, lookUp},
		{StepDecide, decide},
		{StepRender, render},
		{StepCheck, check},
	} {
		began := time.Now()
		detail, err := step.do(ctx)
		v.watch.Step(step.name, began)
		if err != nil && err.Step == "" {
			err.Step = step.name
		}
		if v.trace != nil {
			t := Trace{step.name, "ok", detail}
			if err != nil {
				t.Outcome, t.Detail = "refused", err.Reason
			}
			v.trace.Steps = append(v.trace.Steps, t)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// refused tells everybody who wants to know that the answer is no.
func (p *passage) refused(ctx context.Context, e *Error) {
	serial := ""
	if p.old != nil {
		serial = string(SerialOf(p.old.SerialNumber))
	}
	p.tellRefused(ctx, e, p.decision.Names.Strings(), serial)
}

// tellRefused makes the event of a refusal: names are what was decided on by then, serial is that of what
// is to be had again.
func (v *visit) tellRefused(ctx context.Context, e *Error, names []string, serial string) {
	d := event.Refusal{
		Operation: string(v.operation), Step: string(e.Step), Kind: string(e.Kind), Code: e.Code,
		Reason: e.Reason, RequestID: v.requestID, Provisioner: v.asked, Serial: serial,
	}
	if v.provisioner != nil {
		d.Provisioner = v.provisioner.Name()
	}
	if v.grant != nil {
		d.Subject, d.Names = v.grant.Subject, names
	}
	subject := d.Subject
	if subject == "" {
		subject = d.Provisioner
	}
	v.a.tellRefusal(ctx, v.s, e, v.a.post(v.s, event.RequestRefused, subject, d))
}
