package sshpop

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/internal/jws"
	"github.com/chancery-ca/chancery/provisioner"
)

// Config is what a Provisioner is made from.
type Config struct {
	Name string // required; the tokens' issuer

	Renewal provisioner.Renewal
	MaxLife time.Duration // how far ahead a token may expire; zero means provisioner.DefaultMaxLife

	// Extra are further members of the public form, "claims" for step's clients. They are published as
	// they are.
	Extra map[string]any
}

// Provisioner judges tokens signed with the keys of SSH certificates. It is immutable.
type Provisioner struct {
	name    string
	rules   provisioner.ClaimRules
	renewal provisioner.Renewal
	public  json.RawMessage
}

var (
	_ provisioner.Claimer   = (*Provisioner)(nil)
	_ provisioner.Publisher = (*Provisioner)(nil)
)

// New makes a Provisioner.
func New(c Config) (*Provisioner, error) {
	if c.Name == "" {
		return nil, errors.New("sshpop: provisioner has no name")
	}
	m := maps.Clone(c.Extra)
	if m == nil {
		m = make(map[string]any)
	}
	m["type"], m["name"] = "SSHPOP", c.Name
	public, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("sshpop: provisioner %q: public form: %w", c.Name, err)
	}
	rules := provisioner.ClaimRules{Issuer: c.Name, Fragment: Fragment(c.Name), MaxLife: c.MaxLife}
	return &Provisioner{name: c.Name, rules: rules, renewal: c.Renewal, public: public}, nil
}

// Fragment is what the audiences of tokens for the provisioner of that name end in, behind a "#".
func Fragment(name string) string { return "sshpop/" + name }

// Name returns the name from the configuration.
func (p *Provisioner) Name() string { return p.name }

// Claims recognises tokens by the fragment of their audience.
func (p *Provisioner) Claims(t *provisioner.Token) bool {
	for _, a := range t.Audience {
		if provisioner.AudienceFragment(a) == p.rules.Fragment {
			return true
		}
	}
	return false
}

// Public returns the provisioner as it stands in step's /provisioners.
func (p *Provisioner) Public() any { return p.public }

// EncryptedKey knows no key.
func (p *Provisioner) EncryptedKey(string) (jwe string, ok bool) { return "", false }

// Authorize grants a host certificate once more, to whoever holds its key, and the end of any certificate.
// The certificate is the one in the request, which the authority has recognised as its own and in good
// standing; a token that carries another one is refused.
func (p *Provisioner) Authorize(_ context.Context, r *provisioner.Request) (*provisioner.Grant, error) {
	switch r.Operation {
	case provisioner.SSHRenew, provisioner.SSHRekey:
		c, err := p.verify(r)
		if err != nil {
			return nil, err
		}
		if err := p.again(r, c.certificate); err != nil {
			return nil, err
		}
		return c.grant(), nil
	case provisioner.SSHRevoke:
		c, err := p.verify(r)
		if err != nil {
			return nil, err
		}
		serial, err := provisioner.ParseSerial(c.claims.Subject)
		if own := fmt.Sprintf("%x", c.certificate.Serial); err != nil || serial != r.Serial || serial != own {
			return nil, provisioner.Refuse(provisioner.NotAllowed, "serial", "token is for another serial number")
		}
		if err := alive(c.certificate, r.Time(), false); err != nil {
			return nil, err
		}
		g := c.grant()
		g.SSH = nil
		return g, nil
	default:
		return nil, provisioner.Refuse(provisioner.NotAllowed, "operation", "provisioner %q does not know operation %q", p.name, r.Operation)
	}
}

// proof is a token whose signature is by the key of the certificate that it carries.
type proof struct {
	certificate *ssh.Certificate
	claims      *provisioner.Claims
	spend       provisioner.Spend
}

func (p *Provisioner) verify(r *provisioner.Request) (*proof, error) {
	no := func(code, reason string) error {
		return provisioner.Refuse(provisioner.Unauthenticated, code, "%s", reason)
	}
	switch {
	case r.Token == "":
		return nil, no("token", "there is no token")
	case r.SSH == nil || r.SSH.Certificate == nil:
		return nil, no("certificate", "nobody has recognised a certificate")
	}
	m, err := jws.Parse(r.Token)
	if err != nil {
		return nil, jws.Refusal(err)
	}
	c := r.SSH.Certificate
	if m.Header.SSHPOP != base64.StdEncoding.EncodeToString(c.Marshal()) {
		return nil, no("certificate", "token carries another certificate")
	}
	k, ok := c.Key.(ssh.CryptoPublicKey)
	if !ok || isSecurityKey(c.Key) {
		return nil, no("key", "the certificate's key signs no tokens")
	}
	pub := k.CryptoPublicKey()
	payload, err := m.Verify(pub, jws.AlgorithmsFor(pub))
	if err != nil {
		return nil, jws.Refusal(err)
	}
	claims, err := provisioner.ParseClaims(payload)
	if err != nil {
		return nil, err
	}
	if err := claims.Check(r, p.rules); err != nil {
		return nil, err
	}
	if claims.Confirmation != "" {
		return nil, no("cnf", "token is for a certificate request")
	}
	return &proof{c, claims, claims.Spend(p.name, m.SigningInput())}, nil
}

// isSecurityKey tells keys whose signatures cover more than what is signed (OpenSSH's PROTOCOL.u2f).
func isSecurityKey(k ssh.PublicKey) bool {
	return k.Type() == ssh.KeyAlgoSKECDSA256 || k.Type() == ssh.KeyAlgoSKED25519
}

// again judges whether the certificate may be had once more.
func (p *Provisioner) again(r *provisioner.Request, c *ssh.Certificate) error {
	switch {
	case c.CertType != ssh.HostCert:
		return provisioner.Refuse(provisioner.BadRequest, "type", "only host certificates are renewed and rekeyed")
	case p.renewal.Disabled:
		return provisioner.Refuse(provisioner.Unauthenticated, "renewal-disabled", "renewal is disabled")
	}
	return alive(c, r.Time(), p.renewal.AfterExpiry && r.Operation == provisioner.SSHRenew)
}

func alive(c *ssh.Certificate, now time.Time, afterwards bool) error {
	switch t := now.Unix(); {
	case t < 0 || uint64(t) < c.ValidAfter:
		return provisioner.Refuse(provisioner.Unauthenticated, "not-yet-valid", "certificate is not valid yet")
	case uint64(t) >= c.ValidBefore && !afterwards:
		return provisioner.Refuse(provisioner.Unauthenticated, "expired", "certificate has expired")
	}
	return nil
}

// grant is all that the certificate has. Whom it names is who is asking.
func (f *proof) grant() *provisioner.Grant {
	c := f.certificate
	g := &provisioner.Grant{
		Subject: c.KeyId, Claims: f.claims.All, Spend: f.spend,
		SSH: &provisioner.SSHGrant{Type: provisioner.SSHType(c.CertType), KeyID: c.KeyId, Principals: c.ValidPrincipals},
	}
	for _, s := range append([]string{c.KeyId}, c.ValidPrincipals...) {
		g.Identifiers = append(g.Identifiers, provisioner.IdentifiersOf(s)...)
	}
	return g
}
