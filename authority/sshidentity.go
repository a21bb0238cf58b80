package authority

import (
	"context"
	"net/url"
	"strings"

	"github.com/chancery-ca/chancery/provisioner"
)

// identity prepares the X.509 certificate that comes with a user's SSH certificate: for the same person, by
// e-mail address and by the URN that the request makes up for the device, and for the same time. It is
// judged like every other certificate, but for who asks, which the SSH certificate's credential has said.
func (p *sshPassage) identity(ctx context.Context) (*draft, *Error) {
	name := p.s.Config.SSH.Identity
	if name == "" || p.r.Identity == nil || p.operation != provisioner.SSHSign || p.grant.SSH.Type != provisioner.SSHUser {
		return nil, nil
	}
	q := newPassage(p.a, p.s, &Request{
		Operation: provisioner.X509Sign, Provisioner: p.provisioner.Name(), Profile: name, CSR: p.r.Identity,
		NotBefore: When{Time: p.certificate.ValidAfter}, NotAfter: When{Time: p.certificate.ValidBefore}, RequestID: p.requestID,
	})
	q.now = p.now
	authenticate := func(context.Context) (string, *Error) { return "", q.inheritFrom(p, name) }
	lookUp := func(ctx context.Context) (string, *Error) { return q.lookUp(ctx, q.profile.Entity.required()) }
	if err := q.walk(ctx, authenticate, lookUp, q.decide, q.render, q.check); err != nil {
		q.refused(ctx, err)
		return nil, err
	}
	return q.draft()
}

// inheritFrom takes who asks from the request for an SSH certificate.
func (q *passage) inheritFrom(p *sshPassage, profile string) *Error {
	if err := q.checkCSR(); err != nil {
		return err
	}
	if err := q.proveKey(); err != nil {
		return err
	}
	g := *p.grant
	g.SSH, g.AnyName, g.Profile, g.Spend = nil, false, "", provisioner.Spend{}
	g.Names = provisioner.Names{}
	for _, s := range append([]string{g.Subject, p.grant.SSH.KeyID}, p.grant.SSH.Principals...) {
		if n := provisioner.ParseNames([]string{s}); len(n.Emails) == 1 {
			g.Names.Emails = n.Emails
			break
		}
	}
	for _, u := range q.r.CSR.URIs {
		if isUUID(u) && len(g.Names.URIs) == 0 {
			g.Names.URIs = []string{u.String()}
		}
	}
	q.provisioner, q.grant = p.provisioner, &g
	q.profile = q.s.profiles[profile]
	q.issuer = q.s.defaultIssuer()
	if q.profile.Issuer != "" {
		q.issuer = q.s.issuerByName[q.profile.Issuer]
	}
	if q.issuer == nil || q.issuer.State != Active {
		return refuse(Unavailable, "", "issuer", "there is no issuer for identity certificates")
	}
	return nil
}

// isUUID reports whether u is a URN by which a device calls itself (RFC 9562, section 4).
func isUUID(u *url.URL) bool {
	id, ok := strings.CutPrefix(u.String(), "urn:uuid:")
	return ok && len(id) == 36 && strings.Count(id, "-") == 4 && strings.Trim(id, "0123456789abcdefABCDEF-") == ""
}
