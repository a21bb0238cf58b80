package authority

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/sshca"
	"github.com/chancery-ca/chancery/template"
)

// sshIssuer is an SSHIssuer that was found good.
type sshIssuer struct {
	SSHIssuer
	issuer *sshca.Issuer // nil without a signer
}

// addSSH checks what is configured for SSH.
func (s *snapshot) addSSH() (faults []error) {
	if s.Config.SSH == nil {
		for name, b := range s.Bindings {
			if len(b.SSH) > 0 {
				faults = append(faults, fmt.Errorf("authority: binding for %q: there are no SSH profiles without SSH", name))
			}
		}
		return faults
	}
	own := *s.Config.SSH // shared with nobody who could change it
	own.Issuers, own.Profiles = slices.Clone(own.Issuers), slices.Clone(own.Profiles)
	own.FederatedUserKeys, own.FederatedHostKeys = slices.Clone(own.FederatedUserKeys), slices.Clone(own.FederatedHostKeys)
	s.Config.SSH = &own
	if len(own.Issuers) == 0 {
		faults = append(faults, errors.New("authority: no SSH issuer"))
	}
	for _, c := range own.Issuers {
		i, err := newSSHIssuer(c)
		if err == nil {
			err = s.fitSSHIssuer(i)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("authority: SSH issuer %q: %w", c.Name, err))
			continue
		}
		s.sshIssuers = append(s.sshIssuers, i)
	}
	for _, k := range append(slices.Clone(own.FederatedUserKeys), own.FederatedHostKeys...) {
		if k == nil {
			faults = append(faults, errors.New("authority: a federated SSH key is nil"))
		}
	}
	if s.profiles[own.Identity] == nil {
		faults = append(faults, fmt.Errorf("authority: SSH: no profile is called %q", own.Identity))
	}
	s.orderSSHKeys()
	return append(faults, s.addSSHProfiles()...)
}

func newSSHIssuer(c SSHIssuer) (*sshIssuer, error) {
	i := &sshIssuer{SSHIssuer: c}
	switch {
	case c.Name == "":
		return nil, errors.New("no name")
	case c.Type.String() == "":
		return nil, errors.New("neither for users nor for hosts")
	case c.Signer == nil && c.State != Retired:
		return nil, errors.New("no signer")
	case c.Signer == nil && c.Key == nil:
		return nil, errors.New("neither signer nor key")
	case c.Signer == nil:
		if p := sshca.LintCAKey(c.Key); p != nil {
			return nil, p
		}
		return i, nil
	}
	var err error
	if i.issuer, err = sshca.NewIssuer(uint32(c.Type), c.Signer); err != nil {
		return nil, err
	}
	if c.Key != nil && !bytes.Equal(c.Key.Marshal(), i.issuer.Key().Marshal()) {
		return nil, errors.New("the signer's key is another one")
	}
	i.Key = i.issuer.Key()
	return i, nil
}

// fitSSHIssuer makes sure that names lead to one issuer, and that no key is one for users and for hosts:
// whoever trusts one of the two would trust the other, too.
func (s *snapshot) fitSSHIssuer(i *sshIssuer) error {
	if s.issuerByName[i.Name] != nil {
		return errors.New("an X.509 issuer has the same name")
	}
	for _, o := range s.sshIssuers {
		switch {
		case o.Name == i.Name:
			return errors.New("there are two of that name")
		case bytes.Equal(o.Key.Marshal(), i.Key.Marshal()):
			return fmt.Errorf("it has the key of %q", o.Name)
		}
	}
	return nil
}

// orderSSHKeys lists the keys to be trusted, those that sign first.
func (s *snapshot) orderSSHKeys() {
	for _, state := range [...]State{Active, Pending, Retiring} {
		for _, i := range s.sshIssuers {
			switch {
			case i.State != state:
			case i.Type == provisioner.SSHUser:
				s.sshKeys.User = append(s.sshKeys.User, i.Key)
			default:
				s.sshKeys.Host = append(s.sshKeys.Host, i.Key)
			}
		}
	}
}

func (s *snapshot) addSSHProfiles() (faults []error) {
	s.sshProfiles = map[string]*SSHProfile{}
	for _, c := range s.Config.SSH.Profiles {
		if s.sshProfiles[c.Name] != nil {
			faults = append(faults, fmt.Errorf("authority: two SSH profiles are called %q", c.Name))
		}
		p, err := c.withDefaults()
		if err != nil {
			faults = append(faults, fmt.Errorf("authority: SSH profile %q: %w", c.Name, err))
			continue
		}
		if s.Inventory == nil && (p.UserEntity.required() || p.HostEntity.required() || len(p.UserEntity.Extensions) > 0) {
			faults = append(faults, fmt.Errorf("authority: SSH profile %q needs an inventory", c.Name))
		}
		s.sshProfiles[c.Name] = p
	}
	if s.sshProfiles[""] == nil {
		s.sshProfiles[""], _ = SSHProfile{}.withDefaults()
	}
	for name, b := range s.Bindings {
		for _, p := range b.SSH {
			if s.sshProfiles[p] == nil {
				faults = append(faults, fmt.Errorf("authority: binding for %q: no SSH profile is called %q", name, p))
			}
		}
	}
	return faults
}

func (c SSHProfile) withDefaults() (*SSHProfile, error) {
	if c.Template == nil {
		c.Template = template.SSHDefault()
	}
	c.TemplateData, c.Extensions = maps.Clone(c.TemplateData), maps.Clone(c.Extensions)
	if c.Extensions == nil {
		c.Extensions = sshca.UserExtensions()
	}
	if len(c.HostEntity.Extensions) > 0 {
		return nil, errors.New("host certificates have no extensions")
	}
	if c.Keys.MinRSABits == 0 {
		c.Keys.MinRSABits = 3072
	}
	err := template.CheckSSHExtra(c.TemplateData)
	var uerr, herr error
	c.User, uerr = c.User.withDefaultsOf(16*time.Hour, 24*time.Hour)
	c.Host, herr = c.Host.withDefaultsOf(720*time.Hour, 720*time.Hour)
	return &c, errors.Join(err, uerr, herr)
}

// activeSSH returns the issuer that signs certificates of that type, or nil.
func (s *snapshot) activeSSH(t provisioner.SSHType) *sshIssuer {
	for _, i := range s.sshIssuers {
		if i.Type == t && i.State == Active {
			return i
		}
	}
	return nil
}

// sshSignerOf returns the issuer that signed c, or nil.
func (s *snapshot) sshSignerOf(c *ssh.Certificate) *sshIssuer {
	for _, i := range s.sshIssuers {
		if sshca.SignedBy(c, uint32(i.Type), i.Key) {
			return i
		}
	}
	return nil
}

// sshIssuerOf returns the SSH issuer of that name, or nil.
func (s *snapshot) sshIssuerOf(name string) *sshIssuer {
	for _, i := range s.sshIssuers {
		if i.Name == name {
			return i
		}
	}
	return nil
}

// sshProduct is an SSH certificate.
type sshProduct struct {
	issuer      *sshca.Issuer
	certificate *ssh.Certificate
}

func (p *sshProduct) sign(ctx context.Context, tbs []byte) ([]byte, error) {
	s, err := p.issuer.Sign(ctx, tbs)
	if err != nil {
		return nil, err
	}
	return ssh.Marshal(s), nil
}

func (p *sshProduct) compare(tbs, signature []byte) ([]byte, error) {
	var s ssh.Signature
	if err := ssh.Unmarshal(signature, &s); err != nil {
		return nil, err
	}
	c, wire, err := p.issuer.Assemble(tbs, &s)
	if err != nil {
		return nil, err
	}
	p.certificate = c
	return wire, nil
}

func (p *sshProduct) subject() string { return p.certificate.KeyId }
