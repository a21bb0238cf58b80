package httpapi

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/chancery-ca/chancery/authority"
)

func (a *api) health(c *call) error {
	if err := a.empty(c); err != nil {
		return err
	}
	c.json(http.StatusOK, []byte(`{"status":"ok"}`))
	return nil
}

func (a *api) versions(c *call) error {
	if err := a.empty(c); err != nil {
		return err
	}
	c.answer(http.StatusOK, "application/json", a.version)
	return nil
}

// root looks for a root, federated ones included, by its fingerprint. Clients ask before they trust
// anybody, and compare the fingerprint of what they get.
func (a *api) root(c *call) error {
	if err := a.empty(c); err != nil {
		return err
	}
	want, err := hex.DecodeString(strings.ReplaceAll(c.param, "-", ""))
	if err == nil && len(want) == sha256.Size {
		for _, crt := range a.federated() {
			if sha256.Sum256(crt.Raw) == [sha256.Size]byte(want) {
				b := append([]byte(nil), `{"ca":"`...)
				c.json(http.StatusOK, append(appendPEM(b, crt.Raw, `\n`), `"}`...))
				return nil
			}
		}
	}
	return &authority.Error{Kind: authority.NotFound, Code: "root", Reason: "no root has that fingerprint"}
}

func (a *api) roots(c *call) error         { return a.list(c, a.ca.Roots()) }
func (a *api) rootsPEM(c *call) error      { return a.bundle(c, a.ca.Roots()) }
func (a *api) federation(c *call) error    { return a.list(c, a.federated()) }
func (a *api) intermediates(c *call) error { return a.list(c, a.ca.Intermediates()) }
func (a *api) intermediatesPEM(c *call) error {
	return a.bundle(c, a.ca.Intermediates())
}

// federated returns the authority's roots and those of others that it publishes.
func (a *api) federated() []*x509.Certificate {
	own := a.ca.Roots()
	return append(own[:len(own):len(own)], a.ca.FederatedRoots()...)
}

var errNoCertificates = &authority.Error{Kind: authority.Unsupported, Code: "none", Reason: "there are no such certificates"}

// list answers with certificates in JSON. The status is 201, as in step-ca.
func (a *api) list(c *call, crts []*x509.Certificate) error {
	if err := a.empty(c); err != nil {
		return err
	}
	if len(crts) == 0 {
		return errNoCertificates
	}
	b := append([]byte(nil), `{"crts":[`...)
	for i, crt := range crts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(appendPEM(b, crt.Raw, `\n`), '"')
	}
	c.json(http.StatusCreated, append(b, `]}`...))
	return nil
}

func (a *api) bundle(c *call, crts []*x509.Certificate) error {
	if err := a.empty(c); err != nil {
		return err
	}
	if len(crts) == 0 {
		return errNoCertificates
	}
	var b []byte
	for _, crt := range crts {
		b = appendPEM(b, crt.Raw, "\n")
	}
	c.answer(http.StatusOK, "application/x-pem-file", b)
	return nil
}
