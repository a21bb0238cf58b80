package jwk_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"

	"github.com/go-jose/go-jose/v4"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/jwk"
)

func Example() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	private := jose.JSONWebKey{Key: key}
	p, err := jwk.New(jwk.Config{Name: "admin", Keys: []jwk.Key{{JWK: private.Public()}}})
	if err != nil {
		fmt.Println(err)
		return
	}

	// Whoever has the private key says who may have what.
	signer, err := jwk.NewSigner("admin", private)
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := signer.Sign(provisioner.Ticket{
		Audience: "https://ca.internal/1.0/sign", Subject: "db.internal", SANs: []string{"db.internal", "192.0.2.7"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	g, err := p.Authorize(context.Background(), &provisioner.Request{
		Operation: provisioner.X509Sign, Token: token, CSR: new(x509.CertificateRequest),
		Audiences: []string{"https://ca.internal/1.0/sign", "https://ca.internal/sign"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(g.Subject, g.Names.Strings())
	// Output: db.internal [db.internal 192.0.2.7]
}
