package step

import (
	"crypto"
	"crypto/x509"

	"go.step.sm/crypto/x509util"

	"github.com/chancery-ca/chancery/template"
)

// RequestTemplate makes certificate requests of data. It is immutable and safe for concurrent use.
type RequestTemplate struct{ text *compiled }

// ParseRequest compiles the text of a step certificate request template. It has the variables,
// functions, escaping and limits of [Parse]; its document has subject, names, extensions, keyUsage,
// extKeyUsage, unknownExtKeyUsage, basicConstraints and signatureAlgorithm.
func ParseRequest(name, text string) (*RequestTemplate, error) {
	c, err := compile(name, text, requestFields)
	if err != nil {
		return nil, err
	}
	if c.static() {
		if _, err := c.request(&template.Data{}); err != nil {
			return nil, c.asParseError(err)
		}
	}
	return &RequestTemplate{c}, nil
}

// Create makes a request for the key of signer and returns its DER. .Insecure.CR is a request with that
// key and nothing else, whatever d.CR is. The error is a [*template.FailError] or a [*template.RenderError].
func (t *RequestTemplate) Create(d *template.Data, signer crypto.Signer) ([]byte, error) {
	if err := template.CheckExtra(d.Extra); err != nil {
		return nil, &template.RenderError{Template: t.text.name, Err: err}
	}
	own := *d
	own.CR = &x509.CertificateRequest{PublicKey: signer.Public()}
	doc, err := t.text.request(&own)
	if err != nil {
		return nil, err
	}
	described, err := x509util.NewCertificateRequest(signer, withDocument(doc))
	if err != nil {
		return nil, t.text.at("", reason(err))
	}
	cr, err := described.GetCertificateRequest()
	if err != nil {
		return nil, t.text.at("", reason(err))
	}
	return cr.Raw, nil
}

// request renders and checks.
func (c *compiled) request(d *template.Data) ([]byte, error) {
	doc, err := c.render(d)
	if err != nil {
		return nil, err
	}
	if err := checkDocument(doc, c.fields); err != nil {
		return nil, c.at(err.field, err.err)
	}
	if _, fault := decodeCertificate(doc); fault != nil { // its fields are those of a certificate
		return nil, c.at(fault.field, fault.err)
	}
	return doc, nil
}
