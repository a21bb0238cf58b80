package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/sqlite"
)

func Example() {
	dir, err := os.MkdirTemp("", "ca")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	store, err := sqlite.Open(context.Background(), filepath.Join(dir, "ca.db"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()

	_, err = store.Certificate(context.Background(), "1f")
	fmt.Println(errors.Is(err, authority.ErrNotFound))
	_, err = sqlite.Open(context.Background(), filepath.Join(dir, "ca.db"), nil)
	fmt.Println(errors.Is(err, authority.ErrLocked))
	// Output:
	// true
	// true
}
