package oidc

import (
	"context"
	"slices"
	"strings"

	"github.com/chancery-ca/chancery/internal/jws"
	"github.com/chancery-ca/chancery/provisioner"
)

// verify finds out whether a token is good, and whose it is.
func (p *Provisioner) verify(ctx context.Context, r *provisioner.Request) (*bearer, error) {
	no := func(code, reason string) error {
		return provisioner.Refuse(provisioner.Unauthenticated, code, "%s", reason)
	}
	if r.Token == "" {
		return nil, no("token", "there is no token")
	}
	m, err := jws.Parse(r.Token)
	if err != nil {
		return nil, jws.Refusal(err)
	}
	payload, err := p.provider.open(ctx, m)
	if err != nil {
		return nil, err
	}
	c, err := provisioner.ParseClaims(payload)
	if err != nil {
		return nil, err
	}
	if err := p.judge(r, c); err != nil {
		return nil, err
	}
	who, err := p.c.Identity(c.All)
	if err != nil || who == nil || who.Subject == "" {
		return nil, provisioner.Refuse(provisioner.NotAllowed, "identity", "the token does not say whose it is")
	}
	b := &bearer{claims: c, who: who}
	b.admin = p.isAdmin(who)
	if err := p.judgePerson(c, b); err != nil {
		return nil, err
	}
	b.spend = c.Spend(p.c.Name, m.SigningInput())
	if nonce, ok := c.All["nonce"].(string); ok && nonce != "" && c.ID == "" {
		by := *c
		by.ID = "nonce:" + nonce
		b.spend = by.Spend(p.c.Name, m.SigningInput())
	}
	return b, nil
}

// judge asks whose token it is, for whom it was made, and when (OpenID Connect Core 1.0, section 3.1.3.7).
func (p *Provisioner) judge(r *provisioner.Request, c *provisioner.Claims) error {
	no := func(code, reason string) error {
		return provisioner.Refuse(provisioner.Unauthenticated, code, "%s", reason)
	}
	now := r.Time()
	azp, hasAZP := c.All["azp"].(string)
	_, saysAZP := c.All["azp"]
	switch {
	case !p.provider.isIssuer(c.Issuer):
		return no("issuer", "token is by another issuer")
	case c.Subject == "":
		return no("subject", "token has no subject")
	case !slices.ContainsFunc(c.Audience, p.isAudience):
		return no("audience", "token was made for another client")
	case saysAZP && (!hasAZP || azp != p.c.ClientID && !slices.ContainsFunc(c.Audience, p.isOtherAudience)):
		return no("azp", "token was made for another client to use")
	case len(c.Audience) > 1 && !saysAZP:
		return no("azp", "token is for several, and does not say who may use it")
	case c.Expires.IsZero():
		return no("expiry", "token does not expire")
	case !now.Before(c.Expires.Add(provisioner.Leeway)):
		return no("expired", "token has expired")
	case c.NotBefore.After(now.Add(provisioner.Leeway)):
		return no("not-before", "token is not valid yet")
	case c.IssuedAt.After(now.Add(provisioner.Leeway)):
		return no("issued-in-future", "token was issued in the future")
	case c.Expires.After(now.Add(p.c.MaxLife + provisioner.Leeway)):
		return no("lifetime", "token lives longer than allowed")
	case c.Confirmation != "":
		return no("cnf", "token is bound to a key that is not shown here")
	}
	if v, there := c.All["nonce"]; there {
		if s, ok := v.(string); !ok || s == "" {
			return no("nonce", "nonce of the token is none")
		}
	}
	for name, allowed := range p.c.Claims {
		if !slices.ContainsFunc(stringsOf(c.All[name]), func(s string) bool { return slices.Contains(allowed, s) }) {
			return provisioner.Refuse(provisioner.NotAllowed, "claim", "claim %q of the token is not one that is allowed", name)
		}
	}
	return p.judgeFactors(c)
}

func (p *Provisioner) judgeFactors(c *provisioner.Claims) error {
	no := func(code, reason string) error { return provisioner.Refuse(provisioner.NotAllowed, code, "%s", reason) }
	if acr, _ := c.All["acr"].(string); p.c.ACR != nil && !slices.Contains(p.c.ACR, acr) {
		return no("acr", "the way in which its holder has logged in (acr) is not good enough")
	}
	if amr := stringsOf(c.All["amr"]); p.c.AMR != nil && !slices.ContainsFunc(amr, func(s string) bool { return slices.Contains(p.c.AMR, s) }) {
		return no("amr", "none of the ways in which its holder has logged in (amr) is good enough")
	}
	return nil
}

// judgePerson asks whether somebody is one of those who may have certificates at all.
func (p *Provisioner) judgePerson(c *provisioner.Claims, b *bearer) error {
	no := func(code, reason string) error { return provisioner.Refuse(provisioner.NotAllowed, code, "%s", reason) }
	email := b.who.Email
	if v, there := c.All["email_verified"]; email != "" && (there || p.c.RequireVerifiedEmail) {
		if yes, isBool := v.(bool); !yes && (isBool || v != "true") { // which some providers write as a string
			return no("email-unverified", "the e-mail address is not verified")
		}
	}
	switch {
	case email == "" && (len(p.c.Domains) > 0 || p.c.RequireVerifiedEmail) && !b.admin:
		return no("email", "the token has no e-mail address")
	case len(p.c.Domains) > 0 && !b.admin && !p.inDomains(email):
		return no("domain", "the e-mail address is not of a domain that is allowed")
	case len(p.c.Groups) > 0 && !slices.ContainsFunc(b.who.Groups, func(g string) bool { return slices.Contains(p.c.Groups, g) }):
		return no("group", "no group of the token is one that is allowed")
	}
	return nil
}

func (p *Provisioner) inDomains(email string) bool {
	_, domain, _ := cutLast(email)
	return slices.ContainsFunc(p.c.Domains, func(d string) bool { return sameDomain(d, domain) })
}

func cutLast(email string) (local, domain string, ok bool) {
	i := strings.LastIndexByte(email, '@')
	if i < 0 {
		return email, "", false
	}
	return email[:i], email[i+1:], true
}

// sameDomain compares without the case of ASCII letters. Unicode folds more (the Kelvin sign to k), and would
// let whoever has an address at another domain be the namesake of one of ours.
func sameDomain(a, b string) bool { return provisioner.CanonicalDNS(a) == provisioner.CanonicalDNS(b) }

// isAdmin compares e-mail addresses, their domains without case, and groups.
func (p *Provisioner) isAdmin(who *Identity) bool {
	local, domain, ok := cutLast(who.Email)
	for _, a := range p.c.Admins {
		if l, d, is := cutLast(a); ok && is && l == local && sameDomain(d, domain) {
			return true
		}
		if slices.Contains(who.Groups, a) {
			return true
		}
	}
	return false
}
