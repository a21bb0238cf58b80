package template

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"unicode/utf8"

	"go.step.sm/crypto/x509util"
)

// Leaf is step's default: the common name and names of the data, for servers and clients.
func Leaf() *Template { return &Template{"leaf", leaf} }

// AdminLeaf takes subject and names from the CSR. It is for credentials that may have any name.
func AdminLeaf() *Template { return &Template{"admin-leaf", adminLeaf} }

// Root is step's default for self-signed certificates: a CA above one level of CAs.
func Root() *Template { return CA(1) }

// Intermediate is step's default for a CA that signs leaves only.
func Intermediate() *Template { return CA(0) }

// CA is a certificate authority with at most maxPathLen CAs below it, any number when it is negative.
// Its subject is the common name of the data, or the CSR's when the data has none.
func CA(maxPathLen int) *Template {
	return &Template{name: "ca", make: func(d *Data) (*x509.Certificate, error) {
		c := forKey(d.CR)
		c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
		x509util.BasicConstraints{IsCA: true, MaxPathLen: maxPathLen}.Set(c)
		c.Subject.CommonName = validUTF8(d.CommonName)
		if d.CommonName == "" && d.CR != nil {
			return c, subjectOf(d.CR, c)
		}
		return c, nil
	}}
}

func forKey(cr *x509.CertificateRequest) *x509.Certificate {
	c := new(x509.Certificate)
	if cr != nil {
		c.PublicKey, c.PublicKeyAlgorithm = cr.PublicKey, cr.PublicKeyAlgorithm
	}
	return c
}

func forServersAndClients(cr *x509.CertificateRequest) *x509.Certificate {
	c := forKey(cr)
	c.KeyUsage = x509.KeyUsageDigitalSignature
	if _, ok := c.PublicKey.(*rsa.PublicKey); ok {
		c.KeyUsage |= x509.KeyUsageKeyEncipherment
	}
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	return c
}

func leaf(d *Data) (*x509.Certificate, error) {
	c := forServersAndClients(d.CR)
	c.Subject.CommonName = validUTF8(d.CommonName)
	for i, s := range d.SANs {
		v := validUTF8(s.Value)
		switch s.Type {
		case x509util.DNSType:
			if v != "" {
				c.DNSNames = append(c.DNSNames, v)
			}
		case x509util.EmailType:
			if v != "" {
				c.EmailAddresses = append(c.EmailAddresses, v)
			}
		case x509util.IPType:
			ip := net.ParseIP(v)
			if ip != nil {
				c.IPAddresses = append(c.IPAddresses, ip)
			} else if v != "" {
				return nil, badName(i, "%.60q is not an IP address", v)
			}
		case x509util.URIType:
			u, err := url.Parse(v)
			if err != nil || v != "" && u.Scheme == "" {
				return nil, badName(i, "%.60q is not a URI", v)
			}
			if v != "" {
				c.URIs = append(c.URIs, u)
			}
		case x509util.AutoType, "":
			x509util.SubjectAlternativeName{Value: v}.Set(c)
		default:
			return extendedLeaf(d)
		}
	}
	return c, nil
}

func badName(i int, format string, v string) error {
	return &RenderError{Field: fmt.Sprintf("sans[%d].value", i), Err: fmt.Errorf(format, v)}
}

// extendedLeaf is leaf for names that crypto/x509 has no fields for: x509util encodes them.
func extendedLeaf(d *Data) (*x509.Certificate, error) {
	doc, err := json.Marshal(map[string]any{
		"subject": x509util.Subject{CommonName: d.CommonName}, "sans": d.sans(),
	})
	if err != nil {
		return nil, err
	}
	named, fault := decodeCertificate(doc, d.CR)
	if fault != nil {
		return nil, &RenderError{Field: fault.field, Err: fault.err}
	}
	c := forServersAndClients(d.CR)
	c.Subject, c.ExtraExtensions = named.Subject, named.ExtraExtensions
	return c, nil
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
	return c, subjectOf(d.CR, c)
}

// subjectOf gives c the subject of the CSR, in the attributes that a document can say.
func subjectOf(cr *x509.CertificateRequest, c *x509.Certificate) error {
	subject := requestView(cr).Subject
	for _, n := range subject.ExtraNames {
		if _, ok := n.Value.(string); !ok {
			return &RenderError{Field: "subject.extraNames", Err: errors.New("an attribute of the CSR's subject is not text")}
		}
	}
	subject.Set(c)
	return nil
}

// validUTF8 is what is left of s after a trip through JSON.
func validUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}
