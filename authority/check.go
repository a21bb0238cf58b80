package authority

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"time"

	"github.com/chancery-ca/chancery/internal/x509lint"
	"github.com/chancery-ca/chancery/provisioner"
)

var oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

// check is step 5: is what was rendered what was allowed, and would it be valid?
func (p *passage) check(ctx context.Context) (string, *Error) {
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
	if err := p.checkSubject(); err != nil {
		return "", unfit(err)
	}
	if c.Subject.CommonName == p.issuer.cert.Subject.CommonName && c.Subject.String() == p.issuer.cert.Subject.String() {
		return "", refuse(Denied, "", "subject", "a certificate cannot have its issuer's own name")
	}
	if err := p.issuer.rules.Check(p.asRead(), p.now); err != nil {
		return "", unfit(err)
	}
	return "", p.lastWord(ctx)
}

// checkSubject looks at the subject in the form in which it will be signed.
func (p *passage) checkSubject() error {
	if raw := p.certificate.RawSubject; len(raw) > 0 && p.old == nil {
		return x509lint.RawSubject(raw)
	}
	return x509lint.Subject(p.certificate.Subject)
}

// lastWord asks the program's own rule, once everything else has allowed what is to be signed.
func (p *visit) lastWord(ctx context.Context) *Error {
	if p.s.Decide == nil {
		return nil
	}
	err := p.s.Decide(ctx, p.decision.clone())
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		c := *e
		c.Step = StepDecide
		return &c
	}
	return &Error{Kind: Denied, Step: StepDecide, Code: "decide", Reason: err.Error(), Err: err}
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
	if p.old != nil {
		return nil // it is what was issued before, and was judged again in step 3
	}
	cn, mail, err := subjectNames(c)
	if err != nil {
		return err
	}
	added := names.Without(d.Names).Strings()
	if cn != "" && cn != p.commonName() && !names.Contains(cn) {
		added = append(added, cn)
	}
	if m := (provisioner.Names{Emails: mail}).Without(names).Strings(); len(m) > 0 {
		added, names.Emails = append(added, m...), append(names.Emails, m...)
	}
	if p.otherNames { // otherName and the like, which no grant can hold and no policy can judge
		added = append(added, "names of other types")
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
	if p.otherNames && (!p.s.Policy.Empty() || !p.profile.Policy.Empty() || !p.s.Bindings[p.provisioner.Name()].Policy.Empty() || p.profile.Entity.Groups != nil) {
		return refuse(Denied, "", "names", "the template adds names of other types, which the policy cannot judge")
	}
	d.Names = names
	return p.judgeNames(cn, names)
}

var (
	oidCommonName   = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidEmailAddress = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
)

// subjectNames returns the common name and the e-mail addresses of a subject as it will be encoded. A
// second common name is refused: relying parties differ in which one they read.
func subjectNames(c *x509.Certificate) (cn string, mail []string, _ *Error) {
	der := c.RawSubject
	if len(der) == 0 && len(c.Subject.ExtraNames) == 0 {
		return c.Subject.CommonName, nil, nil // which is all there is
	}
	if len(der) == 0 {
		var merr error
		if der, merr = asn1.Marshal(c.Subject.ToRDNSequence()); merr != nil {
			return "", nil, refuse(Denied, "", "subject", "the template's subject cannot be encoded")
		}
	}
	var rdns pkix.RDNSequence // as relying parties read it: what a template sets need not be a string yet
	if rest, uerr := asn1.Unmarshal(der, &rdns); uerr != nil || len(rest) > 0 {
		return "", nil, refuse(Denied, "", "subject", "the template's subject cannot be read")
	}
	seen := false
	for _, rdn := range rdns {
		for _, a := range rdn {
			s, _ := a.Value.(string)
			switch {
			case a.Type.Equal(oidCommonName):
				if seen {
					return "", nil, refuse(Denied, "", "subject", "the template makes a subject with two common names")
				}
				cn, seen = s, true
			case a.Type.Equal(oidEmailAddress):
				mail = append(mail, provisioner.ParseNames([]string{s}).Strings()...)
			}
		}
	}
	return cn, mail, nil
}

// draft closes step 5: a serial, the bytes to be signed, and the record of them.
func (p *passage) draft() (*draft, *Error) {
	c, i := p.certificate, p.issuer
	c.SignatureAlgorithm = i.algorithm
	tbs, err := tbsOf(c, i.cert, c.PublicKey)
	if err != nil {
		return nil, &Error{Kind: Internal, Step: StepCheck, Code: "encode", Reason: "the certificate cannot be encoded", Err: err}
	}
	key := sha256.Sum256(p.subjectPublicKeyInfo())
	r := &Record{
		Serial: SerialOf(c.SerialNumber), Status: Reserved, Operation: p.r.Operation, Issuer: i.Name, Shard: p.shard, TBS: tbs,
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, Subject: p.grant.Subject, Names: provisioner.NamesOf(c).Strings(),
		KeyID: hex.EncodeToString(key[:]), Provisioner: p.provisioner.Name(), Profile: p.profile.Name,
		Identifiers: p.grant.Identifiers, RequestID: p.r.RequestID,
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
	return &draft{snapshot: p.s, watch: p.watch, product: &x509Product{issuer: i}, record: r, spend: p.grant.Spend, truncated: p.truncated}, nil
}
