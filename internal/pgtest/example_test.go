package pgtest_test

import (
	"fmt"
	"testing"

	"github.com/chancery-ca/chancery/internal/pgtest"
)

// A package that tests with PostgreSQL has these two.
func Example() {
	main := func(m *testing.M) int { return pgtest.Run(m) }                      // for TestMain: os.Exit(main(m))
	database := func(t *testing.T) string { return pgtest.Start(t).Database(t) } // for each test

	fmt.Println(main != nil, database != nil)
	// Output: true true
}
