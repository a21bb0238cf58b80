package template_test

import (
	"crypto/x509"
	"fmt"

	"github.com/chancery-ca/chancery/template"
)

func Example() {
	cert, err := template.Leaf().Render(&template.Data{
		CommonName: "db.internal",
		SANs:       []template.SAN{{Type: "dns", Value: "db.internal"}, {Type: "ip", Value: "10.0.0.7"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(cert.Subject, cert.DNSNames, cert.IPAddresses)
	// Output: CN=db.internal [db.internal] [10.0.0.7]
}

// Certificates for clients only, which name the team that the authority runs for.
func ExampleNew() {
	leaf := template.Leaf()
	clients := template.New("clients", func(d *template.Data) (*x509.Certificate, error) {
		team, ok := d.Extra["team"].(string)
		if !ok {
			return nil, &template.FailError{Text: "there is no team to name"}
		}
		c, err := leaf.Render(d)
		if err != nil {
			return nil, err
		}
		c.Subject.OrganizationalUnit = []string{team}
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		return c, nil
	})

	data := &template.Data{CommonName: "eve", SANs: []template.SAN{{Type: "email", Value: "eve@example.com"}}}
	_, err := clients.Render(data)
	fmt.Println(err)
	data.Extra = map[string]any{"team": "Storage"}
	cert, err := clients.Render(data)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(cert.Subject, cert.EmailAddresses)
	// Output:
	// there is no team to name
	// CN=eve,OU=Storage [eve@example.com]
}
