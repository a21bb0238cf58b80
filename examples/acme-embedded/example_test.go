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
	// Output: the shop is open, with a certificate for [shop.internal] by Embedded ACME CA
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
