package crl_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/crl"
)

func Example() {
	ca := exampleAuthority(crl.Pointers("http://crl.example", "web", 0, false))
	pub, err := crl.New(ca, crl.Options{})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/crl", pub.Handler())
	mux.Handle("/crl/", pub.Handler())
	// A program has pub.Run(ctx) beside its servers; here, once is enough.
	if err := pub.Publish(context.Background()); err != nil {
		panic(err)
	}

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/crl/web.crl", nil))
	list, err := x509.ParseRevocationList(w.Body.Bytes())
	if err != nil {
		panic(err)
	}
	fmt.Println(w.Code, w.Header().Get("Content-Type"), list.NextUpdate.Sub(list.ThisUpdate), len(list.RevokedCertificateEntries))
	// Output: 200 application/pkix-crl 24h0m0s 0
}

func ExamplePointers() {
	p := crl.Pointers("http://crl.example/pki", "web", 16, true)
	fmt.Println(authority.Expand(p.CRLDistributionPoints, 3))
	fmt.Println(authority.Expand(p.FreshestCRL, 3))
	// Output:
	// [http://crl.example/pki/crl/web/3.crl]
	// [http://crl.example/pki/crl/web/3/delta.crl]
}

// exampleAuthority is an authority with one issuer, called "web".
func exampleAuthority(p authority.Pointers) *authority.Authority {
	l := newLab(exampleTB{}, func(c *authority.Config) {
		c.Issuers = c.Issuers[:1]
		c.Issuers[0].Name, c.Issuers[0].Pointers, c.Profiles, c.Bindings = "web", p, nil, nil
	})
	return l.ca
}

// exampleTB lets an example use what tests use.
type exampleTB struct{ testing.TB }

func (exampleTB) Helper()                   {}
func (exampleTB) Errorf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }
func (exampleTB) FailNow()                  { panic("failed") }
