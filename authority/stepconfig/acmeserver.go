package stepconfig

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/attest"
	"github.com/chancery-ca/chancery/acme/attest/apple"
	"github.com/chancery-ca/chancery/acme/attest/tpm"
	"github.com/chancery-ca/chancery/acme/attest/yubikey"
	"github.com/chancery-ca/chancery/acme/challenge"
	"github.com/chancery-ca/chancery/acme/server"
	"github.com/chancery-ca/chancery/authority"
)

// ACME is what Config needs to know for ACME provisioners. The zero value is cautious.
type ACME struct {
	// Store keeps accounts and orders; nil: what Options.Store offers, as those of OpenStore do.
	Store acme.Store

	// Listeners are the program's own, which no validation is to reach, whatever the files say.
	Listeners []net.Addr

	// Allow lets validations reach more than the files say; what they deny stays denied.
	Allow []netip.Prefix
}

func (o *ACME) store(s authority.Store) (acme.Store, error) {
	if o.Store != nil {
		return o.Store, nil
	}
	if s, ok := s.(interface{ ACME() acme.Store }); ok {
		return s.ACME(), nil
	}
	return nil, errors.New("the store keeps no ACME accounts")
}

// acmeServer makes an ACME provisioner. Its faults stand where the setting is.
func (f *File) acmeServer(p *spec, o Options, all *faults) (*server.Server, error) {
	a, r := p.acme, p.own.acme.under(f.acme)
	store, err := o.ACME.store(o.Store)
	if err != nil {
		return nil, err
	}
	vs, err := r.validators(a, &o.ACME)
	if err != nil {
		at := r.node
		if at == nil {
			at = p.node
		}
		all.wrap(at, err)
		return nil, nil
	}
	log := o.Logger
	if log != nil {
		log = log.With(slog.String("provisioner", p.name))
	}
	return server.New(server.Config{
		Name: p.name, Store: store, Validators: vs, TermsOfService: a.terms, Website: a.website, CAA: a.caa, RequireExternalKey: a.requireEAB,
		RequireContact: r.contact != nil && *r.contact, ForceCN: a.forceCN, Renewal: p.limits.renewal(), Limits: r.limits, OrderLife: r.order,
		AuthorizationLife: r.authorization, Public: p.public(), Logger: log,
	})
}

// validators makes those of a provisioner.
func (r *acmeRules) validators(a *acmeSpec, o *ACME) ([]acme.Validator, error) {
	c, err := r.config(o)
	if err != nil {
		return nil, err
	}
	checked := r.caa != nil && *r.caa
	switch {
	case checked && len(r.resolvers) == 0:
		return nil, errors.New("caa needs resolvers: the system's does not look CAA records up")
	case checked && len(a.caa) == 0:
		return nil, errors.New("caa needs caaIdentities in ca.json: the names that stand for this CA in CAA records")
	case slices.Contains(r.challenges, acme.DNSPersist01) && len(a.caa) == 0:
		return nil, errors.New("dns-persist-01 needs caaIdentities in ca.json: the names that stand for this CA in its records")
	}
	var vs []acme.Validator
	for _, t := range slices.Concat(a.challenges, r.challenges) {
		if t == acme.DeviceAttest01 {
			v, err := a.attestation()
			if err != nil {
				return nil, err
			}
			vs = append(vs, v)
			continue
		}
		v, err := validator(t, c)
		if err != nil {
			return nil, err
		}
		if checked {
			v = challenge.WithCAA(v, c.Resolver)
		}
		vs = append(vs, v)
	}
	return vs, nil
}

// attestation makes the validator of device-attest-01.
func (a *acmeSpec) attestation() (acme.Validator, error) {
	var c attest.Config
	for _, name := range a.formats {
		var f attest.Format
		var err error
		switch name {
		case "apple":
			f, err = apple.New(apple.Config{Roots: a.roots})
		case "step":
			f, err = yubikey.New(yubikey.Config{Roots: a.roots})
		case "tpm":
			f, err = tpm.New(tpm.Config{Roots: a.roots})
		}
		if err != nil {
			return nil, err
		}
		c.Formats = append(c.Formats, f)
	}
	return attest.New(c)
}

func validator(t acme.ChallengeType, c challenge.Config) (acme.Validator, error) {
	switch t {
	case acme.HTTP01:
		return challenge.NewHTTP01(c)
	case acme.DNS01:
		return challenge.NewDNS01(c)
	case acme.TLSALPN01:
		return challenge.NewTLSALPN01(c)
	case acme.DNSAccount01:
		return challenge.NewDNSAccount01(c)
	default: // readChallenges lets in no other
		return challenge.NewDNSPersist01(c)
	}
}

// config is what all validators of a provisioner have in common.
func (r *acmeRules) config(o *ACME) (c challenge.Config, err error) {
	c = challenge.Config{
		HTTPPort: uint16(r.httpPort), TLSPort: uint16(r.tlsPort), PlainAccountURI: true, // as readACMERules bounds them
		Addresses: challenge.Addresses{Allow: slices.Concat(r.allow, o.Allow), Deny: r.deny},
	}
	if r.scope != nil {
		c.Addresses.Scope = *r.scope
	}
	if c.Addresses.Listeners, err = challenge.OwnListeners(o.Listeners...); err != nil {
		return c, err
	}
	c.Resolver = newSystem()
	if len(r.resolvers) > 0 {
		if c.Resolver, err = challenge.NewClient(challenge.ClientConfig{Servers: r.resolvers}); err != nil {
			return c, err
		}
	}
	if r.proxy != nil {
		c.Dial, err = challenge.ConnectProxy(r.proxy)
	}
	return c, err
}
