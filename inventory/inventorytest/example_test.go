package inventorytest_test

import (
	"context"
	"fmt"

	"github.com/chancery-ca/chancery/inventory"
	"github.com/chancery-ca/chancery/inventory/inventorytest"
)

func ExampleFailing() {
	_, err := inventorytest.Failing{}.Lookup(context.Background(), inventory.Query{})
	fmt.Println(err)
	// Output: inventorytest: inventory is unavailable
}
