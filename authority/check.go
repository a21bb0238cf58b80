package authority

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"slices"
	"time"

	"github.com/chancery-ca/chancery/internal/x509lint"
	"github.com/chancery-ca/chancery/provisioner"
)

var oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

// check is step 5: is what was rendered what was allowed, and would it be valid?
func (p *passage) check(context.Context) (string, *Error) {
	c, d := p.certificate, &p.decision
	if err := p.checkNames(); err != nil {
		return "", err
	}
	if c.IsCA != p.profile.Authority {
		if c.IsCA {
			return "", refuse(Denied, "", "ca", "profile %q issues no CA certificates", p.profile.Name)
		}
		return "", refuse(Denied, "", "not-ca", "profile %q issues only CA certificates", p.profile.Name)
	}
	if c.NotBefore.Before(d.NotBefore) || c.NotAfter.After(d.NotAfter) || !c.NotAfter.After(c.NotBefore) {
		return "", refuse(Denied, "", "validity-template", "the template's validity is not within %s to %s",
			d.NotBefore.UTC().Format(time.RFC3339), d.NotAfter.UTC().Format(time.RFC3339))
	}
	if err := x509lint.Names(c.Subject.CommonName, c); err != nil {
		return "", unfit(err)
	}
	if err := x509lint.Subject(c.Subject); err != nil {
		return "", unfit(err)
	}
	if err := p.issuer.rules.Check(p.asRead(), p.now); err != nil {
		return "", unfit(err)
	}
	return "", nil
}

// asRead returns the certificate in the form that x509lint reads. One that is had again carries its
// extensions as bytes, which only the parsed original says anything about.
func (p *passage) asRead() *x509.Certificate {
	if p.old == nil {
		return p.certificate
	}
	c := *p.old
	c.NotBefore, c.NotAfter, c.PublicKey = p.certificate.NotBefore, p.certificate.NotAfter, p.certificate.PublicKey
	return &c
}

// checkNames compares what was rendered with what was decided. Names that the template put in by itself
// need a profile that trusts it, and then they are judged like all others.
func (p *passage) checkNames() *Error {
	c, d := p.certificate, &p.decision
	names := provisioner.NamesOf(c)
	added := names.Without(d.Names).Strings()
	if p.old == nil && slices.ContainsFunc(c.ExtraExtensions, func(e pkix.Extension) bool { return e.Id.Equal(oidSubjectAltName) }) {
		added = append(added, "names of other types") // otherName and the like, which no grant can hold
	}
	cn := c.Subject.CommonName
	if cn != "" && cn != p.commonName() && !names.Contains(cn) {
		added = append(added, cn)
	}
	if len(added) == 0 {
		return nil
	}
	if !p.profile.TemplateNames {
		return refuse(Denied, "", "names", "the template adds %q, which was not granted", added[0])
	}
	if p.profile.Entity.Names {
		return refuse(Denied, "", "entity-names", "the template adds %q, which is no name of %q", added[0], p.entity.ID)
	}
	d.Names = names
	return p.judgeNames(cn, names)
}

// draft closes step 5: a serial, the bytes to be signed, and the record of them.
func (p *passage) draft() (*draft, *Error) {
	c, i := p.certificate, p.issuer
	c.SerialNumber, c.SignatureAlgorithm = newSerial(p.now), i.algorithm
	tbs, err := tbsOf(c, i.cert, c.PublicKey)
	if err != nil {
		return nil, &Error{Kind: Internal, Step: StepCheck, Code: "encode", Reason: "the certificate cannot be encoded", Err: err}
	}
	key := sha256.Sum256(p.subjectPublicKeyInfo())
	r := &Record{
		Serial: SerialOf(c.SerialNumber), Status: Reserved, Operation: p.r.Operation, Issuer: i.Name, TBS: tbs,
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, Subject: p.grant.Subject, Names: provisioner.NamesOf(c).Strings(),
		KeyID: hex.EncodeToString(key[:]), Provisioner: p.provisioner.Name(), Profile: p.profile.Name,
		Identifiers: p.grant.Identifiers, RequestID: p.r.RequestID, ReservedAt: p.now,
	}
	if p.entity != nil {
		r.Entity = p.entity.ID
	}
	if p.old != nil {
		r.Previous = SerialOf(p.old.SerialNumber)
		if p.oldRecord != nil {
			r.Subject, r.Identifiers = p.oldRecord.Subject, p.oldRecord.Identifiers
		}
	}
	return &draft{snapshot: p.s, issuer: i, record: r, spend: p.grant.Spend, truncated: p.truncated}, nil
}
