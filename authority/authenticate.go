package authority

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/chancery-ca/chancery/internal/x509lint"
	"github.com/chancery-ca/chancery/provisioner"
)

// authenticate is step 1: who asks, and what may they have at most?
func (p *passage) authenticate(ctx context.Context) (string, *Error) {
	q := &provisioner.Request{
		Operation: p.r.Operation, Token: p.r.Token, Audiences: p.s.audiences[p.r.Operation],
		Roots: p.s.fingerprints, CSR: p.r.CSR, Local: p.r.Local, UserData: p.r.UserData, Now: p.now,
	}
	var proof provisioner.Spend
	var err *Error
	switch p.r.Operation {
	case provisioner.X509Sign:
		p.provisioner, err = p.s.judgeOf(p.r)
	case provisioner.X509Renew, provisioner.X509Rekey:
		proof, err = p.recognise(ctx, q)
	default:
		err = refuse(BadRequest, "", "operation", "operation %q does not issue a certificate", p.r.Operation)
	}
	if err != nil {
		return "", err
	}
	if err := p.checkCSR(); err != nil {
		return "", err
	}
	g, aerr := p.provisioner.Authorize(ctx, q)
	if aerr != nil {
		return "", refusedBy(aerr)
	}
	if g == nil {
		return "", refuse(Internal, "", "no-grant", "provisioner %q said neither yes nor no", p.provisioner.Name())
	}
	if !proof.IsZero() {
		g.Spend = proof
	}
	p.grant = g
	if err := p.choose(); err != nil {
		return "", err
	}
	return fmt.Sprintf("provisioner %q, subject %q, profile %q, issuer %q", p.provisioner.Name(), g.Subject, p.profile.Name, p.issuer.Name), nil
}

// judgeOf finds the provisioner that judges a credential for a new certificate.
func (s *snapshot) judgeOf(r *Request) (provisioner.Provisioner, *Error) {
	if r.Provisioner != "" {
		if p := s.provisioners[r.Provisioner]; p != nil {
			return p, nil
		}
		return nil, refuse(Unauthenticated, "", "provisioner", "no provisioner is called %q", r.Provisioner)
	}
	return s.claimant(r.Token)
}

// claimant finds the provisioner that recognises a token as its own.
func (s *snapshot) claimant(token string) (provisioner.Provisioner, *Error) {
	if token == "" {
		return nil, refuse(Unauthenticated, StepAuthenticate, "no-credential", "there is no credential")
	}
	t, err := provisioner.ParseToken(token)
	if err != nil {
		return nil, refusedBy(err)
	}
	for _, p := range s.Provisioners {
		if c, ok := provisioner.As[provisioner.Claimer](p); ok && c.Claims(t) {
			return p, nil
		}
	}
	return nil, refuse(Unauthenticated, StepAuthenticate, "provisioner", "no provisioner knows the token")
}

// checkCSR judges what a new key comes in. Its signature proves that whoever asks holds the key.
func (p *passage) checkCSR() *Error {
	if p.r.Operation == provisioner.X509Renew {
		return nil
	}
	if p.r.CSR == nil {
		return refuse(BadRequest, "", "no-csr", "there is no certificate request")
	}
	if err := x509lint.Request(p.r.CSR); err != nil {
		return unfit(err)
	}
	return nil
}

// unfit turns a finding of x509lint into an Error. A bad signature is the request's fault, everything
// else is refused.
func unfit(err error) *Error {
	e := &Error{Kind: Denied, Code: "unfit", Reason: err.Error()}
	if f, ok := errors.AsType[*x509lint.Problem](err); ok {
		e.Code, e.Reason = f.Code, f.Reason
		if f.Code == "csr-signature" {
			e.Kind = BadRequest
		}
	}
	return e
}

// choose settles profile and issuer.
func (p *passage) choose() *Error {
	b := p.s.Bindings[p.provisioner.Name()]
	name := b.Profile
	for _, asked := range []string{p.grant.Profile, p.r.Profile} {
		if asked == "" || asked == b.Profile {
			continue
		}
		if !slices.Contains(b.Profiles, asked) {
			return refuse(Denied, "", "profile", "provisioner %q may not use profile %q", p.provisioner.Name(), asked)
		}
		name = asked
	}
	if p.oldRecord != nil && p.r.Profile == "" && p.grant.Profile == "" && slices.Contains(b.Profiles, p.oldRecord.Profile) {
		name = p.oldRecord.Profile // what was issued under an allowed profile is renewed under it
	}
	p.profile = p.s.profiles[name]
	p.issuer = p.s.defaultIssuer()
	if p.profile.Issuer != "" {
		p.issuer = p.s.issuerByName[p.profile.Issuer]
	}
	if p.issuer.State != Active {
		return refuse(Unavailable, "", "issuer", "issuer %q is not active", p.issuer.Name)
	}
	return nil
}

// recognise makes sure that the certificate to be had again is one of ours and in good standing, that
// somebody proved to hold its key, and finds who is to judge. It returns the one-time proof, if any.
func (p *passage) recognise(ctx context.Context, q *provisioner.Request) (provisioner.Spend, *Error) {
	var spend provisioner.Spend
	q.Certificate, q.Proof = p.r.Certificate, p.r.Proof
	if p.r.Token != "" {
		if p.r.Certificate != nil || p.r.Operation != provisioner.X509Renew {
			return spend, refuse(BadRequest, "", "credential", "a token renews, and it alone")
		}
		var err *Error
		if q.Certificate, spend, err = p.s.provenBy(p.r.Token, q.Audiences, p.now); err != nil {
			return spend, err
		}
		q.Proof, q.Token = provisioner.JWSProof, ""
	}
	if q.Certificate == nil || q.Proof == provisioner.NoProof {
		return spend, refuse(BadRequest, "", "no-credential", "there is no certificate to be had again, or no proof of its key")
	}
	p.old = q.Certificate
	known, err := p.a.known(ctx, p.s, p.old)
	if err != nil {
		return spend, err
	}
	p.oldRecord = known
	p.provisioner, err = p.s.provisionerOf(p.old, known)
	if err == nil && p.r.Provisioner != "" && p.r.Provisioner != p.provisioner.Name() {
		err = refuse(Denied, "", "provisioner", "the certificate is provisioner %q's, not %q's", p.provisioner.Name(), p.r.Provisioner)
	}
	return spend, err
}

// known returns the record of a certificate of ours that is in good standing, or nil for one that
// another program issued under one of our issuers.
func (a *Authority) known(ctx context.Context, s *snapshot, c *x509.Certificate) (*Record, *Error) {
	r, err := a.store.Certificate(ctx, SerialOf(c.SerialNumber))
	switch {
	case errors.Is(err, ErrNotFound):
		i := s.issuerOf(c)
		if i == nil || i.cert.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) != nil {
			return nil, refuse(Unauthenticated, "", "foreign", "the certificate is not one of ours")
		}
		if c.IsCA {
			return nil, refuse(Denied, "", "ca", "a CA certificate is not renewed here")
		}
		return nil, nil
	case err != nil:
		return nil, fault("", "looking up the certificate", err)
	case r.Revocation != nil:
		return nil, refuse(Unauthenticated, "", "revoked", "the certificate is revoked")
	case r.Status == Issued && len(r.DER) > 0 && !bytes.Equal(r.DER, c.Raw), r.Status == Reserved:
		return nil, refuse(Unauthenticated, "", "foreign", "the certificate is not the one we issued under that serial")
	case r.Status != Issued:
		return nil, refuse(Unauthenticated, "", "abandoned", "the certificate was never handed out")
	}
	return r, nil
}

// provisionerOf finds who judges a certificate today: the one in its record, or, for one without, the
// one in its mark.
func (s *snapshot) provisionerOf(c *x509.Certificate, r *Record) (provisioner.Provisioner, *Error) {
	if r != nil {
		if p := s.provisioners[r.Provisioner]; p != nil {
			return p, nil
		}
		return nil, refuse(Unauthenticated, "", "provisioner", "provisioner %q, which issued the certificate, is gone", r.Provisioner)
	}
	name, m, ok := provisioner.MarkOf(c)
	if !ok {
		return nil, refuse(Unauthenticated, "", "provisioner", "the certificate does not say who let it be issued")
	}
	if p := s.provisioners[name]; p != nil {
		if k, ok := provisioner.As[provisioner.Marker](p); ok && k.Marked(m) {
			return p, nil
		}
	}
	return nil, refuse(Unauthenticated, "", "provisioner", "provisioner %q, which issued the certificate, is gone", name)
}
