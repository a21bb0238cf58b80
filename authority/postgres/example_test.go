package postgres_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/postgres"
)

func Example() {
	ctx := context.Background()
	store, err := postgres.Open(ctx, "postgres://ca:secret@127.0.0.1:1/ca", &postgres.Options{Schema: "chancery"})
	if err != nil {
		fmt.Println(errors.Is(err, authority.ErrUnavailable)) // nothing listens there
		return
	}
	defer store.Close()
	// Output: true
}
