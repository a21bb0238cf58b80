package stepconfig

import (
	"crypto/x509"

	"github.com/chancery-ca/chancery/template"
)

// identityTemplate is step's leaf, for clients only.
func identityTemplate() *template.Template {
	leaf := template.Leaf()
	return template.New("ssh-identity", func(d *template.Data) (*x509.Certificate, error) {
		c, err := leaf.Render(d)
		if err != nil {
			return nil, err
		}
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		return c, nil
	})
}
