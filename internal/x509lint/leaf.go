package x509lint

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
)

// maxExtensions is how many extensions a template may add of its own.
const maxExtensions = 64

// The last arc of the extensions under id-ce (2.5.29) that are told apart here.
const (
	extSubjectKeyID     = 14
	extKeyUsage         = 15
	extSAN              = 17
	extBasicConstraints = 19
	extNameConstraints  = 30
	extCRLPoints        = 31
	extPolicies         = 32
	extAuthorityKeyID   = 35
	extExtKeyUsage      = 37
)

func oidOf(arc int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 29, arc} }

// shape refuses a certificate that contradicts itself, and returns what names its own SAN extension
// holds beside the fields: nil when it has none.
func shape(c *x509.Certificate) (*altNames, error) {
	if c == nil {
		return nil, problem("leaf-missing", "there is no certificate to look at")
	}
	if err := roles(c); err != nil {
		return nil, err
	}
	if !c.NotBefore.Before(c.NotAfter) {
		return nil, problem("validity-empty", "the certificate would end before it begins")
	}
	if c.NotAfter.UTC().Year() > 9999 || c.NotBefore.UTC().Year() < 1950 {
		return nil, problem("validity-range", "the certificate's times cannot be written")
	}
	n, err := extensions(c)
	if err != nil {
		return nil, err
	}
	if isEmpty(c) {
		if c.IsCA {
			return nil, problem("ca-subject", "a CA certificate must have a subject")
		}
		if n == nil && countNames(c) == 0 {
			return nil, problem("no-names", "the certificate would name nobody")
		}
		if n != nil && !n.critical {
			return nil, problem("san-not-critical", "the subject is empty, so the subject alternative names must be critical")
		}
	}
	return n, nil
}

// roles compares what only a CA may have with whether it is one.
func roles(c *x509.Certificate) error {
	signs := c.KeyUsage&x509.KeyUsageCertSign != 0
	if c.IsCA {
		switch {
		case !c.BasicConstraintsValid:
			return problem("basic-constraints", "a CA certificate must have basic constraints")
		case !signs:
			return problem("ca-key-usage", "a CA certificate must have the key usage certSign")
		case c.MaxPathLen < -1:
			return problem("basic-constraints", "the path length is negative")
		}
		return nil
	}
	switch {
	case signs:
		return problem("key-usage-cert-sign", "only a CA certificate may have the key usage certSign")
	case c.MaxPathLen > 0 || c.MaxPathLenZero:
		return problem("basic-constraints", "only a CA certificate may have a path length")
	case hasConstraints(c):
		return problem("name-constraints-leaf", "only a CA certificate may have name constraints")
	}
	return nil
}

// isEmpty reports whether the subject would be empty.
func isEmpty(c *x509.Certificate) bool {
	if len(c.RawSubject) > 0 {
		return len(c.RawSubject) == 2 // SEQUENCE of nothing
	}
	n := &c.Subject
	return n.CommonName == "" && n.SerialNumber == "" && len(n.ExtraNames)+len(n.Country)+len(n.Organization)+
		len(n.OrganizationalUnit)+len(n.Locality)+len(n.Province)+len(n.StreetAddress)+len(n.PostalCode) == 0
}

func countNames(c *x509.Certificate) int {
	return len(c.DNSNames) + len(c.IPAddresses) + len(c.EmailAddresses) + len(c.URIs)
}

func hasConstraints(c *x509.Certificate) bool {
	return len(c.PermittedDNSDomains)+len(c.ExcludedDNSDomains)+len(c.PermittedIPRanges)+len(c.ExcludedIPRanges)+
		len(c.PermittedEmailAddresses)+len(c.ExcludedEmailAddresses)+len(c.PermittedURIDomains)+
		len(c.ExcludedURIDomains) > 0
}

// extensions judges those that the template adds by itself.
func extensions(c *x509.Certificate) (*altNames, error) {
	ext := c.ExtraExtensions
	if len(ext) > maxExtensions {
		return nil, problem("too-many-extensions", "there are %d extensions, at most %d are accepted", len(ext), maxExtensions)
	}
	var names *altNames
	for i := range ext {
		e := &ext[i]
		if len(e.Id) < 2 {
			return nil, problem("extension-form", "an extension has no object identifier")
		}
		for j := range i {
			if e.Id.Equal(ext[j].Id) {
				return nil, problem("duplicate-extension", "extension %s is there twice", e.Id)
			}
		}
		if !isOneElement(e.Value) {
			return nil, problem("extension-form", "the value of extension %s is not one element of DER", e.Id)
		}
		if err := collides(c, e); err != nil {
			return nil, err
		}
		if e.Id.Equal(oidOf(extSAN)) {
			n, err := parseSAN(c, e)
			if err != nil {
				return nil, err
			}
			names = n
		}
	}
	return names, nil
}

// collides refuses an extension that would replace what a field says, or that says in DER what would
// then be judged by no one.
func collides(c *x509.Certificate, e *pkix.Extension) error {
	twice := false
	switch {
	case len(e.Id) == 4 && e.Id[0] == 2 && e.Id[1] == 5 && e.Id[2] == 29:
		switch e.Id[3] {
		case extSubjectKeyID, extAuthorityKeyID, extKeyUsage, extExtKeyUsage, extBasicConstraints, extNameConstraints:
			return problem("reserved-extension", "extension %s must be made with the template's own field for it", e.Id)
		case extCRLPoints:
			twice = len(c.CRLDistributionPoints) > 0
		case extPolicies:
			twice = len(c.Policies)+len(c.PolicyIdentifiers) > 0
		}
	case e.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}): // authority information access
		twice = len(c.OCSPServer)+len(c.IssuingCertificateURL) > 0
	}
	if twice {
		return problem("duplicate-extension", "extension %s is there twice, once by the template's own field for it", e.Id)
	}
	return nil
}

func isOneElement(der []byte) bool {
	var v asn1.RawValue
	rest, err := asn1.Unmarshal(der, &v)
	return err == nil && len(rest) == 0
}
