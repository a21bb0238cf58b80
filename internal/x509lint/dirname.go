package x509lint

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"strings"
)

// checkDN holds the subject against the constraints on directory names, and its e-mail attributes
// against those on e-mail addresses. Names that x509.Certificate has no field for are refused when their
// kind is constrained at all.
func (nc *constraints) checkDN(c *x509.Certificate, n *altNames) error {
	if n != nil && n.other&(nc.permitted.other|nc.excluded.other) != 0 {
		return problem("name-constraints-other", "the name constraints of %s are about a kind of name that cannot be judged", nc.by)
	}
	dirs := len(nc.permitted.dir)+len(nc.excluded.dir) > 0
	emails := len(nc.permitted.email)+len(nc.excluded.email) > 0
	if !dirs && !(emails && (len(c.RawSubject) > 0 || len(c.Subject.ExtraNames) > 0)) {
		return nil
	}
	subject, err := subjectOf(c)
	if err != nil {
		return err
	}
	for _, set := range subject {
		for _, a := range set {
			if s := fmt.Sprint(a.Value); a.Type.Equal(oidEmailAddress()) && !nc.allowsEmail(s) {
				return nc.refuse("email", s)
			}
		}
	}
	if len(subject) > 0 && !judge(nc.permitted.dir, nc.excluded.dir, subject, below, below) {
		return nc.refuse("dir", subject)
	}
	if n == nil {
		return nil
	}
	for _, d := range n.dirs {
		if !judge(nc.permitted.dir, nc.excluded.dir, d, below, below) {
			return nc.refuse("dir", d)
		}
	}
	return nil
}

// subjectOf returns the subject as it will be read back.
func subjectOf(c *x509.Certificate) (pkix.RDNSequence, error) {
	der := c.RawSubject
	if len(der) == 0 {
		var err error
		if der, err = asn1.Marshal(c.Subject.ToRDNSequence()); err != nil {
			return nil, problem("subject-form", "the subject cannot be written")
		}
	}
	return parseDN(der)
}

// below reports whether name begins with base.
func below(base, name pkix.RDNSequence) bool {
	if len(base) > len(name) {
		return false
	}
	for i := range base {
		if !sameRDN(base[i], name[i]) {
			return false
		}
	}
	return true
}

// sameRDN compares two sets of attributes.
func sameRDN(a, b pkix.RelativeDistinguishedNameSET) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		found := false
		for _, y := range b {
			found = found || x.Type.Equal(y.Type) && foldText(x.Value) == foldText(y.Value)
		}
		if !found {
			return false
		}
	}
	return true
}

// foldText is the part of RFC 4518's preparation that matters for what people write: case and space.
func foldText(v any) string {
	return strings.Join(strings.Fields(strings.ToLower(fmt.Sprint(v))), " ")
}
