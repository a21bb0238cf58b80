package acme_test

import (
	"fmt"

	"github.com/chancery-ca/chancery/acme"
)

func ExampleParseIdentifier() {
	id, err := acme.ParseIdentifier(acme.DNS, "*.Internal.Example")
	fmt.Println(id, id.Wildcard(), id.Base(), err)
	_, err = acme.ParseIdentifier(acme.DNS, "10.0.0.1")
	fmt.Println(err)
	// Output:
	// dns:*.internal.example true dns:internal.example <nil>
	// acme: malformed: dns identifier: it is not a name but an address
}
