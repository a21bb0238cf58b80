package stepconfig

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/sshca/snippet"
	"github.com/chancery-ca/chancery/template"
	"github.com/chancery-ca/chancery/template/step"
)

// addSSH makes the authority one for SSH, if ca.json says so.
func (f *File) addSSH(ctx context.Context, c *authority.Config, o Options, all *faults) {
	if f.ssh == nil {
		return
	}
	c.SSH = &authority.SSH{AddUser: &f.ssh.addUser}
	for _, k := range []struct {
		path string
		at   *node
		typ  provisioner.SSHType
	}{{f.ssh.userKey, f.ssh.userKeyAt, provisioner.SSHUser}, {f.ssh.hostKey, f.ssh.hostKeyAt, provisioner.SSHHost}} {
		if k.path == "" {
			continue
		}
		if i, ok := f.sshIssuer(ctx, o, k.path, k.at, k.typ, all); ok {
			c.SSH.Issuers = append(c.SSH.Issuers, i)
		}
	}
	for _, k := range f.ssh.keys {
		f.addSSHKey(c.SSH, k, all)
	}
	if f.SSH.Identity {
		c.SSH.Identity = SSHIdentity
		c.Profiles = append(c.Profiles, authority.Profile{Name: SSHIdentity, Template: identityTemplate(), Validity: f.limits.user.validity(f.backdate)})
	}
}

// SSHIdentity is the name of the profile of the X.509 certificates that users get along with SSH ones.
const SSHIdentity = "chancery/ssh-identity"

// sshIssuer opens a key. Like those of X.509, the issuer is called after it, so that its name stays for as
// long as the key does.
func (f *File) sshIssuer(ctx context.Context, o Options, path string, at *node, typ provisioner.SSHType, all *faults) (authority.SSHIssuer, bool) {
	signer := f.open(ctx, o, path, at, all)
	if signer == nil {
		return authority.SSHIssuer{}, false
	}
	k, err := ssh.NewPublicKey(signer.Public())
	if err != nil {
		all.wrap(at, err)
		return authority.SSHIssuer{}, false
	}
	return authority.SSHIssuer{Name: sshName(typ, k), Type: typ, Signer: signer}, true
}

func sshName(typ provisioner.SSHType, k ssh.PublicKey) string {
	sum := sha256.Sum256(k.Marshal())
	return "ssh-" + typ.String() + "-" + hex.EncodeToString(sum[:4])
}

// addSSHKey adds a key without its private half: one that is trusted still, or another authority's.
func (f *File) addSSHKey(c *authority.SSH, k sshKeySpec, all *faults) {
	jwk, err := parseJWK(k.public)
	var key ssh.PublicKey
	if err == nil {
		key, err = ssh.NewPublicKey(jwk.Key)
	}
	if err != nil {
		all.wrap(k.node, err)
		return
	}
	typ, federated := provisioner.SSHUser, &c.FederatedUserKeys
	if k.host {
		typ, federated = provisioner.SSHHost, &c.FederatedHostKeys
	}
	if k.federated {
		*federated = append(*federated, key)
		return
	}
	c.Issuers = append(c.Issuers, authority.SSHIssuer{Name: sshName(typ, key), Type: typ, State: authority.Retiring, Key: key})
}

// open opens a private key, or returns nil when its fault is among all.
func (f *File) open(ctx context.Context, o Options, path string, at *node, all *faults) kms.Signer {
	signer, err := f.keys(o).Signer(ctx, path)
	switch {
	case errors.Is(err, kms.ErrPassword):
		all.wrap(at, fmt.Errorf("the password does not open %s: %w", path, err))
	case errors.Is(err, kms.ErrNotFound):
		all.wrap(at, fmt.Errorf("there is no %s: %w", path, err))
	case err != nil:
		all.wrap(at, err)
	default:
		return signer
	}
	return nil
}

// addSSHProfile gives a provisioner SSH certificates, if its claims say so.
func (f *File) addSSHProfile(c *authority.Config, p *spec, b *authority.Binding, all *faults) {
	if c.SSH == nil || !p.limits.ssh {
		return
	}
	profile := authority.SSHProfile{
		Name: p.name, User: p.limits.user.validity(f.backdate), Host: p.limits.host.validity(f.backdate),
		UserEntity: p.own.sshUser, HostEntity: p.own.sshHost, Keys: authority.KeyRule{MinRSABits: f.sshMinRSA},
	}
	var err error
	if profile.UserPolicy, err = f.userPolicy.compiled(); err != nil {
		all.wrap(f.userPolicy.node, err)
	}
	if profile.HostPolicy, err = f.hostPolicy.compiled(); err != nil {
		all.wrap(f.hostPolicy.node, err)
	}
	if t := p.sshTemplate; t != nil {
		profile.TemplateData, profile.TemplatePrincipals = t.data, true
		if profile.Template, err = t.compileSSH(p.name); err != nil {
			all.wrap(t.node, err)
		}
	}
	c.SSH.Profiles = append(c.SSH.Profiles, profile)
	b.SSH = []string{p.name}
}

// compileSSH reads the template of a provisioner. Whoever writes ca.json is trusted with its principals.
func (t *templateSpec) compileSSH(provisioner string) (*template.SSH, error) {
	if t.path == "" {
		return step.ParseSSHSetting(provisioner, t.text)
	}
	b, err := read(t.path)
	if err != nil {
		return nil, err
	}
	return step.ParseSSH(t.path, string(b))
}

// Snippets returns the templates of the files that SSH clients and hosts need: those of ca.json, or the
// built-in ones. It is nil for a CA without SSH.
func (f *File) Snippets() (*snippet.Set, error) {
	if f.ssh == nil {
		return nil, nil
	}
	if f.ssh.templates == nil {
		return snippet.Builtin(), nil
	}
	var all faults
	s := open(f.ssh.templates, &all)
	user, host := f.snippets(s, "user"), f.snippets(s, "host")
	s.close()
	if err := all.err(); err != nil {
		return nil, err
	}
	set, err := snippet.New(user, host)
	if err != nil {
		all.wrap(f.ssh.templates, err)
	}
	return set, all.err()
}

func (f *File) snippets(s *section, kind string) (out []snippet.Template) {
	for _, n := range s.list(kind) {
		t := open(n, s.faults)
		one := snippet.Template{Name: t.required("name"), Type: t.required("type"), Path: t.required("path"), Comment: t.str("comment"), Requires: t.strings("requires")}
		t.ignore("content") // what step-ca renders into
		if path := t.str("template"); path != "" {
			b, err := read(f.resolve(path))
			if err != nil {
				s.faults.wrap(t.at("template"), err)
			}
			one.Text = string(b)
		}
		t.close()
		out = append(out, one)
	}
	return out
}
