package main

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func Example() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// with a certificate: hello, client.localhost
	// without one: not let in
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
