package x509lint

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"unicode"
	"unicode/utf8"
)

const (
	maxAttribute  = 256 // bytes of one attribute's value
	maxAttributes = 64
)

// CommonName refuses control characters, what is not UTF-8, and more than 64 characters. Empty is fine.
func CommonName(s string) error {
	if utf8.RuneCountInString(s) > maxCNRune {
		return problem("cn-too-long", "the common name is longer than %d characters", maxCNRune)
	}
	if !isText(s) {
		return problem("cn-character", "the common name %.100q holds a control character or is not UTF-8", s)
	}
	return nil
}

// isText reports whether s is UTF-8 that prints as itself: no control characters, and none of the
// invisible ones that reorder or hide what is around them.
func isText(s string) bool {
	for i, r := range s {
		if r < utf8.RuneSelf {
			if r < ' ' || r == 0x7f {
				return false
			}
			continue
		}
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return false
			}
		}
		if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control, unicode.Noncharacter_Code_Point) {
			return false
		}
	}
	return true
}

// Subject refuses a name with too many or too long attributes, or control characters in any.
func Subject(n pkix.Name) error {
	if err := CommonName(n.CommonName); err != nil {
		return err
	}
	count := len(n.ExtraNames)
	for _, values := range [...][]string{
		n.Country, n.Organization, n.OrganizationalUnit, n.Locality, n.Province, n.StreetAddress,
		n.PostalCode, {n.SerialNumber},
	} {
		count += len(values)
		for _, v := range values {
			if err := attribute(v); err != nil {
				return err
			}
		}
	}
	if count > maxAttributes {
		return problem("subject-too-many", "the subject has more than %d attributes", maxAttributes)
	}
	for _, a := range n.ExtraNames {
		if err := extraName(a); err != nil {
			return err
		}
	}
	return nil
}

func extraName(a pkix.AttributeTypeAndValue) error {
	if len(a.Type) < 2 {
		return problem("subject-attribute", "an attribute of the subject has no type")
	}
	s := ""
	switch v := a.Value.(type) {
	case string:
		s = v
	case asn1.RawValue:
		s = rawText(v)
	default:
		return problem("subject-attribute", "attribute %s of the subject is not text", a.Type)
	}
	if a.Type.Equal(oidCommonName()) {
		return CommonName(s)
	}
	return attribute(s)
}

// rawText returns the text of a value given in DER. What is not a string in single bytes, or in UTF-8,
// comes out as something that is refused.
func rawText(v asn1.RawValue) string {
	if len(v.FullBytes) > 0 {
		rest, err := asn1.Unmarshal(v.FullBytes, &v)
		if err != nil || len(rest) > 0 {
			return "\x00"
		}
	}
	switch v.Tag {
	case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String, asn1.TagNumericString:
		if v.Class == asn1.ClassUniversal {
			return string(v.Bytes)
		}
	}
	return "\x00"
}

// RawSubject is [Subject] for a name in DER.
func RawSubject(der []byte) error {
	seq, err := parseDN(der)
	if err != nil {
		return err
	}
	var n pkix.Name
	for _, set := range seq {
		if len(set) == 0 {
			return problem("subject-form", "the subject has an empty part")
		}
		n.ExtraNames = append(n.ExtraNames, set...)
	}
	if len(n.ExtraNames) > maxAttributes {
		return problem("subject-too-many", "the subject has more than %d attributes", maxAttributes)
	}
	return Subject(n)
}

func parseDN(der []byte) (pkix.RDNSequence, error) {
	var seq pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &seq); err != nil || len(rest) > 0 {
		return nil, problem("subject-form", "the subject is not a name in DER")
	}
	return seq, nil
}

func attribute(s string) error {
	if len(s) > maxAttribute {
		return problem("subject-too-long", "an attribute of the subject is longer than %d bytes", maxAttribute)
	}
	if !isText(s) {
		return problem("subject-character", "attribute %.100q of the subject holds a control character or is not UTF-8", s)
	}
	return nil
}

func oidCommonName() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 4, 3} }

func oidEmailAddress() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
}
