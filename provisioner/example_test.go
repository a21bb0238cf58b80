package provisioner_test

import (
	"context"
	"fmt"
	"time"

	"github.com/chancery-ca/chancery/provisioner"
)

// A provisioner of one's own is a function: this one lets the program itself have one name.
func ExampleFunc() {
	p := provisioner.Func("self", func(_ context.Context, r *provisioner.Request) (*provisioner.Grant, error) {
		if r.Operation != provisioner.X509Sign || !r.Local {
			return nil, provisioner.Refuse(provisioner.NotAllowed, "operation", "only signing, and only from here")
		}
		return &provisioner.Grant{
			Subject:  "db.internal",
			Names:    provisioner.ParseNames([]string{"db.internal", "192.0.2.7"}),
			Validity: provisioner.Validity{Max: time.Hour},
		}, nil
	})
	g, err := p.Authorize(context.Background(), &provisioner.Request{Operation: provisioner.X509Sign, Local: true})
	fmt.Println(g.Names.Strings(), g.Validity.Max, err)
	_, err = p.Authorize(context.Background(), &provisioner.Request{Operation: provisioner.X509Revoke, Local: true})
	fmt.Println(err)
	// Output:
	// [db.internal 192.0.2.7] 1h0m0s <nil>
	// provisioner: not allowed: only signing, and only from here
}
