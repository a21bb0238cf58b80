package template

import "crypto/x509"

type Template struct{}

type SAN struct{ Type, Value string }

type Data struct {
	CommonName       string
	SANs             []SAN
	Token            map[string]any
	AuthorizationCrt *x509.Certificate
	CR               *x509.CertificateRequest
	User             map[string]any
	Entity           any
	Extra            map[string]any
}

func Leaf() *Template { return nil }

func (t *Template) Render(d *Data) (*x509.Certificate, error) { return nil, nil }
