package challenge_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/challenge"
)

func Example() {
	// In earnest, the resolver is challenge.NewClient with the addresses of servers that validate DNSSEC.
	resolver := &names{addrs: map[string][]netip.Addr{"rebound.example": {netip.MustParseAddr("169.254.169.254")}}}
	v, err := challenge.NewHTTP01(challenge.Config{Resolver: resolver})
	if err != nil {
		fmt.Println(err)
		return
	}
	checked := challenge.WithCAA(v, resolver)
	_, err = checked.Validate(context.Background(), &acme.Validation{
		Identifier: acme.Identifier{Type: acme.DNS, Value: "rebound.example"},
		Token:      "token", KeyAuthorization: "token.thumbprint", Issuers: []string{"ca.example"},
	})
	fmt.Println(err)
	fmt.Println(errors.Is(err, challenge.ErrRefused))
	// Output:
	// acme: connection: rebound.example, port 80: there is no HTTP server that answers in time and in form
	// true
}

func ExampleAddresses_Check() {
	a := challenge.Addresses{Deny: []netip.Prefix{netip.MustParsePrefix("10.66.0.0/16")}}
	for _, s := range []string{"10.0.0.1:80", "10.66.0.1:80", "[64:ff9b::7f00:1]:80"} {
		fmt.Println(s, a.Check(netip.MustParseAddrPort(s)) == nil)
	}
	// Output:
	// 10.0.0.1:80 true
	// 10.66.0.1:80 false
	// [64:ff9b::7f00:1]:80 false
}
