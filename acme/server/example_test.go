package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/http"
	"net/http/httptest"

	xacme "golang.org/x/crypto/acme"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/server"
	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
)

// validators of the example believe whoever asks.
var validators = []acme.Validator{&told{kind: acme.HTTP01}}

// An ACME CA on somebody's mux.
func Example() {
	key := kms.FromCrypto(must(kms.Generate(kms.ECDSAP256)))
	root := must(authority.SelfSign(context.Background(), authority.Root{Subject: pkix.Name{CommonName: "My Root"}}, key))
	orders := must(server.New(server.Config{Validators: validators})) // nil: http-01, dns-01, tls-alpn-01, asked over the network
	ca := must(authority.New(authority.Config{
		Roots:        []*x509.Certificate{root},
		Issuers:      []authority.Issuer{{Name: "root", Chain: []*x509.Certificate{root}, Signer: key}},
		Provisioners: []provisioner.Provisioner{orders},
		Store:        authority.NewMemory(),
	}))
	mux := http.NewServeMux()
	mux.Handle("/acme/", http.StripPrefix("/acme", orders.Handler(ca))) // clients begin at /acme/directory
	fmt.Println(obtain(mux, "shop.internal"))                           // yours is http.ListenAndServeTLS(…, mux)
	// Output: certificate for [shop.internal] by My Root
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// obtain serves h for as long as an ordinary ACME client needs to get a certificate.
func obtain(h http.Handler, name string) string {
	s := httptest.NewTLSServer(h)
	defer s.Close()
	ctx, key := context.Background(), must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	c := &xacme.Client{Key: key, HTTPClient: s.Client(), DirectoryURL: s.URL + "/acme/directory"}
	must(c.Register(ctx, &xacme.Account{}, xacme.AcceptTOS))
	o := must(c.AuthorizeOrder(ctx, xacme.DomainIDs(name)))
	must(c.Accept(ctx, must(c.GetAuthorization(ctx, o.AuthzURLs[0])).Challenges[0]))
	o = must(c.WaitOrder(ctx, o.URI))
	leafKey := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	csr := must(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{name}}, leafKey))
	chain, _, err := c.CreateOrderCert(ctx, o.FinalizeURL, csr, true)
	leaf := must(x509.ParseCertificate(must(chain, err)[0]))
	return fmt.Sprintf("certificate for %s by %s", leaf.DNSNames, leaf.Issuer.CommonName)
}
