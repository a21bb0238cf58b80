package storetest_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/storetest"
)

func ExampleFaulty() {
	store := &storetest.Faulty{Store: authority.NewMemory()}
	store.On = func(op string, apply func() error) error { // fails after taking effect
		return errors.Join(apply(), authority.ErrUnavailable)
	}
	r := storetest.Record(1)
	fmt.Println(store.Reserve(context.Background(), r, storetest.Spend("token")))
	got, err := store.Unwrap().Certificate(context.Background(), r.Serial)
	fmt.Println(got.Status, err)
	// Output:
	// authority: store is unavailable
	// reserved <nil>
}
