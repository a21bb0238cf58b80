package provisioner

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"time"
)

// OneTime is the judgement that step's JWK and X5C provisioners share: everything about a one-time token
// but the question whose key signed it. Provisioners of a similar kind embed their own in a field.
type OneTime struct {
	Name     string        // of the provisioner, and the tokens' issuer
	Fragment string        // what the tokens' audiences end in
	MaxLife  time.Duration // zero means DefaultMaxLife
	Renewal  Renewal
}

// A Verified token is one whose signature somebody has checked.
type Verified struct {
	Payload      []byte
	SigningInput string // what the signature covers
}

// Authorize judges r. It calls verify when the operation is one that a token authorizes, and only then;
// verify's error is returned as it is. What is particular to the provisioner, a [Mark] for example, is
// left for it to add to the grant.
func (o *OneTime) Authorize(r *Request, verify func(token string) (*Verified, error)) (*Grant, error) {
	switch r.Operation {
	case X509Sign:
		return o.sign(r, verify)
	case X509Renew, X509Rekey:
		return o.renew(r)
	case X509Revoke:
		return o.revoke(r, verify)
	case SSHSign:
		return o.sshSign(r, verify)
	case SSHRevoke:
		return o.sshRevoke(r, verify)
	default:
		return nil, Refuse(NotAllowed, "operation", "provisioner %q does not know operation %q", o.Name, r.Operation)
	}
}

func (o *OneTime) sign(r *Request, verify func(string) (*Verified, error)) (*Grant, error) {
	c, spend, err := o.claims(r, verify)
	if err != nil {
		return nil, err
	}
	if r.CSR == nil {
		return nil, Refuse(BadRequest, "csr", "there is no certificate request")
	}
	if !c.Confirms(r.CSR.Raw) {
		return nil, Refuse(NotAllowed, "cnf", "token is for another certificate request")
	}
	names, err := GrantedNames(r.CSR, c.Subject, c.SANs)
	if err != nil {
		return nil, err
	}
	return &Grant{Subject: c.Subject, Names: names, Identifiers: IdentifiersOf(c.Subject), Claims: c.All, Spend: spend}, nil
}

func (o *OneTime) renew(r *Request) (*Grant, error) {
	if err := o.Renewal.Check(r); err != nil {
		return nil, err
	}
	cn := r.Certificate.Subject.CommonName
	return &Grant{Subject: cn, Names: NamesOf(r.Certificate), Identifiers: identifiersOf(r.Certificate)}, nil
}

// revoke takes a token whose subject is the serial, or else the certificate itself. A token, when there
// is one, decides alone.
func (o *OneTime) revoke(r *Request, verify func(string) (*Verified, error)) (*Grant, error) {
	if r.Token == "" {
		return RevokeOwn(r)
	}
	return o.revokeBy(r, verify)
}

// revokeBy takes a token whose subject is the serial.
func (o *OneTime) revokeBy(r *Request, verify func(string) (*Verified, error)) (*Grant, error) {
	c, spend, err := o.claims(r, verify)
	if err != nil {
		return nil, err
	}
	serial, err := ParseSerial(c.Subject)
	if err != nil || r.Serial == "" || serial != r.Serial {
		return nil, Refuse(NotAllowed, "serial", "token is for another serial number")
	}
	if c.Confirmation != "" {
		return nil, Refuse(NotAllowed, "cnf", "token is for a certificate request")
	}
	return &Grant{Subject: c.Subject, Claims: c.All, Spend: spend}, nil
}

func (o *OneTime) claims(r *Request, verify func(string) (*Verified, error)) (*Claims, Spend, error) {
	if r.Token == "" {
		return nil, Spend{}, Refuse(Unauthenticated, "token", "there is no token")
	}
	v, err := verify(r.Token)
	if err != nil {
		return nil, Spend{}, err
	}
	c, err := ParseClaims(v.Payload)
	if err != nil {
		return nil, Spend{}, err
	}
	if err := c.Check(r, ClaimRules{Issuer: o.Name, Fragment: o.Fragment, MaxLife: o.MaxLife}); err != nil {
		return nil, Spend{}, err
	}
	return c, c.Spend(o.Name, v.SigningInput), nil
}

// RevokeOwn lets a certificate end its own life: the TLS connection must have been authenticated with
// the very certificate that is to be revoked.
func RevokeOwn(r *Request) (*Grant, error) {
	c := r.Certificate
	switch {
	case c == nil || r.Proof != TLSProof:
		return nil, Refuse(Unauthenticated, "proof", "nobody proved possession of the certificate's key")
	case c.SerialNumber == nil || r.Serial == "" || c.SerialNumber.Text(16) != r.Serial:
		return nil, Refuse(NotAllowed, "serial", "the certificate shown has another serial number")
	}
	return &Grant{Subject: c.Subject.CommonName, Identifiers: identifiersOf(c)}, nil
}

// identifiersOf names the holder of a certificate that we issued: by its common name, or where it has
// none by its first name.
func identifiersOf(c *x509.Certificate) []Identifier {
	if cn := c.Subject.CommonName; cn != "" {
		return IdentifiersOf(cn)
	}
	if s := NamesOf(c).Strings(); len(s) > 0 {
		return IdentifiersOf(s[0])
	}
	return nil
}

// GrantedNames are the names that a token with that subject and those sans grants: the sans, or the
// subject where there are none. It refuses a CSR that asks for anything else, by step's rule: its common
// name, if any, must be the subject or one of the sans, and of each type of name that it asks for at
// all, it must ask for exactly those that are granted.
func GrantedNames(csr *x509.CertificateRequest, subject string, sans []string) (Names, error) {
	if len(sans) == 0 {
		sans = []string{subject}
	}
	n := ParseNames(sans)
	if cn := csr.Subject.CommonName; cn != "" && cn != subject && !n.Contains(cn) {
		return Names{}, Refuse(NotAllowed, "common-name", "common name %.100q is neither the token's subject nor one of its names", cn)
	}
	asked := NamesOfCSR(csr)
	if more := asked.Without(n); more.Len() > 0 {
		return Names{}, Refuse(NotAllowed, "names", "certificate request asks for %.200q, which the token does not grant", more.Strings())
	}
	left := n.Without(asked)
	if len(asked.DNS) == 0 {
		left.DNS = nil
	}
	if len(asked.IPs) == 0 {
		left.IPs = nil
	}
	if len(asked.Emails) == 0 {
		left.Emails = nil
	}
	if len(asked.URIs) == 0 {
		left.URIs = nil
	}
	if left.Len() > 0 {
		return Names{}, Refuse(NotAllowed, "names", "certificate request leaves out %.200q, which the token grants", left.Strings())
	}
	return n, nil
}

// Fingerprint returns the identifier of a certificate's key.
func Fingerprint(c *x509.Certificate) Identifier {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return Identifier{KeyFingerprint, hex.EncodeToString(sum[:])}
}
