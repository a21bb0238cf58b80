package x5c

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/internal/jws"
	"github.com/chancery-ca/chancery/provisioner"
)

// Config is what a Provisioner is made from.
type Config struct {
	Name  string              // required; the tokens' issuer
	Roots []*x509.Certificate // required; CAs whose certificates may make tokens

	Renewal provisioner.Renewal
	MaxLife time.Duration // how far ahead a token may expire; zero means provisioner.DefaultMaxLife

	// Extra are further members of the public form, "claims" and "options" for step's clients. They are
	// published as they are.
	Extra map[string]any
}

// Provisioner judges tokens signed by certificates under its roots. It is immutable.
type Provisioner struct {
	judge  provisioner.OneTime
	roots  *x509.CertPool
	public json.RawMessage
}

var (
	_ provisioner.Claimer   = (*Provisioner)(nil)
	_ provisioner.Marker    = (*Provisioner)(nil)
	_ provisioner.Publisher = (*Provisioner)(nil)
)

// New makes a Provisioner. It reports every fault at once.
func New(c Config) (*Provisioner, error) {
	p := &Provisioner{roots: x509.NewCertPool()}
	p.judge = provisioner.OneTime{Name: c.Name, Fragment: Fragment(c.Name), Renewal: c.Renewal, MaxLife: c.MaxLife}
	var errs []error
	if c.Name == "" {
		errs = append(errs, errors.New("x5c: provisioner has no name"))
	}
	if len(c.Roots) == 0 {
		errs = append(errs, fmt.Errorf("x5c: provisioner %q has no root", c.Name))
	}
	var bundle []byte
	for i, root := range c.Roots {
		if root == nil || len(root.Raw) == 0 {
			errs = append(errs, fmt.Errorf("x5c: provisioner %q: root %d is not a parsed certificate", c.Name, i))
			continue
		}
		p.roots.AddCert(root)
		bundle = append(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw})...)
	}
	m := maps.Clone(c.Extra)
	if m == nil {
		m = make(map[string]any)
	}
	m["type"], m["name"], m["roots"] = "X5C", c.Name, bundle
	var err error
	if p.public, err = json.Marshal(m); err != nil {
		errs = append(errs, fmt.Errorf("x5c: provisioner %q: public form: %w", c.Name, err))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return p, nil
}

// Fragment is what the audiences of tokens for the provisioner of that name end in, behind a "#".
func Fragment(name string) string { return "x5c/" + name }

// Name returns the name from the configuration.
func (p *Provisioner) Name() string { return p.judge.Name }

// Claims recognises tokens by the fragment of their audience.
func (p *Provisioner) Claims(t *provisioner.Token) bool {
	for _, a := range t.Audience {
		if provisioner.AudienceFragment(a) == p.judge.Fragment {
			return true
		}
	}
	return false
}

// Marked recognises certificates of some X5C provisioner; their mark does not say more.
func (p *Provisioner) Marked(m provisioner.Mark) bool { return m.Type == provisioner.TypeX5C }

// Public returns the provisioner as it stands in step's /provisioners.
func (p *Provisioner) Public() any { return p.public }

// EncryptedKey knows no key.
func (p *Provisioner) EncryptedKey(string) (jwe string, ok bool) { return "", false }

// Authorize grants what a token says: to sign, the names in it, for the life of the certificate that
// signed it; to revoke, the serial that is its subject. Renewal and rekeying want the certificate, and
// revocation is content with it.
func (p *Provisioner) Authorize(_ context.Context, r *provisioner.Request) (*provisioner.Grant, error) {
	var leaf *x509.Certificate
	g, err := p.judge.Authorize(r, func(token string) (*provisioner.Verified, error) {
		m, err := jws.Parse(token)
		if err != nil {
			return nil, jws.Refusal(err)
		}
		now := r.Time()
		v := jws.ChainVerifier{Header: "x5c", Roots: p.roots, ClientAuth: true, At: func(*x509.Certificate) time.Time { return now }}
		chain, payload, err := v.Verify(m)
		if err != nil {
			return nil, jws.Refusal(err)
		}
		if leaf = chain[0]; leaf.IsCA {
			return nil, provisioner.Refuse(provisioner.Unauthenticated, "chain", "a CA certificate is no credential")
		}
		return &provisioner.Verified{Payload: payload, SigningInput: m.SigningInput()}, nil
	})
	if err != nil {
		return nil, err
	}
	g.Mark = provisioner.Mark{Type: provisioner.TypeX5C}
	if leaf != nil {
		g.Certificate = leaf
		g.Validity.NotBefore, g.Validity.NotAfter = leaf.NotBefore, leaf.NotAfter
		g.Identifiers = identifiers(leaf)
	}
	return g, nil
}

// identifiers are those of the certificate that made the token: the token's own subject is what it asks
// for, not who it is.
func identifiers(c *x509.Certificate) []provisioner.Identifier {
	ids := []provisioner.Identifier{provisioner.Fingerprint(c)}
	names := provisioner.NamesOf(c).Strings()
	if cn := strings.TrimSpace(c.Subject.CommonName); cn != "" {
		names = append([]string{cn}, names...)
	}
	for _, n := range names {
		ids = append(ids, provisioner.IdentifiersOf(n)...)
	}
	return ids
}
