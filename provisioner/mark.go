package provisioner

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
)

var oidMark = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 37476, 9000, 64, 1}

type markASN1 struct {
	Type          int
	Name          []byte
	CredentialID  []byte
	KeyValuePairs []string `asn1:"optional,omitempty"`
}

// Extension returns step's provisioner extension for the provisioner of that name.
func (m Mark) Extension(name string) (pkix.Extension, error) {
	b, err := asn1.Marshal(markASN1{int(m.Type), []byte(name), []byte(m.CredentialID), m.KeyValuePairs})
	return pkix.Extension{Id: oidMark, Value: b}, err
}

// MarkOf reads step's provisioner extension: the name of the provisioner that let the certificate be
// issued, and its mark. It proves nothing by itself: whoever signed the certificate says it.
func MarkOf(c *x509.Certificate) (name string, m Mark, ok bool) {
	for _, e := range c.Extensions {
		if !e.Id.Equal(oidMark) {
			continue
		}
		var v markASN1
		if rest, err := asn1.Unmarshal(e.Value, &v); err != nil || len(rest) > 0 {
			return "", Mark{}, false
		}
		return string(v.Name), Mark{Type(v.Type), string(v.CredentialID), v.KeyValuePairs}, true
	}
	return "", Mark{}, false
}

// IsMark reports whether an extension is step's provisioner extension.
func IsMark(e pkix.Extension) bool { return e.Id.Equal(oidMark) }
