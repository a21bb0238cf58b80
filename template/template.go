package template

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
)

// Template makes certificates of data. It is immutable and safe for concurrent use.
type Template struct {
	name string
	make func(d *Data) (*x509.Certificate, error) // a func, so that programs without text templates do not link them
}

// New returns a template that is a function. name is for errors only.
//
// The function gets the data that Render was given, never nil, and returns what shall be in the
// certificate: subject, names, usages, constraints, extensions. It may leave the rest zero, because
// Render and the authority set it, whatever the function says: public key, serial number, issuer, key
// identifiers, and the fields that only signed certificates have. Zero times are the times that were
// decided; others must lie within them. A zero signature algorithm is the issuer's.
//
// It must be safe for concurrent use, return a certificate of its own from every call, and neither keep
// nor change the data, which requests share. Names in the data have been granted; what the user sent
// with the request (User, and all of CR but its key) has not been looked at by anybody. The authority
// judges the result like every other: names that were not granted are refused, and so is a CA unless
// the profile is one for CAs.
//
// Its errors become [*RenderError]s, unless they are that already, where Template need not be set, or a
// [*FailError], whose text is shown to whoever asked.
func New(name string, make func(d *Data) (*x509.Certificate, error)) *Template {
	return &Template{name, make}
}

// Name returns the name that the template was made with.
func (t *Template) Name() string { return t.name }

var errNothing = errors.New("the template made no certificate")

// Render makes the certificate to be signed. Its public key is that of d.CR, if there is one; serial
// number, issuer and key identifiers are left to the authority, and the times are zero unless the
// template sets them. Subject says what RawSubject does where that is set.
//
// The certificate may hold extensions of any kind in ExtraExtensions, those that crypto/x509 has
// fields for included; what is in there is what will be signed, so judge the encoded certificate.
//
// The error is a [*FailError] when the template refuses, else a [*RenderError].
func (t *Template) Render(d *Data) (*x509.Certificate, error) {
	if err := CheckExtra(d.Extra); err != nil {
		return nil, &RenderError{Template: t.name, Err: err}
	}
	if t.make == nil {
		return nil, &RenderError{Template: t.name, Err: errNothing}
	}
	c, err := t.make(d)
	switch {
	case err != nil:
	case c == nil:
		err = errNothing
	default:
		if err = settle(c, d.CR); err == nil {
			return c, nil
		}
	}
	return nil, asRenderError(t.name, err)
}

// settle takes out what is not the template's to say, and makes the two subjects say the same.
func settle(c *x509.Certificate, cr *x509.CertificateRequest) error {
	c.PublicKey, c.PublicKeyAlgorithm = nil, x509.UnknownPublicKeyAlgorithm
	if cr != nil {
		c.PublicKey, c.PublicKeyAlgorithm = cr.PublicKey, cr.PublicKeyAlgorithm
	}
	c.SerialNumber, c.SubjectKeyId, c.AuthorityKeyId = nil, nil, nil
	c.Issuer, c.RawIssuer = pkix.Name{}, nil
	if len(c.RawSubject) == 0 {
		return nil
	}
	var rdn pkix.RDNSequence
	if rest, err := asn1.Unmarshal(c.RawSubject, &rdn); err != nil || len(rest) > 0 {
		return &RenderError{Field: "rawSubject", Err: errors.New("not the DER of a name")}
	}
	c.Subject = pkix.Name{}
	c.Subject.FillFromRDNSequence(&rdn)
	return nil
}
