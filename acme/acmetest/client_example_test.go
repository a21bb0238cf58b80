package acmetest_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"testing"

	xacme "golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/chancery-ca/chancery/acme/acmetest"
)

// A server that gets its certificates by autocert. There are no sockets: the CA asks the manager's own TLS configuration
// for the answer to tls-alpn-01. With ca.Trouble things begin to go wrong, and in a testing/synctest bubble the waiting for
// better times takes none.
func ExampleNew() {
	var t testing.TB = &inExample{} // the test's own
	ca := acmetest.New(t)
	m := &autocert.Manager{
		Prompt: autocert.AcceptTOS, HostPolicy: autocert.HostWhitelist("shop.internal"),
		Client: &xacme.Client{DirectoryURL: ca.DirectoryURL, HTTPClient: ca.Client()},
	}
	ca.World.TLS("shop.internal", m.TLSConfig())
	certificate, err := m.GetCertificate(&tls.ClientHelloInfo{ServerName: "shop.internal"})
	if err != nil {
		t.Fatalf("%v", err)
	}
	fmt.Println(certificate.Leaf.DNSNames, certificate.Leaf.Issuer.CommonName)
	t.(*inExample).end()
	// Output: [shop.internal] Test Intermediate CA
}

// inExample stands for a test in the example.
type inExample struct{ passing }

func (*inExample) Helper()                        {}
func (*inExample) Context() context.Context       { return context.Background() }
func (*inExample) Fatalf(format string, v ...any) { log.Fatalf(format, v...) }
