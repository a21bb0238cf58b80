package authority

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

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
	if !isText(g.Subject) {
		return "", refuse(Denied, "", "subject", "the subject of the credential is not text")
	}
	own := *g // the provisioner may hand out the same one again
	if p.grant = &own; !proof.IsZero() {
		own.Spend = proof
	}
	if err := p.proveKey(); err != nil {
		return "", err
	}
	if err := p.choose(); err != nil {
		return "", err
	}
	if p.trace == nil {
		return "", nil
	}
	return fmt.Sprintf("provisioner %q, subject %q, profile %q, issuer %q", p.provisioner.Name(), own.Subject, p.profile.Name, p.issuer.Name), nil
}

// isText reports whether s can be kept by every store and printed into every log.
func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) }

// asText makes text of what somebody wrote to explain something.
func asText(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
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

// maxNames is how many names a CSR may ask for, as many as a certificate may have.
const maxNames = 1000

// checkCSR judges what a new key comes in, by all that costs little.
func (p *passage) checkCSR() *Error {
	csr := p.r.CSR
	switch {
	case p.r.Operation == provisioner.X509Renew && csr != nil:
		return refuse(BadRequest, "", "csr", "a renewal keeps the key, and takes no certificate request")
	case p.r.Operation == provisioner.X509Renew:
		return nil
	case csr == nil:
		return refuse(BadRequest, "", "no-csr", "there is no certificate request")
	case len(csr.DNSNames)+len(csr.IPAddresses)+len(csr.EmailAddresses)+len(csr.URIs) > maxNames:
		return refuse(BadRequest, "", "too-many-names", "the certificate request asks for more than %d names", maxNames)
	}
	if err := x509lint.RequestShape(csr); err != nil {
		return unfit(err)
	}
	return nil
}

// proveKey makes sure that whoever asks holds the new key. It comes after the credential was judged, so
// that nobody without one makes us verify signatures of their choice.
func (p *passage) proveKey() *Error {
	if p.r.Operation == provisioner.X509Renew {
		return nil
	}
	if err := x509lint.RequestSignature(p.r.CSR); err != nil {
		e := unfit(err)
		e.Kind = BadRequest
		return e
	}
	return nil
}

// unfit turns a finding of x509lint into an Error.
func unfit(err error) *Error {
	e := &Error{Kind: Denied, Code: "unfit", Reason: err.Error()}
	if f, ok := errors.AsType[*x509lint.Problem](err); ok {
		e.Code, e.Reason = f.Code, f.Reason
	}
	return e
}

// choose settles profile and issuer.
func (p *passage) choose() *Error {
	b := p.s.Bindings[p.provisioner.Name()]
	name := b.Profile
	switch {
	case p.grant.Profile != "":
		name = p.grant.Profile // the credential is for that one, whatever the request says
	case p.oldRecord != nil && slices.Contains(b.Profiles, p.oldRecord.Profile):
		name = p.oldRecord.Profile // what was issued under an allowed profile is renewed under it
	case p.old == nil && p.r.Profile != "":
		name = p.r.Profile
	}
	switch {
	case name != b.Profile && !slices.Contains(b.Profiles, name):
		return refuse(Denied, "", "profile", "provisioner %q may not use profile %q", p.provisioner.Name(), name)
	case p.r.Profile != "" && p.r.Profile != name:
		return refuse(Denied, "", "profile", "the certificate is to be of profile %q, not %q", name, p.r.Profile)
	}
	p.profile = p.s.profiles[name]
	p.issuer = p.s.defaultIssuer()
	if p.profile.Issuer != "" {
		p.issuer = p.s.issuerByName[p.profile.Issuer]
	}
	if p.issuer == nil {
		return refuse(Unsupported, "", "issuer", "this authority issues no X.509 certificates")
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
	if c.SerialNumber == nil || len(s.issuersOf(c)) == 0 {
		return nil, refuse(Unauthenticated, "", "foreign", "the certificate is not one of ours")
	}
	r, err := a.store.Certificate(ctx, SerialOf(c.SerialNumber))
	switch {
	case errors.Is(err, ErrNotFound):
		switch {
		case s.signerOf(c) == nil:
			return nil, refuse(Unauthenticated, "", "foreign", "the certificate is not one of ours")
		case c.IsCA:
			return nil, refuse(Denied, "", "ca", "a CA certificate is not renewed here")
		case time.Now().After(c.NotAfter): // it may be one of those whose records, revocation and all, are pruned
			return nil, refuse(Unauthenticated, "", "expired", "certificate expired on %s", c.NotAfter.UTC().Format(time.RFC3339))
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
	name, m, marked := provisioner.MarkOf(c)
	switch {
	case r != nil:
		marked, name = marked && name == r.Provisioner, r.Provisioner
	case !marked:
		return nil, refuse(Unauthenticated, "", "provisioner", "the certificate does not say who let it be issued")
	}
	if p := s.provisioners[name]; p != nil {
		k, ok := provisioner.As[provisioner.Marker](p)
		switch {
		case r != nil && (!ok || !marked): // the record is enough
			return p, nil
		case ok && k.Marked(m): // the key that let it be issued is still the provisioner's
			return p, nil
		}
	}
	return nil, refuse(Unauthenticated, "", "provisioner", "provisioner %q, which issued the certificate, is gone", name)
}
