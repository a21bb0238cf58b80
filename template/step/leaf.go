package step

import (
	"crypto/x509"
	"encoding/json"
	"slices"

	"go.step.sm/crypto/x509util"

	"github.com/chancery-ca/chancery/template"
)

// ordinary are the types of names that crypto/x509 has fields for.
var ordinary = []string{x509util.DNSType, x509util.EmailType, x509util.IPType, x509util.URIType, x509util.AutoType, ""}

// Leaf is [template.Leaf] for names of step's extended kinds as well, such as permanentIdentifier. A grant
// never holds those: an authority issues them only under a profile with TemplateNames.
func Leaf() *template.Template {
	plain := template.Leaf()
	return template.New("leaf", func(d *template.Data) (*x509.Certificate, error) {
		if !slices.ContainsFunc(d.SANs, func(s template.SAN) bool { return !slices.Contains(ordinary, s.Type) }) {
			return plain.Render(d)
		}
		c, err := plain.Render(&template.Data{CR: d.CR}) // for the usages
		if err != nil {
			return nil, err
		}
		doc, err := json.Marshal(map[string]any{
			"subject": x509util.Subject{CommonName: d.CommonName}, "sans": sansOf(d),
		})
		if err != nil {
			return nil, err
		}
		named, fault := decodeCertificate(doc)
		if fault != nil {
			return nil, &template.RenderError{Field: fault.field, Err: fault.err}
		}
		c.Subject, c.ExtraExtensions = named.Subject, named.ExtraExtensions
		return c, nil
	})
}
