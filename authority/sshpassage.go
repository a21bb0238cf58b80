package authority

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/template"
)

// sshPassage is one request for an SSH certificate on its way through steps 1 to 5. Each step reads what
// those before it wrote.
type sshPassage struct {
	visit
	r *SSHRequest

	// written by authenticate
	profile *SSHProfile
	issuer  *sshIssuer
	old     *ssh.Certificate // renew and rekey

	// written by render
	certificate *template.SSHCertificate

	// written by check
	built   *ssh.Certificate // what is to be signed
	encoded []byte           // the same as bytes
}

func newSSHPassage(a *Authority, s *snapshot, r *SSHRequest) *sshPassage {
	if r == nil {
		r = &SSHRequest{}
	}
	if r.Operation == "" {
		c := *r
		c.Operation = provisioner.SSHSign
		r = &c
	}
	return &sshPassage{visit: newVisit(a, s, r.Operation, r.Provisioner, r.RequestID), r: r}
}

// pass goes the whole way.
func (p *sshPassage) pass(ctx context.Context) (*SSHCertificate, *Error) {
	c, e := p.issue(ctx)
	if e == nil {
		return c, nil
	}
	serial := ""
	if p.old != nil {
		serial = string(sshSerial(p.old.Serial))
	}
	p.tellRefused(ctx, e, p.decision.principals(), serial)
	return nil, e
}

// issue prepares everything that is asked for before it signs any of it, so that a refusal costs nobody
// their credential. What comes with the first certificate and cannot be signed any more is left out: the
// first one is good, and its credential is spent.
func (p *sshPassage) issue(ctx context.Context) (*SSHCertificate, *Error) {
	if err := p.a.held(ctx, p.s); err != nil {
		return nil, err
	}
	d, err := p.prepare(ctx)
	if err != nil {
		return nil, err
	}
	addUser, err := p.addUser()
	if err != nil {
		return nil, err
	}
	identity, err := p.identity(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.a.redeem(ctx, d); err != nil {
		return nil, err
	}
	c := &SSHCertificate{Certificate: d.product.(*sshProduct).certificate, Record: d.record}
	if addUser != nil {
		if err := p.a.redeem(ctx, addUser); err == nil {
			c.AddUser = addUser.product.(*sshProduct).certificate
		} else {
			p.s.log().ErrorContext(ctx, "certificate to add a user not issued", "error", err)
		}
	}
	if identity != nil {
		if err := p.a.redeem(ctx, identity); err == nil {
			c.Identity = identity.certificate()
		} else {
			p.s.log().ErrorContext(ctx, "identity certificate not issued", "error", err)
		}
	}
	return c, nil
}

// prepare is steps 1 to 5.
func (p *sshPassage) prepare(ctx context.Context) (*draft, *Error) {
	lookUp := func(ctx context.Context) (string, *Error) { return p.lookUp(ctx, p.rule().required()) }
	if err := p.walk(ctx, p.authenticate, lookUp, p.decide, p.render, p.check); err != nil {
		return nil, err
	}
	return p.draft(), nil
}

// outcome is what there is to say to whoever watches.
func (p *sshPassage) outcome(e *Error) Outcome {
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

// authenticate is step 1: who asks, and what may they have at most?
func (p *sshPassage) authenticate(ctx context.Context) (string, *Error) {
	if p.s.Config.SSH == nil {
		return "", refuse(Unsupported, "", "ssh", "this authority issues no SSH certificates")
	}
	q := &provisioner.Request{
		Operation: p.operation, Token: p.r.Token, Audiences: p.s.audiences[p.operation],
		Roots: p.s.fingerprints, Local: p.r.Local, UserData: p.r.UserData, Now: p.now,
		SSH: &provisioner.SSHRequest{Key: p.r.Key, Type: p.r.Type, KeyID: p.r.KeyID, Principals: slices.Clone(p.r.Principals)},
	}
	if err := p.checkKey(); err != nil {
		return "", err
	}
	var err *Error
	if p.provisioner, err = p.s.judgeOf(&Request{Provisioner: p.r.Provisioner, Token: p.r.Token}); err != nil {
		return "", err
	}
	switch p.operation {
	case provisioner.SSHSign:
	case provisioner.SSHRenew, provisioner.SSHRekey:
		if p.old, p.oldRecord, err = p.a.shown(ctx, p.s, p.r.Token); err != nil {
			return "", err
		}
		q.SSH.Certificate = p.old
	default:
		return "", refuse(BadRequest, "", "operation", "operation %q does not issue an SSH certificate", p.operation)
	}
	if err := p.authorize(ctx, q); err != nil {
		return "", err
	}
	if err := p.choose(); err != nil {
		return "", err
	}
	if p.trace == nil {
		return "", nil
	}
	return fmt.Sprintf("provisioner %q, subject %q, SSH profile %q, issuer %q", p.provisioner.Name(), p.grant.Subject, p.profile.Name, p.issuer.Name), nil
}

// authorize asks the provisioner.
func (p *sshPassage) authorize(ctx context.Context, q *provisioner.Request) *Error {
	g, err := p.provisioner.Authorize(ctx, q)
	switch {
	case err != nil:
		return refusedBy(err)
	case g == nil:
		return refuse(Internal, "", "no-grant", "provisioner %q said neither yes nor no", p.provisioner.Name())
	case g.SSH == nil || g.SSH.Type.String() == "":
		return refuse(Denied, "", "ssh", "provisioner %q grants no SSH certificate", p.provisioner.Name())
	case !isText(g.Subject) || !isText(g.SSH.KeyID):
		return refuse(Denied, "", "subject", "the subject of the credential is not text")
	case p.old != nil && uint32(g.SSH.Type) != p.old.CertType:
		return refuse(Internal, "", "type", "the grant is for another type of certificate")
	case p.r.Type != 0 && g.SSH.Type != p.r.Type:
		return refuse(Denied, "", "type", "the credential is for a %s certificate, not for one of a %s", g.SSH.Type, p.r.Type)
	}
	own := *g // the provisioner may hand out the same one again
	p.grant = &own
	return nil
}

// checkKey judges the new key by all that costs little. That somebody holds the other half of it, nobody
// proves with SSH: whoever does not has a certificate that is of no use.
func (p *sshPassage) checkKey() *Error {
	switch {
	case p.operation == provisioner.SSHRenew && p.r.Key != nil:
		return refuse(BadRequest, "", "key", "a renewal keeps the key, and takes no other")
	case p.operation == provisioner.SSHRenew:
		return nil
	case p.r.Key == nil:
		return refuse(BadRequest, "", "key", "there is no public key")
	}
	if _, ok := p.r.Key.(*ssh.Certificate); ok {
		return refuse(BadRequest, "", "key", "a certificate is not a key")
	}
	return nil
}

// choose settles profile and issuer.
func (p *sshPassage) choose() *Error {
	allowed := p.s.Bindings[p.provisioner.Name()].SSH
	if len(allowed) == 0 {
		return refuse(Unauthenticated, "", "ssh-disabled", "provisioner %q may have no SSH certificates", p.provisioner.Name())
	}
	name := allowed[0]
	switch {
	case p.grant.Profile != "":
		name = p.grant.Profile
	case p.oldRecord != nil && slices.Contains(allowed, p.oldRecord.Profile):
		name = p.oldRecord.Profile
	case p.old == nil && p.r.Profile != "":
		name = p.r.Profile
	}
	switch {
	case !slices.Contains(allowed, name):
		return refuse(Denied, "", "profile", "provisioner %q may not use SSH profile %q", p.provisioner.Name(), name)
	case p.r.Profile != "" && p.r.Profile != name:
		return refuse(Denied, "", "profile", "the certificate is to be of SSH profile %q, not %q", name, p.r.Profile)
	}
	p.profile = p.s.sshProfiles[name]
	if p.issuer = p.s.activeSSH(p.grant.SSH.Type); p.issuer == nil {
		return refuse(Unsupported, "", "issuer", "this authority has no key for %s certificates", p.grant.SSH.Type)
	}
	return nil
}

// rule is what the profile wants of the inventory.
func (p *sshPassage) rule() SSHEntityRule {
	if p.grant.SSH.Type == provisioner.SSHHost {
		return p.profile.HostEntity
	}
	return p.profile.UserEntity
}

// key is what will be certified.
func (p *sshPassage) key() ssh.PublicKey {
	if p.operation == provisioner.SSHRenew {
		return p.old.Key
	}
	return p.r.Key
}

// sshKeyID is what records call a key: the SHA-256 of its wire form, lower-case hex, which is OpenSSH's
// fingerprint in another spelling.
func sshKeyID(k ssh.PublicKey) string {
	sum := sha256.Sum256(k.Marshal())
	return hex.EncodeToString(sum[:])
}

// draft closes step 5: a record of the bytes to be signed.
func (p *sshPassage) draft() *draft {
	c := p.built
	r := &Record{
		Serial: sshSerial(c.Serial), Status: Reserved, Operation: p.operation, Issuer: p.issuer.Name, TBS: p.encoded,
		NotBefore: time.Unix(int64(c.ValidAfter), 0), NotAfter: time.Unix(int64(c.ValidBefore), 0),
		Subject: c.KeyId, Names: slices.Clone(c.ValidPrincipals), KeyID: sshKeyID(c.Key), Provisioner: p.provisioner.Name(),
		Profile: p.profile.Name, Identifiers: p.grant.Identifiers, RequestID: p.requestID,
	}
	if p.entity != nil {
		r.Entity = p.entity.ID
	}
	if p.old != nil {
		r.Previous = sshSerial(p.old.Serial)
		if p.oldRecord != nil {
			r.Identifiers = p.oldRecord.Identifiers
		}
	}
	return &draft{snapshot: p.s, watch: p.watch, product: &sshProduct{issuer: p.issuer.issuer}, record: r, spend: p.grant.Spend}
}
