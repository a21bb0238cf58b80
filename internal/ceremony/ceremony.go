// Package ceremony makes what an online authority needs before it can begin: an authority that signs
// other CAs' certificates with a root's key, and nothing else.
package ceremony

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/template"
)

// Provisioner is the name of the one provisioner of a ceremony's authority, a provisioner.Local.
const Provisioner = "ceremony"

// Issuer is the name of its one issuer.
const Issuer = "root"

// CA is a root in use.
type CA struct {
	Chain      []*x509.Certificate // the signing certificate first; the last one is a root
	Signer     kms.Signer
	Store      authority.Store
	MaxPathLen int           // of the certificates it signs
	Life       time.Duration // of the certificates it signs, at most
	Sinks      []event.Sink
	Logger     *slog.Logger
}

// New puts together an authority that signs CA certificates only, and only for this process.
func New(c CA) (*authority.Authority, error) {
	if len(c.Chain) == 0 {
		return nil, errors.New("ceremony: no certificate")
	}
	ca := template.CA(c.MaxPathLen)
	// The whole subject of the request, not the common name alone: a person reads it before anything is signed.
	t := template.New("ceremony", func(d *template.Data) (*x509.Certificate, error) {
		return ca.Render(&template.Data{CR: d.CR})
	})
	return authority.New(authority.Config{
		Name:         "ceremony",
		Roots:        c.Chain[len(c.Chain)-1:],
		Issuers:      []authority.Issuer{{Name: Issuer, Chain: c.Chain, Signer: c.Signer}},
		Provisioners: []provisioner.Provisioner{&provisioner.Local{ID: Provisioner, Renewal: provisioner.Renewal{Disabled: true}}},
		Profiles: []authority.Profile{{
			Authority: true, NoMark: true, Template: t,
			Validity: authority.Validity{Min: time.Hour, Default: c.Life, Max: c.Life},
		}},
		Store: c.Store, Sinks: c.Sinks, Logger: c.Logger,
	})
}

// SignRequest asks a ceremony's authority for a CA certificate. The zero When is as long as it may be.
func SignRequest(csr *x509.CertificateRequest, notAfter authority.When) *authority.Request {
	return &authority.Request{Operation: provisioner.X509Sign, Provisioner: Provisioner, CSR: csr, Local: true, NotAfter: notAfter}
}

// Sign has a CA certificate issued.
func Sign(ctx context.Context, a *authority.Authority, csr *x509.CertificateRequest, notAfter authority.When) (*authority.Certificate, error) {
	return a.Issue(ctx, SignRequest(csr, notAfter))
}

// Request makes a certificate request for a key.
func Request(ctx context.Context, subject pkix.Name, s kms.Signer) (*x509.CertificateRequest, error) {
	algorithm, _, err := kms.SignatureAlgorithm(s.Public())
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: subject, SignatureAlgorithm: algorithm}, kms.ToCrypto(ctx, s))
	if err != nil {
		return nil, fmt.Errorf("ceremony: %w", err)
	}
	return x509.ParseCertificateRequest(der)
}
