package x509lint_test

import (
	"fmt"

	"github.com/chancery-ca/chancery/internal/x509lint"
)

func Example() {
	fmt.Println(x509lint.DNSName("db.example.com", false))
	fmt.Println(x509lint.DNSName("db.example.com.", false))
	fmt.Println(x509lint.Email("Joe <joe@example.com>"))
	// Output:
	// <nil>
	// x509lint: DNS name "db.example.com." ends with a dot
	// x509lint: e-mail address "Joe <joe@example.com>" has a local part that is not plain ASCII without quotes
}
