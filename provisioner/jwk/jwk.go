package jwk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/chancery-ca/chancery/internal/jws"
	"github.com/chancery-ca/chancery/provisioner"
)

// Config is what a Provisioner is made from.
type Config struct {
	Name string // required; the tokens' issuer
	Keys []Key  // required; the first is the current one

	Renewal provisioner.Renewal
	MaxLife time.Duration // how far ahead a token may expire; zero means provisioner.DefaultMaxLife

	// Extra are further members of the public form, "claims" and "options" for step's clients. They are
	// published as they are.
	Extra map[string]any
}

// Key verifies tokens.
type Key struct {
	// JWK is the public key. EC keys on P-256, P-384 and P-521, Ed25519, and RSA from 2048 to 8192 bits
	// work. An empty KeyID becomes the thumbprint of RFC 7638. Algorithm is needed only to narrow those
	// of an RSA key to one.
	JWK jose.JSONWebKey

	// EncryptedKey is the private key as a compact JWE under a password, which everybody may fetch; empty
	// keeps it away from them.
	EncryptedKey string
}

// Provisioner judges tokens signed by one of its keys. It is immutable.
type Provisioner struct {
	judge  provisioner.OneTime
	keys   []key
	public any
}

type key struct {
	Key
	algorithms []jose.SignatureAlgorithm
}

var (
	_ provisioner.Claimer   = (*Provisioner)(nil)
	_ provisioner.Marker    = (*Provisioner)(nil)
	_ provisioner.Publisher = (*Provisioner)(nil)
)

// New makes a Provisioner. It reports every fault at once.
func New(c Config) (*Provisioner, error) {
	p := &Provisioner{judge: provisioner.OneTime{Name: c.Name, Renewal: c.Renewal, MaxLife: c.MaxLife}}
	var errs []error
	if c.Name == "" {
		errs = append(errs, errors.New("jwk: provisioner has no name"))
	}
	if len(c.Keys) == 0 {
		errs = append(errs, fmt.Errorf("jwk: provisioner %q has no key", c.Name))
	}
	for i, k := range c.Keys {
		known, err := newKey(k)
		if err == nil && p.key(known.JWK.KeyID) != nil {
			err = fmt.Errorf("key id %q is there twice", known.JWK.KeyID)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("jwk: provisioner %q: key %d: %w", c.Name, i, err))
			continue
		}
		p.keys = append(p.keys, *known)
	}
	var err error
	if p.public, err = p.publish(c.Extra); err != nil {
		errs = append(errs, fmt.Errorf("jwk: provisioner %q: %w", c.Name, err))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return p, nil
}

func newKey(k Key) (*key, error) {
	if k.JWK.Key == nil || !k.JWK.Valid() || !k.JWK.IsPublic() {
		return nil, errors.New("not a public key")
	}
	algs := jws.AlgorithmsFor(k.JWK.Key)
	if algs == nil {
		return nil, errors.New("key is of a kind or size that is not supported")
	}
	if a := jose.SignatureAlgorithm(k.JWK.Algorithm); a != "" {
		if !slices.Contains(algs, a) {
			return nil, fmt.Errorf("algorithm %q is not one of the key's", a)
		}
		algs = []jose.SignatureAlgorithm{a}
	} else if len(algs) == 1 {
		k.JWK.Algorithm = string(algs[0])
	}
	if k.JWK.Use != "" && k.JWK.Use != "sig" {
		return nil, fmt.Errorf("key is for use %q, not for signatures", k.JWK.Use)
	}
	if k.JWK.KeyID == "" {
		var err error
		if k.JWK.KeyID, err = thumbprint(k.JWK); err != nil {
			return nil, err
		}
	}
	if k.EncryptedKey != "" {
		if _, err := jose.ParseEncryptedCompact(k.EncryptedKey, keyEncryptions, contentEncryptions); err != nil {
			return nil, errors.New("encrypted key is not a compact JWE under a password")
		}
	}
	// Nothing else that the JWK carried, certificates for example, is kept or published.
	k.JWK = jose.JSONWebKey{Key: k.JWK.Key, KeyID: k.JWK.KeyID, Algorithm: k.JWK.Algorithm, Use: "sig"}
	return &key{k, algs}, nil
}

// publish makes the public form, with an entry for each key: step knows one key per provisioner, and
// several of the same name.
func (p *Provisioner) publish(extra map[string]any) (any, error) {
	entries := make([]any, 0, len(p.keys))
	for _, k := range p.keys {
		m := maps.Clone(extra)
		if m == nil {
			m = make(map[string]any)
		}
		m["type"], m["name"], m["key"] = "JWK", p.judge.Name, k.JWK
		delete(m, "encryptedKey")
		if k.EncryptedKey != "" {
			m["encryptedKey"] = k.EncryptedKey
		}
		b, err := json.Marshal(m)
		if err != nil {
			return nil, fmt.Errorf("public form: %w", err)
		}
		entries = append(entries, json.RawMessage(b))
	}
	if len(entries) == 1 {
		return entries[0], nil
	}
	return entries, nil
}

// Name returns the name from the configuration.
func (p *Provisioner) Name() string { return p.judge.Name }

// Claims recognises tokens by issuer and key id. Those with a fragment in the audience are for
// provisioners of another type.
func (p *Provisioner) Claims(t *provisioner.Token) bool {
	hasFragment := func(a string) bool { return strings.Contains(a, "#") }
	return t.Issuer == p.judge.Name && p.key(t.KeyID) != nil && !slices.ContainsFunc(t.Audience, hasFragment)
}

// Marked recognises certificates that tokens by one of the keys let through.
func (p *Provisioner) Marked(m provisioner.Mark) bool {
	return m.Type == provisioner.TypeJWK && p.key(m.CredentialID) != nil
}

// Public returns the provisioner as it stands in step's /provisioners: one entry, or a []any with an
// entry for each of several keys.
func (p *Provisioner) Public() any {
	if all, ok := p.public.([]any); ok {
		return slices.Clone(all)
	}
	return p.public
}

// EncryptedKey returns the private key of that id, encrypted, if it was configured.
func (p *Provisioner) EncryptedKey(kid string) (jwe string, ok bool) {
	if k := p.key(kid); k != nil && k.EncryptedKey != "" {
		return k.EncryptedKey, true
	}
	return "", false
}

func (p *Provisioner) key(kid string) *key {
	for i := range p.keys {
		if p.keys[i].JWK.KeyID == kid {
			return &p.keys[i]
		}
	}
	return nil
}

// Authorize grants what a token says: to sign, the names in it; to revoke, the serial that is its
// subject. Renewal and rekeying want the certificate, and revocation is content with it.
func (p *Provisioner) Authorize(_ context.Context, r *provisioner.Request) (*provisioner.Grant, error) {
	kid := p.keys[0].JWK.KeyID
	if r.Certificate != nil {
		if _, m, ok := provisioner.MarkOf(r.Certificate); ok && p.Marked(m) {
			kid = m.CredentialID
		}
	}
	g, err := p.judge.Authorize(r, func(token string) (*provisioner.Verified, error) {
		m, err := jws.Parse(token)
		if err != nil {
			return nil, jws.Refusal(err)
		}
		k := p.key(m.Header.KeyID)
		if k == nil {
			return nil, provisioner.Refuse(provisioner.Unauthenticated, "key", "token is by a key that provisioner %q does not have", p.judge.Name)
		}
		payload, err := m.Verify(k.JWK.Key, k.algorithms)
		if err != nil {
			return nil, jws.Refusal(err)
		}
		kid = k.JWK.KeyID
		return &provisioner.Verified{Payload: payload, SigningInput: m.SigningInput()}, nil
	})
	if err != nil {
		return nil, err
	}
	g.Mark = provisioner.Mark{Type: provisioner.TypeJWK, CredentialID: kid}
	return g, nil
}
