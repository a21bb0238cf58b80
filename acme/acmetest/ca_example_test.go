package acmetest_test

import (
	"fmt"
	"testing"

	"golang.org/x/crypto/acme/autocert"

	xacme "golang.org/x/crypto/acme"

	"github.com/chancery-ca/chancery/acme/acmetest"
)

// A client, here autocert's, is tested without sockets: the CA asks the client's own handler for the challenge's answer.
func ExampleCA() {
	var t testing.TB // the test's own
	testMyClient := func(t testing.TB) {
		ca := acmetest.New(t)
		m := &autocert.Manager{
			Prompt: autocert.AcceptTOS, HostPolicy: autocert.HostWhitelist("shop.internal"),
			Client: &xacme.Client{DirectoryURL: acmetest.DirectoryURL, HTTPClient: ca.Client()},
		}
		ca.World.HTTP("shop.internal", m.HTTPHandler(nil))
		ca.Trouble.BadNonces(2)
	}
	fmt.Println(t == nil, testMyClient != nil)
	// Output: true true
}
