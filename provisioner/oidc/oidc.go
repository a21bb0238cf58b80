package oidc

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/chancery-ca/chancery/provisioner"
)

// Provisioner judges the tokens of an OpenID provider. What it knows of the provider it asks for when it is
// needed; otherwise it is immutable.
type Provisioner struct {
	c        Config
	provider *provider
	form     json.RawMessage
}

var (
	_ provisioner.Claimer   = (*Provisioner)(nil)
	_ provisioner.Marker    = (*Provisioner)(nil)
	_ provisioner.Publisher = (*Provisioner)(nil)
)

// New makes a Provisioner. It reports every fault at once, and asks nobody anything.
func New(c Config) (*Provisioner, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	c.Claims = maps.Clone(c.Claims)
	for k, v := range c.Claims {
		c.Claims[k] = slices.Clone(v)
	}
	for _, l := range []*[]string{&c.Admins, &c.Domains, &c.Groups, &c.ACR, &c.AMR, &c.Audiences, &c.Scopes, &c.AuthParams} {
		*l = slices.Clone(*l)
	}
	if c.Identity == nil {
		c.Identity = ByEmail
	}
	if c.MaxLife == 0 {
		c.MaxLife = defaultMaxLife
	}
	p := &Provisioner{c: c}
	var err error
	if p.form, err = c.public(); err != nil {
		return nil, fmt.Errorf("oidc: provisioner %q: public form: %w", c.Name, err)
	}
	p.provider = newProvider(&p.c)
	return p, nil
}

// Name returns the name from the configuration.
func (p *Provisioner) Name() string { return p.c.Name }

// Claims recognises tokens by their audience: the client, or another that was configured.
func (p *Provisioner) Claims(t *provisioner.Token) bool {
	if t.AZP != "" {
		return t.AZP == p.c.ClientID || slices.ContainsFunc(t.Audience, p.isOtherAudience)
	}
	return slices.ContainsFunc(t.Audience, p.isAudience)
}

func (p *Provisioner) isAudience(a string) bool      { return a == p.c.ClientID || p.isOtherAudience(a) }
func (p *Provisioner) isOtherAudience(a string) bool { return slices.Contains(p.c.Audiences, a) }

// Marked recognises certificates of the same client.
func (p *Provisioner) Marked(m provisioner.Mark) bool {
	return m.Type == provisioner.TypeOIDC && m.CredentialID == p.c.ClientID
}

// Public returns the provisioner as it stands in step's /provisioners.
func (p *Provisioner) Public() any { return p.form }

// EncryptedKey knows no key.
func (p *Provisioner) EncryptedKey(string) (jwe string, ok bool) { return "", false }

// Authorize grants what a token's claims say: their own names to people, what they ask for to admins, who
// may also revoke. Renewal and rekeying of X.509 certificates want the certificate; SSH certificates are not
// had again, since the token is as quickly had.
func (p *Provisioner) Authorize(ctx context.Context, r *provisioner.Request) (*provisioner.Grant, error) {
	switch r.Operation {
	case provisioner.X509Sign, provisioner.SSHSign, provisioner.SSHRevoke:
	case provisioner.X509Renew, provisioner.X509Rekey:
		return p.renew(r)
	case provisioner.X509Revoke:
		if r.Token == "" {
			return p.marked(provisioner.RevokeOwn(r))
		}
	default:
		return nil, provisioner.Refuse(provisioner.NotAllowed, "operation", "provisioner %q does not know operation %q", p.c.Name, r.Operation)
	}
	b, err := p.verify(ctx, r)
	if err != nil {
		return nil, err
	}
	g := &provisioner.Grant{Subject: b.who.Subject, Claims: b.claims.All, Spend: b.spend, Identifiers: b.identifiers()}
	switch r.Operation {
	case provisioner.X509Sign:
		err = b.x509(r, g)
	case provisioner.SSHSign:
		err = b.ssh(r, g)
	default:
		if !b.admin {
			err = provisioner.Refuse(provisioner.NotAllowed, "admin", "only admins revoke with a token")
		}
	}
	return p.marked(g, err)
}

func (p *Provisioner) marked(g *provisioner.Grant, err error) (*provisioner.Grant, error) {
	if err != nil {
		return nil, err
	}
	g.Mark = provisioner.Mark{Type: provisioner.TypeOIDC, CredentialID: p.c.ClientID}
	return g, nil
}

func (p *Provisioner) renew(r *provisioner.Request) (*provisioner.Grant, error) {
	if err := p.c.Renewal.Check(r); err != nil {
		return nil, err
	}
	c := r.Certificate
	g := &provisioner.Grant{Subject: c.Subject.CommonName, Names: provisioner.NamesOf(c), Identifiers: provisioner.IdentifiersOf(c.Subject.CommonName)}
	return p.marked(g, nil)
}

// bearer is whoever has a token that is good.
type bearer struct {
	claims *provisioner.Claims
	who    *Identity
	admin  bool
	spend  provisioner.Spend
}

func (b *bearer) identifiers() []provisioner.Identifier {
	var ids []provisioner.Identifier
	if b.who.Email != "" {
		ids = append(ids, provisioner.Identifier{Kind: provisioner.Email, Value: b.who.Email})
	}
	return append(ids, provisioner.Identifier{Kind: provisioner.Subject, Value: b.who.Subject})
}

func (b *bearer) x509(r *provisioner.Request, g *provisioner.Grant) error {
	if r.CSR == nil {
		return provisioner.Refuse(provisioner.BadRequest, "csr", "there is no certificate request")
	}
	g.Names = b.who.Names.Clone() // whatever the request asks for, as in step-ca
	if b.admin {
		g.AnyName = true
		if cn := r.CSR.Subject.CommonName; cn != "" {
			g.Subject = cn
		}
	}
	if g.Names.Len() == 0 && !g.AnyName {
		return provisioner.Refuse(provisioner.NotAllowed, "names", "the token names nobody")
	}
	return nil
}

func (b *bearer) ssh(r *provisioner.Request, g *provisioner.Grant) error {
	if r.SSH == nil || r.SSH.Key == nil {
		return provisioner.Refuse(provisioner.BadRequest, "key", "there is no public key")
	}
	if b.admin && (r.SSH.KeyID != "" || r.SSH.Type == provisioner.SSHHost) {
		switch {
		case r.SSH.Type == 0 || r.SSH.KeyID == "" || len(r.SSH.Principals) == 0:
			return provisioner.Refuse(provisioner.BadRequest, "principals", "an admin's request has to say type, key id and principals")
		case !slices.ContainsFunc(r.SSH.Principals, unfit):
			g.SSH = &provisioner.SSHGrant{Type: r.SSH.Type, KeyID: r.SSH.KeyID, Principals: slices.Clone(r.SSH.Principals)}
			return nil
		}
		return provisioner.Refuse(provisioner.BadRequest, "principals", "a principal is empty, or not one word")
	}
	if r.SSH.Type == provisioner.SSHHost {
		return provisioner.Refuse(provisioner.NotAllowed, "type", "the token is for a user certificate")
	}
	// What the request asks for says nothing, as in step-ca: its clients guess at principals themselves.
	g.SSH = &provisioner.SSHGrant{Type: provisioner.SSHUser, KeyID: b.who.KeyID, Principals: slices.Clone(b.who.Principals)}
	if g.SSH.KeyID == "" {
		if g.SSH.KeyID = b.who.Email; g.SSH.KeyID == "" {
			g.SSH.KeyID = b.who.Subject
		}
	}
	if len(g.SSH.Principals) == 0 || slices.ContainsFunc(g.SSH.Principals, unfit) {
		return provisioner.Refuse(provisioner.NotAllowed, "principals", "the token gives no principal")
	}
	return nil
}

// unfit tells what is no principal.
func unfit(s string) bool {
	return s == "" || strings.ContainsFunc(s, func(r rune) bool { return r == ',' || r < ' ' || r == 0x7f })
}
