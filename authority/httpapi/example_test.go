package httpapi_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/httpapi"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
)

func Example() {
	ca, err := authority.New(throwaway())
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/ca/", http.StripPrefix("/ca", httpapi.New(ca, &httpapi.Options{Version: "1.2.3"})))

	for _, path := range []string{"/ca/health", "/ca/1.0/version", "/ca/provisioners", "/ca/admin/admins"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 200 {"status":"ok"}
	// 200 {"version":"1.2.3"}
	// 200 {"provisioners":[],"nextCursor":""}
	// 404 404 page not found
}

func ExampleRoutes() {
	for _, r := range httpapi.Routes() {
		if r.Operation == provisioner.X509Renew {
			fmt.Println(r.Method, r.Path, "wants", r.Auth)
		}
	}
	// Output:
	// POST /renew wants token or certificate
	// POST /re-sign wants token or certificate
	// POST /1.0/renew wants token or certificate
	// POST /1.0/re-sign wants token or certificate
}

// throwaway configures an authority with one self-signed issuer, which serves its own process.
func throwaway() authority.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Throwaway"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		log.Fatal(err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		log.Fatal(err)
	}
	return authority.Config{
		Roots:        []*x509.Certificate{root},
		Issuers:      []authority.Issuer{{Name: "root", Chain: []*x509.Certificate{root}, Signer: kms.FromCrypto(key)}},
		Provisioners: []provisioner.Provisioner{&provisioner.Local{ID: "here", AnyName: true}},
		Store:        authority.NewMemory(),
	}
}
