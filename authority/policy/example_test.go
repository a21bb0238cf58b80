package policy_test

import (
	"fmt"

	"github.com/chancery-ca/chancery/authority/policy"
)

func Example() {
	p, err := policy.New(policy.Config{
		Allow: policy.Rules{DNS: []string{"**.example.com"}, IP: []string{"10.0.0.0/8"}},
		Deny:  policy.Rules{DNS: []string{"vault.example.com"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Check(policy.Names{CommonName: "db.example.com", DNS: []string{"db.example.com"}}))
	fmt.Println(p.Check(policy.Names{DNS: []string{"vault.example.com"}}))
	fmt.Println(p.Check(policy.Names{DNS: []string{"example.org"}}))
	// Output:
	// <nil>
	// policy: dns name "vault.example.com" is denied by "vault.example.com"
	// policy: dns name "example.org" is not in any allow list
}
