package acmetest_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/acmetest"
)

func ExampleFaulty() {
	store := &acmetest.Faulty{Store: acme.NewMemory()}
	store.On = func(op string, apply func() error) error { // fails after taking effect
		return errors.Join(apply(), errors.New(op+": no answer"))
	}
	p := acmetest.Pass(nil)
	fmt.Println(store.Spend(context.Background(), p))
	fmt.Println(store.Unwrap().Spend(context.Background(), p))
	// Output:
	// Spend: no answer
	// acme: nonce was used before
}
