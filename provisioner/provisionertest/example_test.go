package provisionertest_test

import (
	"fmt"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/provisionertest"
)

func ExampleAudiences() {
	fmt.Println(provisionertest.Audiences(provisioner.X509Sign))
	// Output: [https://ca.example.com:9000/1.0/sign https://ca.example.com:9000/sign]
}
