package step

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"go.step.sm/crypto/x509util"

	"github.com/chancery-ca/chancery/template"
)

// certificate renders, checks and decodes.
func (c *compiled) certificate(d *template.Data) (*x509.Certificate, error) {
	doc, err := c.render(d)
	if err != nil {
		return nil, err
	}
	if err := checkDocument(doc, c.fields); err != nil {
		return nil, c.at(err.field, err.err)
	}
	cert, fault := decodeCertificate(doc)
	if fault != nil {
		return nil, c.at(fault.field, fault.err)
	}
	return cert, nil
}

// withDocument gives x509util a document that is rendered already.
func withDocument(doc []byte) x509util.Option {
	return func(_ *x509.CertificateRequest, o *x509util.Options) error {
		o.CertBuffer = bytes.NewBuffer(doc)
		return nil
	}
}

// decodeCertificate makes the certificate that a checked document describes, all but its key.
func decodeCertificate(doc []byte) (*x509.Certificate, *fieldError) {
	decode := func(doc []byte) (*x509util.Certificate, error) {
		return x509util.NewCertificateFromX509(&x509.Certificate{}, withDocument(doc))
	}
	described, err := decode(doc)
	if err != nil {
		return nil, blame(doc, err, func(part []byte) error { _, err := decode(part); return err })
	}
	if err := checkNames(described.SANs, described.URIs); err != nil {
		return nil, err
	}
	if err := checkExtensions(doc, described); err != nil {
		return nil, err
	}
	cert := described.GetCertificate()
	return cert, checkSubject(cert)
}

// blame finds the field for which decode fails.
func blame(doc []byte, err error, decode func([]byte) error) *fieldError {
	var fields map[string]json.RawMessage
	if json.Unmarshal(doc, &fields) == nil {
		for k, v := range fields {
			if part, e := json.Marshal(map[string]json.RawMessage{k: v}); e == nil {
				if e := decode(part); e != nil {
					return &fieldError{k, reason(e)}
				}
			}
		}
	}
	return &fieldError{"", reason(err)}
}

// reason strips what x509util says before the point.
func reason(err error) error {
	s := err.Error()
	for _, p := range []string{"error unmarshaling certificate: ", "error unmarshaling json: ", "json: "} {
		s = strings.TrimPrefix(s, p)
	}
	return errors.New(shorten(s))
}

// checkNames refuses names that x509util would leave out without a word.
func checkNames(sans []x509util.SubjectAlternativeName, uris []*url.URL) *fieldError {
	for i, s := range sans {
		field := fmt.Sprintf("sans[%d].value", i)
		switch s.Type {
		case x509util.IPType:
			if s.Value != "" && net.ParseIP(s.Value) == nil {
				return &fieldError{field, fmt.Errorf("%.60q is not an IP address", s.Value)}
			}
		case x509util.URIType:
			if u, err := url.Parse(s.Value); err != nil || s.Value != "" && u.Scheme == "" {
				return &fieldError{field, fmt.Errorf("%.60q is not a URI", s.Value)}
			}
		}
	}
	for i, u := range uris {
		if u.Scheme == "" {
			return &fieldError{fmt.Sprintf("uris[%d]", i), fmt.Errorf("%.60q is not a URI", u.String())}
		}
	}
	return nil
}

const subjectAltName = "2.5.29.17"

// The extensions that are the authority's, and those that crypto/x509 makes of fields.
var (
	reservedExtensions = map[string]string{
		"2.5.29.14":                   "the subject key identifier",
		"2.5.29.35":                   "the authority key identifier",
		"1.3.6.1.4.1.37476.9000.64.1": "the mark of the provisioner",
	}
	fieldExtensions = map[string]func(c *x509util.Certificate) bool{
		"2.5.29.15": func(c *x509util.Certificate) bool { return c.KeyUsage != 0 },
		"2.5.29.37": func(c *x509util.Certificate) bool { return len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) > 0 },
		"2.5.29.19": func(c *x509util.Certificate) bool { return c.BasicConstraints != nil },
		"2.5.29.30": func(c *x509util.Certificate) bool { return c.NameConstraints != nil },
		"2.5.29.31": func(c *x509util.Certificate) bool { return len(c.CRLDistributionPoints) > 0 },
		"2.5.29.32": func(c *x509util.Certificate) bool { return len(c.PolicyIdentifiers) > 0 },
		"1.3.6.1.5.5.7.1.1": func(c *x509util.Certificate) bool {
			return len(c.OCSPServer)+len(c.IssuingCertificateURL) > 0
		},
		subjectAltName: func(c *x509util.Certificate) bool {
			return len(c.SANs)+len(c.DNSNames)+len(c.EmailAddresses)+len(c.IPAddresses)+len(c.URIs) > 0
		},
	}
)

// checkExtensions refuses extensions that are not the template's to set, and those said twice: crypto/x509
// would let one win over what the rest of the certificate shows.
func checkExtensions(doc []byte, c *x509util.Certificate) *fieldError {
	if len(c.Extensions) == 0 {
		return nil
	}
	var written struct {
		Extensions []x509util.Extension `json:"extensions"` // without the one x509util makes of the names
	}
	if err := json.Unmarshal(doc, &written); err != nil {
		return &fieldError{"extensions", reason(err)}
	}
	seen := map[string]bool{}
	for i, e := range written.Extensions {
		id, field := asn1.ObjectIdentifier(e.ID).String(), fmt.Sprintf("extensions[%d]", i)
		if what := reservedExtensions[id]; what != "" {
			return &fieldError{field, fmt.Errorf("extension %s is %s, which the authority sets", id, what)}
		}
		if len(e.ID) < 2 {
			return &fieldError{field, errors.New("an extension without an id")}
		}
		if set := fieldExtensions[id]; seen[id] || set != nil && set(c) {
			return &fieldError{field, fmt.Errorf("extension %s is there twice, perhaps as a field of the document", id)}
		}
		seen[id] = true
	}
	return nil
}

// checkSubject refuses a RawSubject that is no name, or differs from what Subject says.
func checkSubject(c *x509.Certificate) *fieldError {
	if len(c.RawSubject) == 0 {
		return nil
	}
	var rdn pkix.RDNSequence
	if rest, err := asn1.Unmarshal(c.RawSubject, &rdn); err != nil || len(rest) > 0 {
		return &fieldError{"rawSubject", errors.New("not the DER of a name")}
	}
	if said := c.Subject.ToRDNSequence(); len(said) > 0 {
		b, err := asn1.Marshal(said)
		if err != nil || !bytes.Equal(b, c.RawSubject) {
			return &fieldError{"rawSubject", errors.New("it differs from subject")}
		}
	}
	return nil
}
