package authority

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/chancery-ca/chancery/provisioner"
)

// snapshot is a Config that was found good, with what can be worked out beforehand. It is never
// changed after newSnapshot, so it is read without a lock.
type snapshot struct {
	Config
	issuers      []*issuer
	issuerByName map[string]*issuer
	provisioners map[string]provisioner.Provisioner
	profiles     map[string]*profile
	fingerprints []string // of the roots, SHA-256, hex
	audiences    map[provisioner.Operation][]string
	durable      []string // names of the outbox's sinks
	mandatory    []string // those of them that can hold back issuance

	offboarding *offboarding // nil: nobody is

	sshIssuers  []*sshIssuer
	sshProfiles map[string]*SSHProfile // with their defaults
	sshKeys     SSHKeys                // to be trusted
}

// newSnapshot checks c and returns every fault that it has.
func newSnapshot(c Config) (*snapshot, error) {
	if c.Name == "" {
		c.Name = "chancery"
	}
	// The snapshot shares nothing with the caller that the caller could still change.
	c.Issuers, c.Provisioners, c.Profiles = slices.Clone(c.Issuers), slices.Clone(c.Provisioners), slices.Clone(c.Profiles)
	c.Roots, c.FederatedRoots, c.URLs = slices.Clone(c.Roots), slices.Clone(c.FederatedRoots), slices.Clone(c.URLs)
	for i := range c.Profiles {
		c.Profiles[i].TemplateData = maps.Clone(c.Profiles[i].TemplateData)
	}
	c.ExpiryNotices = slices.Clone(c.ExpiryNotices)
	c.Sinks, c.Outbox, c.Bindings = slices.Clone(c.Sinks), slices.Clone(c.Outbox), maps.Clone(c.Bindings)
	for name, b := range c.Bindings {
		b.Profiles, b.SSH = slices.Clone(b.Profiles), slices.Clone(b.SSH)
		c.Bindings[name] = b
	}
	s := &snapshot{Config: c}
	var faults []error
	add := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("authority: "+format, args...))
	}
	if c.Store == nil {
		add("no store")
	}
	if len(c.Roots) == 0 && (c.SSH == nil || len(c.Issuers) > 0) {
		add("no root certificate")
	}
	for _, r := range c.Roots {
		if r == nil {
			add("a root is nil")
			continue
		}
		if !r.IsCA || !bytes.Equal(r.RawIssuer, r.RawSubject) {
			add("root %q is not a self-issued CA certificate", r.Subject)
		}
		sum := sha256.Sum256(r.Raw)
		s.fingerprints = append(s.fingerprints, hex.EncodeToString(sum[:]))
	}
	faults = append(faults, s.addIssuers()...)
	faults = append(faults, s.addProfiles()...)
	faults = append(faults, s.addProvisioners()...)
	faults = append(faults, s.addSSH()...)
	if c.Offboard {
		var err error
		if s.offboarding, err = newOffboarding(c.Inventory); err != nil {
			faults = append(faults, err)
		}
	}
	faults = append(faults, s.addAudiences()...)
	if len(faults) == 0 {
		s.addResponders()
	}
	for _, d := range c.ExpiryNotices {
		if d <= 0 {
			add("an expiry notice of %s comes too late", d)
		}
	}
	seen := map[string]bool{}
	for _, d := range c.Outbox {
		switch {
		case d.Name == "" || d.Sink == nil:
			add("an outbox delivery needs a name and a sink")
		case seen[d.Name]:
			add("two outbox deliveries are called %q", d.Name)
		}
		seen[d.Name] = true
		s.durable = append(s.durable, d.Name)
		if d.HoldAfter > 0 {
			s.mandatory = append(s.mandatory, d.Name)
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return s, nil
}

func (s *snapshot) addIssuers() (faults []error) {
	s.issuerByName = map[string]*issuer{}
	for _, ic := range s.Issuers {
		i, err := newIssuer(ic, slices.DeleteFunc(slices.Clone(s.Roots), func(c *x509.Certificate) bool { return c == nil }))
		if err != nil {
			faults = append(faults, fmt.Errorf("authority: issuer %q: %w", ic.Name, err))
			continue
		}
		if s.issuerByName[i.Name] != nil {
			faults = append(faults, fmt.Errorf("authority: two issuers are called %q", i.Name))
		}
		for _, o := range s.issuers {
			if o.id == i.id && o.State != Retired && i.State != Retired { // the CRL of one would be taken for the other's
				faults = append(faults, fmt.Errorf("authority: issuers %q and %q have the same name and key in their certificates: a renewed certificate takes the place of the old one", o.Name, i.Name))
			}
		}
		s.issuers, s.issuerByName[i.Name] = append(s.issuers, i), i
	}
	if len(faults) == 0 && s.defaultIssuer() == nil && (s.Config.SSH == nil || len(s.Issuers) > 0) {
		faults = append(faults, errors.New("authority: no active issuer"))
	}
	return faults
}

func (s *snapshot) addProfiles() (faults []error) {
	s.profiles = map[string]*profile{}
	for _, pc := range s.Profiles {
		if strings.HasPrefix(pc.Name, responders+"/") {
			faults = append(faults, fmt.Errorf("authority: profile %q: the name is taken by the authority itself", pc.Name))
		}
		if s.profiles[pc.Name] != nil {
			faults = append(faults, fmt.Errorf("authority: two profiles are called %q", pc.Name))
		}
		p, err := newProfile(pc)
		if err != nil {
			faults = append(faults, fmt.Errorf("authority: profile %q: %w", pc.Name, err))
			continue
		}
		if pc.Issuer != "" && s.issuerByName[pc.Issuer] == nil {
			faults = append(faults, fmt.Errorf("authority: profile %q: no issuer is called %q", pc.Name, pc.Issuer))
		}
		if p.Entity.required() && s.Inventory == nil {
			faults = append(faults, fmt.Errorf("authority: profile %q needs an inventory", pc.Name))
		}
		s.profiles[pc.Name] = p
	}
	if s.profiles[""] == nil {
		s.profiles[""], _ = newProfile(Profile{})
	}
	return faults
}

func (s *snapshot) addProvisioners() (faults []error) {
	if len(s.Provisioners) == 0 {
		faults = append(faults, errors.New("authority: no provisioner"))
	}
	s.provisioners = map[string]provisioner.Provisioner{}
	for _, p := range s.Provisioners {
		switch {
		case isNil(p) || p.Name() == "":
			faults = append(faults, errors.New("authority: a provisioner has no name"))
			continue
		case s.provisioners[p.Name()] != nil:
			faults = append(faults, fmt.Errorf("authority: two provisioners are called %q", p.Name()))
		case p.Name() == responders:
			faults = append(faults, fmt.Errorf("authority: the name %q is taken by the authority itself", responders))
		}
		s.provisioners[p.Name()] = p
	}
	for name, b := range s.Bindings {
		if s.provisioners[name] == nil {
			faults = append(faults, fmt.Errorf("authority: binding for %q, which is no provisioner", name))
		}
		for _, p := range append([]string{b.Profile}, b.Profiles...) {
			if s.profiles[p] == nil {
				faults = append(faults, fmt.Errorf("authority: binding for %q: no profile is called %q", name, p))
			}
		}
	}
	return faults
}

// isNil tells a nil pointer in an interface, too.
func isNil(p provisioner.Provisioner) bool {
	v := reflect.ValueOf(p)
	return !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()
}

// paths are where step-ca's clients look for each operation, behind each of the authority's URLs.
var paths = map[provisioner.Operation]string{
	provisioner.X509Sign:   "/sign",
	provisioner.X509Renew:  "/renew",
	provisioner.X509Rekey:  "/rekey",
	provisioner.X509Revoke: "/revoke",
	provisioner.SSHSign:    "/ssh/sign",
	provisioner.SSHRenew:   "/ssh/renew",
	provisioner.SSHRekey:   "/ssh/rekey",
	provisioner.SSHRevoke:  "/ssh/revoke",
}

func (s *snapshot) addAudiences() (faults []error) {
	s.audiences = map[provisioner.Operation][]string{}
	for _, base := range s.URLs {
		u, err := url.Parse(strings.Replace(base, ":*", ":0", 1))
		if err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(base, "/") {
			faults = append(faults, fmt.Errorf("authority: URL %q is not of the form https://host:port/prefix", base))
			continue
		}
		for op, p := range paths {
			s.audiences[op] = append(s.audiences[op], base+"/1.0"+p, base+p)
		}
	}
	if s.AcceptSignAudienceForRevoke {
		s.audiences[provisioner.X509Revoke] = append(s.audiences[provisioner.X509Revoke], s.audiences[provisioner.X509Sign]...)
	}
	return faults
}

func (s *snapshot) defaultIssuer() *issuer {
	for _, i := range s.issuers {
		if i.State == Active {
			return i
		}
	}
	return nil
}

// isIssuerOf reports whether c names that issuer, by name and key id. It is no proof.
func isIssuerOf(issuer, c *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, issuer.RawSubject) && (len(c.AuthorityKeyId) == 0 || bytes.Equal(c.AuthorityKeyId, issuer.SubjectKeyId))
}

// issuersOf finds who may have issued c, by name and key id. It is no proof.
func (s *snapshot) issuersOf(c *x509.Certificate) (out []*issuer) {
	for _, i := range s.issuers {
		if !bytes.Equal(c.RawIssuer, i.cert.RawSubject) {
			continue
		}
		if len(c.AuthorityKeyId) > 0 && bytes.Equal(c.AuthorityKeyId, i.cert.SubjectKeyId) ||
			len(c.AuthorityKeyId) == 0 && i.cert.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil {
			out = append(out, i)
		}
	}
	return out
}

// signerOf returns the issuer that signed c, or nil.
func (s *snapshot) signerOf(c *x509.Certificate) *issuer {
	for _, i := range s.issuersOf(c) {
		if i.cert.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil {
			return i
		}
	}
	return nil
}

// owns reports whether a record is of a certificate of one of this authority's issuers. A store may
// serve several authorities.
func (s *snapshot) owns(r *Record) bool {
	if r.IsSSH() {
		return s.sshIssuerOf(r.Issuer) != nil
	}
	if len(r.DER) == 0 {
		return s.issuerByName[r.Issuer] != nil
	}
	c, err := r.Certificate()
	return err == nil && len(s.issuersOf(c)) > 0
}
