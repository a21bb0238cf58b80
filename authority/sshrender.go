package authority

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/sshca"
	"github.com/chancery-ca/chancery/template"
)

// render is step 4: what exactly is issued?
func (p *sshPassage) render(context.Context) (string, *Error) {
	d := &p.decision
	if old := p.old; old != nil { // as before, but for its life and perhaps its key
		p.certificate = &template.SSHCertificate{
			Type: d.SSH.Type.String(), KeyID: old.KeyId, Principals: slices.Clone(old.ValidPrincipals),
			CriticalOptions: maps.Clone(old.CriticalOptions), Extensions: maps.Clone(old.Extensions),
			ValidAfter: d.NotBefore, ValidBefore: d.NotAfter,
		}
		return "as before", nil
	}
	data := &template.SSHData{
		Type: d.SSH.Type.String(), KeyID: d.SSH.KeyID, Principals: slices.Clone(d.SSH.Principals), Extensions: p.extensions(),
		Token: p.grant.Claims, AuthorizationCrt: p.grant.Certificate, User: p.r.UserData, Extra: p.profile.TemplateData,
		CR: template.SSHRequest{Type: p.r.Type.String(), KeyID: p.r.KeyID, Principals: slices.Clone(p.r.Principals), Key: p.r.Key},
	}
	if p.entity != nil {
		data.Entity = p.entity
	}
	c, err := p.profile.Template.Render(data)
	if err != nil {
		return "", p.unrendered(err)
	}
	if c.ValidAfter.IsZero() {
		c.ValidAfter = d.NotBefore
	}
	if c.ValidBefore.IsZero() {
		c.ValidBefore = d.NotAfter
	}
	p.certificate = c
	return "", nil
}

// extensions are those that the template starts from: none for hosts.
func (p *sshPassage) extensions() map[string]string {
	if p.decision.SSH.Type == provisioner.SSHHost {
		return nil
	}
	all := maps.Clone(p.profile.Extensions)
	for name, attribute := range p.profile.UserEntity.Extensions {
		if p.entity == nil {
			break
		}
		if v, ok := p.entity.Attributes[attribute].(string); ok && v != "" {
			all[name] = v
		}
	}
	return all
}

// check is step 5: is what was rendered what was allowed, and would it be valid?
func (p *sshPassage) check(ctx context.Context) (string, *Error) {
	c, d := p.certificate, &p.decision
	if c.Type != d.SSH.Type.String() {
		return "", refuse(Denied, "", "type", "the template makes a certificate of another type than was granted")
	}
	var added []string
	for _, s := range c.Principals {
		if !slices.Contains(d.SSH.Principals, s) {
			added = append(added, s)
		}
	}
	switch {
	case len(c.Principals) == 0:
		return "", refuse(Denied, "", "no-principals", "the template leaves no principal")
	case len(added) > 0 && !p.profile.TemplatePrincipals:
		return "", refuse(Denied, "", "principals", "the template adds %q, which was not granted", added[0])
	case len(added) > 0 && p.rule().Principals:
		return "", refuse(Denied, "", "entity-principals", "the template adds %q, which is no principal of %q", added[0], p.entity.ID)
	}
	if c.ValidAfter.Before(d.NotBefore) || c.ValidBefore.After(d.NotAfter) || !c.ValidBefore.After(c.ValidAfter) {
		return "", refuse(Denied, "", "validity-template", "the template's validity is not within %s to %s",
			d.NotBefore.UTC().Format(time.RFC3339), d.NotAfter.UTC().Format(time.RFC3339))
	}
	if len(added) > 0 {
		d.SSH.Principals = slices.Clone(c.Principals)
		if err := p.judgePrincipals(d.SSH.Principals); err != nil {
			return "", err
		}
	}
	if err := p.encode(); err != nil {
		return "", err
	}
	return "", p.lastWord(ctx)
}

// encode makes the bytes to be signed, which the linter has looked at.
func (p *sshPassage) encode() *Error {
	c := p.certificate
	p.built = &ssh.Certificate{
		Key: p.key(), Serial: newSSHSerial(), CertType: uint32(p.decision.SSH.Type), KeyId: c.KeyID,
		ValidPrincipals: c.Principals, ValidAfter: uint64(c.ValidAfter.Unix()), ValidBefore: uint64(c.ValidBefore.Unix()),
		Permissions: ssh.Permissions{CriticalOptions: c.CriticalOptions, Extensions: c.Extensions},
	}
	var err error
	if p.encoded, err = p.issuer.issuer.Encode(p.built, sshca.Rules{MinRSABits: p.profile.Keys.MinRSABits}); err == nil {
		return nil
	}
	e := &Error{Kind: Denied, Code: "unfit", Reason: err.Error()}
	if f, ok := errors.AsType[*sshca.Problem](err); ok {
		e.Code, e.Reason = f.Code, f.Reason
	}
	return e
}
