package stepconfig

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"

	"github.com/go-jose/go-jose/v4"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/kms/softkms"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/jwk"
	"github.com/chancery-ca/chancery/provisioner/sshpop"
	"github.com/chancery-ca/chancery/provisioner/x5c"
	"github.com/chancery-ca/chancery/template"
	"github.com/chancery-ca/chancery/template/step"
)

// Identity is the name of the provisioner, and of the profile, of the CA's own server certificate. The
// profile has no policy: the CA may call itself what ca.json says, whatever others may be called.
const Identity = "chancery/identity"

// Options is what Config needs beside the file.
type Options struct {
	// Password returns the password of the key in the file at path; it is asked only for keys that are
	// encrypted. Nil: the password in ca.json, if there is one.
	Password func(ctx context.Context, path string) ([]byte, error)

	Store   authority.Store // required; OpenStore opens the one that the file names
	Address string          // host:port where the CA is reached, if not File.Address
	HTTP    string          // host:port where its plain HTTP listener is reached, if not File.Insecure
	Logger  *slog.Logger    // nil discards

	ACME ACME // of ACME provisioners, where the file has any

	OIDC *http.Client // asks OpenID providers for their keys; nil: one of package oidc's own
}

// Config opens what the file names and returns the configuration of its authority. Each provisioner has
// a profile of its own, under its name. The error holds every [Fault] there is.
func (f *File) Config(ctx context.Context, o Options) (*authority.Config, error) {
	var all faults
	c := &authority.Config{
		URLs: f.urls(o.Address), Store: o.Store, Logger: o.Logger, Bindings: map[string]authority.Binding{},
	}
	c.Roots = certificates(f.top.at("root"), &all, f.Roots...)
	c.FederatedRoots = certificates(f.top.at("federatedRoots"), &all, f.FederatedRoots...)
	own := issuing{f.Chain, f.Key, f.top.at("crt"), f.top.at("key"), authority.Active}
	for _, i := range append([]issuing{own}, f.retiring...) {
		if i, ok := f.issuer(ctx, o, i, &all); ok {
			c.Issuers = append(c.Issuers, i)
		}
	}
	f.addPointers(c, cmp.Or(o.HTTP, f.Insecure), &all)
	f.upkeep.apply(c)
	f.addSSH(ctx, c, o, &all)
	f.addIdentity(c)
	f.addDefault(c, &all)
	for _, p := range f.provisioners {
		f.addProvisioner(c, o, p, &all)
	}
	if f.inventory != nil {
		f.addInventory(ctx, c, o, &all)
	}
	if err := all.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// urls are where tokens may say that they lead: every name of the CA, with the port that it listens on,
// as clients that are connected write it, and without, as `step ca token --offline` does.
func (f *File) urls(address string) []string {
	if address == "" {
		address = f.Address
	}
	_, port, _ := net.SplitHostPort(address)
	var urls []string
	for _, name := range f.DNSNames {
		switch {
		case f.anyPort:
			urls = append(urls, URL(name, net.JoinHostPort("", "*")))
		case port == "0":
			urls = append(urls, URL(name, ":443"))
		default:
			urls = append(urls, URL(name, address), URL(name, ":443"))
		}
	}
	slices.Sort(urls)
	return slices.Compact(urls)
}

func (f *File) issuer(ctx context.Context, o Options, i issuing, all *faults) (authority.Issuer, bool) {
	chain := certificates(i.crtAt, all, i.crt)
	signer := f.open(ctx, o, i.key, i.keyAt, all)
	if len(chain) == 0 || signer == nil {
		return authority.Issuer{}, false
	}
	sum := sha256.Sum256(chain[0].RawSubjectPublicKeyInfo) // a name that stays for as long as the key does
	return authority.Issuer{Name: "intermediate-" + hex.EncodeToString(sum[:4]), State: i.state, Chain: chain, Signer: signer}, true
}

// keys is what opens private keys.
func (f *File) keys(o Options) kms.KeyManager {
	password := o.Password
	if password == nil && f.password != "" {
		password = func(context.Context, string) ([]byte, error) { return []byte(f.password), nil }
	}
	return softkms.New(softkms.Options{Password: password})
}

// addIdentity lets the CA have its own server certificate.
func (f *File) addIdentity(c *authority.Config) {
	c.Provisioners = append(c.Provisioners, &provisioner.Local{
		ID: Identity, Names: provisioner.ParseNames(f.DNSNames), Renewal: provisioner.Renewal{Disabled: true},
	})
	c.Profiles = append(c.Profiles, authority.Profile{Name: Identity, Validity: global.tls.validity(f.backdate)})
	c.Bindings[Identity] = authority.Binding{Profile: Identity}
}

// addDefault makes the profile of provisioners that an embedder adds without one: as step-ca has it for
// a provisioner without claims and options.
func (f *File) addDefault(c *authority.Config, all *faults) {
	l := f.limits
	p, err := f.policy.compiled()
	if err != nil {
		all.wrap(f.policy.node, err)
	}
	c.Profiles = append(c.Profiles, authority.Profile{Validity: l.tls.validity(f.backdate), NoMark: l.noMark, Policy: p})
}

func (f *File) addProvisioner(c *authority.Config, o Options, p *spec, all *faults) {
	v, err := f.provisioner(p, o, all)
	if err != nil {
		all.wrap(p.node, err)
		return
	}
	if v == nil {
		return // its faults are known
	}
	profile := authority.Profile{Name: p.name, Validity: p.limits.tls.validity(f.backdate), NoMark: p.limits.noMark, Entity: p.own.entity}
	binding := authority.Binding{Profile: p.name, RevokeAny: p.own.revokeAny}
	if binding.Policy, err = p.own.policy.compiled(); err != nil {
		all.wrap(p.own.policy.node, err)
	}
	if profile.Policy, err = f.policy.compiled(); err != nil {
		all.wrap(f.policy.node, err)
	}
	if t := p.template; t != nil {
		profile.TemplateData, profile.TemplateNames = t.data, true
		if profile.Template, err = t.compile(p.name); err != nil {
			all.wrap(t.node, err)
		}
	}
	f.addSSHProfile(c, p, &binding, all)
	c.Provisioners = append(c.Provisioners, v)
	c.Profiles = append(c.Profiles, profile)
	c.Bindings[p.name] = binding
}

// compile reads the template of a provisioner. Whoever writes ca.json is trusted with its names.
func (t *templateSpec) compile(provisioner string) (*template.Template, error) {
	if t.path == "" {
		return step.ParseSetting(provisioner, t.text)
	}
	b, err := read(t.path)
	if err != nil {
		return nil, err
	}
	return step.Parse(t.path, string(b))
}

// provisioner makes one, or nil if its faults are among all.
func (f *File) provisioner(p *spec, o Options, all *faults) (provisioner.Provisioner, error) {
	if p.kind == "ACME" {
		if s, err := f.acmeServer(p, o, all); s != nil || err != nil {
			return s, err
		}
		return nil, nil
	}
	extra := map[string]any{}
	if c, ok := p.members["claims"]; ok && !c.blank() {
		extra["claims"] = c.plain()
	}
	switch p.kind {
	case "OIDC":
		return f.oidc(p, o, extra)
	case "SSHPOP":
		return sshpop.New(sshpop.Config{Name: p.name, Renewal: p.limits.renewal(), Extra: extra})
	case "X5C":
		roots, err := parseCertificates(p.roots)
		if err != nil {
			all.wrap(p.find("roots"), err)
			return nil, nil
		}
		return x5c.New(x5c.Config{Name: p.name, Roots: roots, Renewal: p.limits.renewal(), Extra: extra})
	}
	keys := make([]jwk.Key, 0, len(p.keys))
	for _, k := range p.keys {
		var public jose.JSONWebKey
		if err := json.Unmarshal(k.public, &public); err != nil {
			all.wrap(k.node, err)
			return nil, nil
		}
		keys = append(keys, jwk.Key{JWK: public, EncryptedKey: k.encrypted})
	}
	return jwk.New(jwk.Config{Name: p.name, Keys: keys, Renewal: p.limits.renewal(), Extra: extra})
}

// certificates reads every certificate of PEM files.
func certificates(at *node, all *faults, paths ...string) []*x509.Certificate {
	var out []*x509.Certificate
	for _, path := range paths {
		b, err := readSmall(path)
		var list []*x509.Certificate
		if err == nil {
			list, err = parseCertificates(b)
		}
		if err != nil {
			all.wrap(at, fmt.Errorf("%s: %w", path, reason(err)))
			continue
		}
		out = append(out, list...)
	}
	return out
}

// maxPEM is the most that is read of a file of certificates.
const maxPEM = 1 << 20

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err == nil && len(b) > maxPEM {
		err = errors.New("is too long for a file of certificates")
	}
	return b, err
}

func parseCertificates(b []byte) ([]*x509.Certificate, error) {
	var list []*x509.Certificate
	for {
		var p *pem.Block
		if p, b = pem.Decode(b); p == nil {
			break
		}
		if p.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("holds %.40q where only certificates are wanted", p.Type)
		}
		c, err := x509.ParseCertificate(p.Bytes)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, errors.New("holds no certificate in PEM")
	}
	return list, nil
}
