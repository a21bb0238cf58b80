package authority

import (
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"time"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/template"
)

// responders is the provisioner through which delegated OCSP responders are issued, and begins the names of
// their profiles. No handler can reach it: it answers this program only.
const responders = "chancery/ocsp"

// responderLife is short: such a certificate cannot be revoked, since nobody would look.
const responderLife = 7 * 24 * time.Hour

// oidOCSPNoCheck is id-pkix-ocsp-nocheck (RFC 6960, section 4.2.2.2.1).
var oidOCSPNoCheck = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}

// IssueResponder issues the certificate of a delegated OCSP responder (RFC 6960, section 4.2.2.2) for the
// holder of key, signed by that issuer, which must be active. Like every certificate it goes through the
// whole pipeline. It lives a week, or as long as its issuer.
func (a *Authority) IssueResponder(ctx context.Context, issuer string, key crypto.Signer) (*Certificate, error) {
	s, err := a.begin()
	if err != nil {
		return nil, err
	}
	if i := s.issuerByName[issuer]; i == nil || i.State != Active {
		return nil, refuse(NotFound, "", "issuer", "no active issuer is called %q", issuer)
	}
	csr, err := NewRequest(key, "OCSP responder of "+issuer, provisioner.Names{})
	if err != nil {
		return nil, fault("", "making the request of an OCSP responder", err)
	}
	return a.Issue(ctx, &Request{Provisioner: responders, Profile: responders + "/" + issuer, CSR: csr, Local: true})
}

// addResponders adds what IssueResponder needs.
func (s *snapshot) addResponders() {
	s.provisioners[responders] = &provisioner.Local{ID: responders, Renewal: provisioner.Renewal{Disabled: true}}
	b := Binding{}
	for _, i := range s.issuers {
		name := responders + "/" + i.Name
		p, _ := newProfile(Profile{ // cannot fail: nothing in it can be wrong
			Name: name, Issuer: i.Name, Template: responderTemplate(), Keys: KeyRule{},
			Validity: Validity{Default: responderLife, Max: responderLife, Backdate: time.Hour},
		})
		p.nameless = true
		s.profiles[name] = p
		b.Profiles = append(b.Profiles, name)
		b.Profile = name
	}
	if s.Bindings == nil {
		s.Bindings = map[string]Binding{}
	}
	s.Bindings[responders] = b
}

func responderTemplate() *template.Template {
	return template.New("ocsp-responder", func(d *template.Data) (*x509.Certificate, error) {
		return &x509.Certificate{
			Subject: pkix.Name{CommonName: d.CommonName}, KeyUsage: x509.KeyUsageDigitalSignature,
			ExtKeyUsage:     []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
			ExtraExtensions: []pkix.Extension{{Id: oidOCSPNoCheck, Value: asn1.NullBytes}},
		}, nil
	})
}
