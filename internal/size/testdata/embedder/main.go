// Command embedder is the least that is a certificate authority over HTTPS: an authority, one JWK
// provisioner, a store and a key in memory, and the HTTP API. It is built to be weighed, not to be run.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log"
	"math/big"
	"net/http"
	"os"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/httpapi"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/jwk"
	"github.com/go-jose/go-jose/v4"
)

func main() {
	ca, root, key, err := build()
	if err != nil {
		log.Fatal(err)
	}
	go func() { log.Print(ca.Run(context.Background())) }()
	server := &http.Server{
		Addr:              "127.0.0.1:0",
		Handler:           httpapi.New(ca, nil),
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{{Certificate: [][]byte{root.Raw}, PrivateKey: key}},
			ClientAuth:   tls.RequestClientCert,
		},
	}
	log.Fatal(server.ListenAndServeTLS("", ""))
}

func build() (*authority.Authority, *x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Embedder"},
		NotBefore: time.Now(), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, nil, err
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, nil, err
	}
	var public jose.JSONWebKey
	if err := public.UnmarshalJSON([]byte(os.Getenv("PROVISIONER_JWK"))); err != nil {
		return nil, nil, nil, err
	}
	p, err := jwk.New(jwk.Config{Name: "admin", Keys: []jwk.Key{{JWK: public}}})
	if err != nil {
		return nil, nil, nil, err
	}
	ca, err := authority.New(authority.Config{
		URLs:         []string{"https://127.0.0.1"},
		Roots:        []*x509.Certificate{root},
		Issuers:      []authority.Issuer{{Name: "root", Chain: []*x509.Certificate{root}, Signer: kms.FromCrypto(key)}},
		Provisioners: []provisioner.Provisioner{p},
		Store:        authority.NewMemory(),
	})
	return ca, root, key, err
}
