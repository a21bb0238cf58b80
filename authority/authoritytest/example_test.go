package authoritytest_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/kms"
)

// A server that wants to know who is there, and three who knock.
func Example() {
	ca := authoritytest.New(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(hello))
	server.TLS = ca.ServerTLS("127.0.0.1")
	server.TLS.ClientAuth = tls.RequireAndVerifyClientCert
	server.StartTLS()
	defer server.Close()

	for _, certificate := range []*tls.Certificate{
		ca.Leaf("alice@example.com"), ca.Expired("alice@example.com"), ca.Stranger("alice@example.com"),
	} {
		client := ca.ClientTLS()
		client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
		fmt.Println(get(server, client))
	}
	ca.Check() // its books are in order
	// Output:
	// hello, alice@example.com
	// not let in
	// not let in
}

// The API of the CA without a socket, for a program that renews its certificate.
func ExampleCA_HTTP() {
	ca := authoritytest.New(t)
	for _, client := range []*tls.Certificate{ca.Leaf("db.internal"), ca.Revoked("db.internal")} {
		res, err := ca.HTTP(client).Post(authoritytest.URL+"/renew", "", nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		res.Body.Close()
		fmt.Println(res.Status)
	}
	// Output:
	// 201 Created
	// 401 Unauthorized
}

// A store that answers nothing once: the request fails, can be made again with the same token, and the
// books are in order afterwards.
func ExampleFaults() {
	ca := authoritytest.New(t)
	key, err := kms.Generate(kms.ECDSAP256)
	if err != nil {
		fmt.Println(err)
		return
	}
	r := &authority.Request{Token: ca.Token("db.internal"), CSR: ca.CSR(key, "db.internal")}

	ca.Faults.Fail(authoritytest.Reserve, 1)
	_, err = ca.Try(r)
	fmt.Println(errors.Is(err, authority.Unavailable))
	fmt.Println(ca.Issue(r).Leaf.DNSNames)
	ca.Check()
	// Output:
	// true
	// [db.internal]
}

// t stands for the test's own in the examples.
var t testing.TB = inExample{}

type inExample struct{ testing.TB }

func (inExample) Helper()                        {}
func (inExample) Context() context.Context       { return context.Background() }
func (inExample) Errorf(format string, v ...any) { fmt.Printf(format+"\n", v...) }
func (inExample) Fatalf(format string, v ...any) { log.Fatalf(format, v...) }

func hello(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "hello, %s", r.TLS.PeerCertificates[0].EmailAddresses[0])
}

// get returns what a server says to a client. When it learns of its refusal is a matter of TLS's version
// and of luck, so it is told only that.
func get(s *httptest.Server, c *tls.Config) string {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: true}}
	res, err := client.Get(s.URL)
	if err != nil {
		return "not let in"
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
