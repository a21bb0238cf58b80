package authority

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/chancery-ca/chancery/internal/x509lint"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/template"
)

// render is step 4: what exactly is issued?
func (p *passage) render(context.Context) (string, *Error) {
	var err *Error
	var detail string
	if p.old != nil {
		p.certificate, detail = p.again(), "as before"
	} else if p.certificate, err = p.anew(); err != nil {
		return "", err
	}
	c := p.certificate
	c.SerialNumber = newSerial(p.now)
	if p.old != nil {
		other := !isIssuerOf(p.issuer.cert, p.old)
		p.issuer.Pointers.unpoint(c, other)
		if p.oldRecord != nil && !other && len(p.issuer.Pointers.CRLDistributionPoints) == 0 {
			p.shard = p.oldRecord.Shard // its distribution point is repeated with it
		}
	}
	if n := p.issuer.Pointers.point(c); n > 0 {
		p.shard = n
	}
	if c.SubjectKeyId, err = subjectKeyID(p.subjectPublicKeyInfo()); err != nil {
		return "", err
	}
	return detail, p.mark()
}

// anew renders the profile's template.
func (p *passage) anew() (*x509.Certificate, *Error) {
	d := &p.decision
	data := &template.Data{
		CommonName: p.commonName(), SANs: sans(d.Names), Token: p.grant.Claims, AuthorizationCrt: p.grant.Certificate,
		CR: p.r.CSR, User: p.r.UserData, Extra: p.profile.TemplateData,
	}
	if p.entity != nil {
		data.Entity = p.entity
	}
	c, err := p.profile.Template.Render(data)
	if err != nil {
		return nil, p.unrendered(err)
	}
	if slices.ContainsFunc(c.ExtraExtensions, provisioner.IsMark) {
		return nil, refuse(Internal, "", "template", "the template sets the provisioner extension")
	}
	if a := c.SignatureAlgorithm; a != x509.UnknownSignatureAlgorithm && a != p.issuer.algorithm {
		return nil, refuse(Internal, "", "template", "the template asks for %s, and issuer %q signs with %s", a, p.issuer.Name, p.issuer.algorithm)
	}
	for _, e := range c.ExtraExtensions {
		if e.Id.Equal(oidSubjectAltName) {
			if p.otherNames, err = x509lint.ReadSAN(c, e.Value); err != nil {
				return nil, unfit(err)
			}
		}
	}
	c.PublicKey = p.publicKey()
	if c.NotBefore.IsZero() {
		c.NotBefore = d.NotBefore
	}
	if c.NotAfter.IsZero() {
		c.NotAfter = d.NotAfter
	}
	return c, nil
}

// unrendered is the error of a template, without what the request said.
func (v *visit) unrendered(err error) *Error {
	if f, ok := errors.AsType[*template.FailError](err); ok {
		return &Error{Kind: BadRequest, Code: "template-fail", Reason: f.Text}
	}
	e := &Error{Kind: Internal, Code: "template", Reason: "the template cannot be rendered"}
	if where, ok := errors.AsType[*template.RenderError](err); ok { // its cause quotes what the request said
		e.Reason += fmt.Sprintf(": template %q, line %d, field %q", where.Template, where.Line, where.Field)
	}
	if v.trace != nil {
		e.Err = err
	}
	return e
}

func sans(n provisioner.Names) []template.SAN {
	s := make([]template.SAN, 0, n.Len())
	for _, v := range n.DNS {
		s = append(s, template.SAN{Type: "dns", Value: v})
	}
	for _, v := range n.IPs {
		s = append(s, template.SAN{Type: "ip", Value: v.String()})
	}
	for _, v := range n.Emails {
		s = append(s, template.SAN{Type: "email", Value: v})
	}
	for _, v := range n.URIs {
		s = append(s, template.SAN{Type: "uri", Value: v})
	}
	return s
}

// Extensions that are made anew for every certificate.
var (
	oidSubjectKeyID   = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidAuthorityKeyID = asn1.ObjectIdentifier{2, 5, 29, 35}
)

// again repeats a certificate: its subject, byte for byte, and all of its extensions but the key ids.
func (p *passage) again() *x509.Certificate {
	old := p.old
	c := &x509.Certificate{
		RawSubject: old.RawSubject, Subject: old.Subject, PublicKey: p.publicKey(),
		NotBefore: p.decision.NotBefore, NotAfter: p.decision.NotAfter,
		// What the extensions below say, for the checks; where both are set the extensions are signed.
		KeyUsage: old.KeyUsage, ExtKeyUsage: old.ExtKeyUsage, UnknownExtKeyUsage: old.UnknownExtKeyUsage,
		DNSNames: old.DNSNames, IPAddresses: old.IPAddresses, EmailAddresses: old.EmailAddresses, URIs: old.URIs,
		BasicConstraintsValid: old.BasicConstraintsValid, IsCA: old.IsCA,
		MaxPathLen: old.MaxPathLen, MaxPathLenZero: old.MaxPathLenZero,
	}
	for _, e := range old.Extensions {
		if !e.Id.Equal(oidSubjectKeyID) && !e.Id.Equal(oidAuthorityKeyID) {
			c.ExtraExtensions = append(c.ExtraExtensions, e)
		}
	}
	return c
}

// mark adds step's provisioner extension to a new certificate. One that is had again keeps its own.
func (p *passage) mark() *Error {
	if p.old != nil || p.profile.NoMark || p.grant.Mark.Type == 0 {
		return nil
	}
	e, err := p.grant.Mark.Extension(p.provisioner.Name())
	if err != nil {
		return &Error{Kind: Internal, Code: "mark", Reason: "the provisioner extension cannot be made", Err: err}
	}
	p.certificate.ExtraExtensions = append(p.certificate.ExtraExtensions, e)
	return nil
}

func (p *passage) publicKey() crypto.PublicKey {
	if p.r.Operation == provisioner.X509Renew {
		return p.old.PublicKey
	}
	return p.r.CSR.PublicKey
}

func (p *passage) subjectPublicKeyInfo() []byte {
	if p.r.Operation == provisioner.X509Renew {
		return p.old.RawSubjectPublicKeyInfo
	}
	return p.r.CSR.RawSubjectPublicKeyInfo
}

// subjectKeyID is the one rule for every certificate: the leftmost 160 bits of the SHA-256 of the
// public key's bits (RFC 7093, section 2, method 1).
func subjectKeyID(spki []byte) ([]byte, *Error) {
	in := cryptobyte.String(spki)
	var body cryptobyte.String
	var key []byte
	if !in.ReadASN1(&body, cbasn1.SEQUENCE) || !body.SkipASN1(cbasn1.SEQUENCE) || !body.ReadASN1BitStringAsBytes(&key) {
		return nil, refuse(BadRequest, "", "public-key", "the public key cannot be read")
	}
	sum := sha256.Sum256(key)
	return sum[:20], nil
}
