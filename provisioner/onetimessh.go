package provisioner

import (
	"crypto/sha256"
	"encoding/base64"
	"time"
)

// sshSign takes a token that says by its step.ssh claim what it is for. One without that claim is for an
// X.509 certificate, and for nothing else.
func (o *OneTime) sshSign(r *Request, verify func(string) (*Verified, error)) (*Grant, error) {
	c, spend, err := o.claims(r, verify)
	if err != nil {
		return nil, err
	}
	if r.SSH == nil || r.SSH.Key == nil {
		return nil, Refuse(BadRequest, "key", "there is no public key")
	}
	if !c.confirmsKey(r.SSH) {
		return nil, Refuse(NotAllowed, "cnf", "token is for another public key")
	}
	w, err := sshWishOf(c)
	if err != nil {
		return nil, err
	}
	g := &SSHGrant{Type: w.Type, KeyID: w.KeyID}
	switch {
	case w.Type == 0:
		g.Type = r.SSH.Type // the token leaves it open
	case r.SSH.Type != 0 && r.SSH.Type != w.Type:
		return nil, Refuse(NotAllowed, "type", "token is for a %s certificate", w.Type)
	}
	if g.Type == 0 {
		return nil, Refuse(BadRequest, "type", "neither token nor request says whether it is for a user or for a host")
	}
	if g.KeyID == "" {
		g.KeyID = c.Subject
	}
	principals := w.Principals
	if len(principals) == 0 {
		principals = []string{c.Subject}
	}
	if g.Principals, err = GrantedPrincipals(r.SSH.Principals, principals); err != nil {
		return nil, err
	}
	if g.ValidAfter, err = sshMoment(w.ValidAfter, r.Time()); err != nil {
		return nil, err
	}
	from := g.ValidAfter
	if from.IsZero() {
		from = r.Time()
	}
	if g.ValidBefore, err = sshMoment(w.ValidBefore, from); err != nil {
		return nil, err
	}
	return &Grant{Subject: c.Subject, SSH: g, Identifiers: IdentifiersOf(c.Subject), Claims: c.All, Spend: spend}, nil
}

// sshRevoke takes a token whose subject is the serial: there is no TLS certificate that could speak for
// itself.
func (o *OneTime) sshRevoke(r *Request, verify func(string) (*Verified, error)) (*Grant, error) {
	if r.Token == "" {
		return nil, Refuse(Unauthenticated, "token", "there is no token")
	}
	return o.revokeBy(r, verify)
}

// sshWish is the step.ssh claim: what step's clients ask of an SSH certificate.
type sshWish struct {
	Type                    SSHType
	KeyID                   string
	Principals              []string
	ValidAfter, ValidBefore string
}

func sshWishOf(c *Claims) (w sshWish, _ error) {
	var step, m map[string]any
	var kind string
	ok := claim(c.All, "step", &step) && claim(step, "ssh", &m)
	if ok && m == nil {
		return w, Refuse(Unauthenticated, "step-ssh", "token is for no SSH certificate")
	}
	ok = ok && claim(m, "certType", &kind) && claim(m, "keyID", &w.KeyID) && list(m, "principals", &w.Principals) &&
		claim(m, "validAfter", &w.ValidAfter) && claim(m, "validBefore", &w.ValidBefore)
	if !ok {
		return w, Refuse(Unauthenticated, "claims", "a claim of the token has the wrong type")
	}
	if w.Type, ok = ParseSSHType(kind); !ok {
		return w, Refuse(Unauthenticated, "type", "token is for an unknown type of SSH certificate")
	}
	return w, nil
}

// sshMoment reads a time as step's clients write it: RFC 3339, or a duration from then on.
func sshMoment(s string, from time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return time.Time{}, Refuse(Unauthenticated, "claims", "a time in the token is neither an RFC 3339 time nor a duration")
	}
	return from.Add(d), nil
}

// confirmsKey reports whether the token may be used for that key: it names this one or none. What step's
// clients write into the claim is the SHA-256 of the key's wire form.
func (c *Claims) confirmsKey(r *SSHRequest) bool {
	if c.Confirmation == "" {
		return true
	}
	sum := sha256.Sum256(r.Key.Marshal())
	return c.Confirmation == base64.RawURLEncoding.EncodeToString(sum[:])
}
