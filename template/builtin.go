package template

import (
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// Leaf is step's default: the common name and names of the data, for servers and clients. A name of an
// extended kind is a [*RenderError] about its type; the Leaf of package step knows those.
func Leaf() *Template { return New("leaf", leaf) }

// AdminLeaf takes subject and names from the CSR. It is for credentials that may have any name.
func AdminLeaf() *Template { return New("admin-leaf", adminLeaf) }

// Root is step's default for self-signed certificates: a CA above one level of CAs.
func Root() *Template { return CA(1) }

// Intermediate is step's default for a CA that signs leaves only.
func Intermediate() *Template { return CA(0) }

// CA is a certificate authority with at most maxPathLen CAs below it, any number when it is negative.
// Its subject is the common name of the data, or the CSR's when the data has none.
func CA(maxPathLen int) *Template {
	return New("ca", func(d *Data) (*x509.Certificate, error) {
		c := &x509.Certificate{
			KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
			BasicConstraintsValid: true, IsCA: true, MaxPathLen: max(maxPathLen, -1), MaxPathLenZero: maxPathLen == 0,
			Subject: pkix.Name{CommonName: validUTF8(d.CommonName)},
		}
		var err error
		if d.CommonName == "" && d.CR != nil {
			c.Subject, err = subjectOf(d.CR)
		}
		return c, err
	})
}

func forServersAndClients(cr *x509.CertificateRequest) *x509.Certificate {
	c := new(x509.Certificate) // not a literal, which would be made elsewhere and copied
	c.KeyUsage = x509.KeyUsageDigitalSignature
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	if cr != nil {
		if _, ok := cr.PublicKey.(*rsa.PublicKey); ok {
			c.KeyUsage |= x509.KeyUsageKeyEncipherment
		}
	}
	return c
}

func leaf(d *Data) (*x509.Certificate, error) {
	c := forServersAndClients(d.CR)
	c.Subject.CommonName = validUTF8(d.CommonName)
	for i, s := range d.SANs {
		if err := addName(c, s.Type, validUTF8(s.Value)); err != nil {
			err.Field = fmt.Sprintf("sans[%d].%s", i, err.Field)
			return nil, err
		}
	}
	return c, nil
}

// addName gives c a name; an empty one is none.
func addName(c *x509.Certificate, kind, v string) *RenderError {
	if kind == "auto" || kind == "" {
		kind = kindOf(v)
	}
	switch kind {
	default:
		return &RenderError{Field: "type", Err: fmt.Errorf("%.60q is no type of name that this template has", kind)}
	case "dns", "email", "ip", "uri":
	}
	if v == "" {
		return nil
	}
	switch kind {
	case "dns":
		c.DNSNames = append(c.DNSNames, v)
	case "email":
		c.EmailAddresses = append(c.EmailAddresses, v)
	case "ip":
		ip := net.ParseIP(v)
		if ip == nil {
			return &RenderError{Field: "value", Err: fmt.Errorf("%.60q is not an IP address", v)}
		}
		c.IPAddresses = append(c.IPAddresses, ip)
	case "uri":
		u, err := url.Parse(v)
		if err != nil || u.Scheme == "" {
			return &RenderError{Field: "value", Err: fmt.Errorf("%.60q is not a URI", v)}
		}
		c.URIs = append(c.URIs, u)
	}
	return nil
}

// kindOf is what step takes a name for that comes without a type.
func kindOf(v string) string {
	if net.ParseIP(v) != nil {
		return "ip"
	}
	if u, err := url.Parse(v); err == nil && u.Scheme != "" {
		return "uri"
	}
	if strings.Contains(v, "@") {
		return "email"
	}
	return "dns"
}

func adminLeaf(d *Data) (*x509.Certificate, error) {
	if d.CR == nil {
		return nil, errors.New("there is no CSR to take names from")
	}
	c := forServersAndClients(d.CR)
	c.DNSNames, c.EmailAddresses, c.URIs = slices.Clone(d.CR.DNSNames), slices.Clone(d.CR.EmailAddresses), slices.Clone(d.CR.URIs)
	for _, ip := range d.CR.IPAddresses {
		c.IPAddresses = append(c.IPAddresses, ip.To16())
	}
	var err error
	c.Subject, err = subjectOf(d.CR)
	return c, err
}

var (
	oidEmailAddress = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
	// ownFields are the attributes below 2.5.4 that pkix.Name has fields for.
	ownFields = []int{3, 5, 6, 7, 8, 9, 10, 11, 17}
)

// subjectOf is the subject of the CSR as certificates have it: attributes in the order of pkix.Name, and
// after them all others.
func subjectOf(cr *x509.CertificateRequest) (pkix.Name, error) {
	s := cr.Subject
	s.Names, s.ExtraNames = nil, nil
	for _, a := range cr.Subject.Names {
		if len(a.Type) == 4 && a.Type[0] == 2 && a.Type[1] == 5 && a.Type[2] == 4 && slices.Contains(ownFields, a.Type[3]) {
			continue
		}
		v, ok := a.Value.(string)
		if !ok {
			return pkix.Name{}, &RenderError{Field: "subject.extraNames", Err: errors.New("an attribute of the CSR's subject is not text")}
		}
		if a.Type.Equal(oidEmailAddress) { // which RFC 5280 (appendix A.1) has as an IA5String
			a.Value = asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagIA5String, Bytes: []byte(v)}
		}
		s.ExtraNames = append(s.ExtraNames, a)
	}
	return s, nil
}

// validUTF8 is what is left of s after a trip through JSON.
func validUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}
