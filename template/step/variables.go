package step

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"math/big"
	"slices"

	"go.step.sm/crypto/x509util"

	"github.com/chancery-ca/chancery/template"
)

// variables returns what the actions see. With deepCopy, nothing that a function can change in place is
// shared with the caller.
func variables(d *template.Data, deepCopy func(any) (any, error)) (map[string]any, error) {
	var fault error
	own := func(v any) any {
		if deepCopy == nil || fault != nil {
			return v
		}
		c, err := deepCopy(v)
		if err != nil {
			fault = fmt.Errorf("copying the data: %w", err)
		}
		return c
	}
	insecure := map[string]any{}
	vars := make(map[string]any, len(d.Extra)+8)
	for k, v := range d.Extra {
		vars[k] = own(v)
	}
	vars["Subject"] = x509util.Subject{CommonName: d.CommonName}
	vars["SANs"] = sansOf(d)
	vars["Insecure"] = insecure
	if d.CR != nil {
		insecure["CR"] = requestView(d.CR)
	}
	if d.User != nil { // a nil map in an any is not missing, it is an error to look into
		insecure["User"] = own(d.User)
	}
	if d.Token != nil {
		vars["Token"] = own(d.Token)
	}
	if d.Webhooks != nil {
		vars["Webhooks"] = own(d.Webhooks)
	}
	if d.Entity != nil {
		vars["Entity"] = own(d.Entity)
	}
	if d.AuthorizationCrt != nil {
		c := *d.AuthorizationCrt
		c.PublicKey = ownKey(c.PublicKey)
		if c.SerialNumber != nil {
			c.SerialNumber = new(big.Int).Set(c.SerialNumber)
		}
		vars["AuthorizationCrt"] = &c
	}
	return vars, fault
}

func sansOf(d *template.Data) []x509util.SubjectAlternativeName {
	if d.SANs == nil {
		return nil
	}
	sans := make([]x509util.SubjectAlternativeName, len(d.SANs))
	for i, s := range d.SANs {
		sans[i] = x509util.SubjectAlternativeName{Type: s.Type, Value: s.Value}
	}
	return sans
}

// requestView is step's view of a CSR. Making it writes to the extensions, which others may be reading.
func requestView(cr *x509.CertificateRequest) *x509util.CertificateRequest {
	c := *cr
	c.Extensions = slices.Clone(cr.Extensions)
	c.PublicKey = ownKey(cr.PublicKey)
	return x509util.NewCertificateRequestFromX509(&c)
}

// ownKey returns a key for templates to look at. They can call methods, and the numbers that a key is
// made of have methods that change them.
func ownKey(key any) any {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return &rsa.PublicKey{N: new(big.Int).Set(k.N), E: k.E}
	case *ecdsa.PublicKey:
		if b, err := k.Bytes(); err == nil {
			if own, err := ecdsa.ParseUncompressedPublicKey(k.Curve, b); err == nil {
				return own
			}
		}
	}
	return key
}
