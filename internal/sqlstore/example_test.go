package sqlstore_test

import (
	"fmt"

	"github.com/chancery-ca/chancery/internal/sqlstore"
)

func Example() {
	fmt.Println(&sqlstore.SchemaError{Database: 9, Program: 1})
	// Output: sqlstore: the database has schema version 9, this program knows 1: run a newer one
}
