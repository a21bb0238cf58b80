package softkms_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/kms/softkms"
)

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "ca")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	keys := softkms.New(softkms.Options{
		Password: func(context.Context, string) ([]byte, error) { return []byte("correct horse"), nil },
	})
	name := filepath.Join(dir, "issuing.pem")
	if _, err := keys.CreateKey(ctx, name, kms.ECDSAP256); err != nil {
		fmt.Println(err)
		return
	}
	s, err := keys.Signer(ctx, name)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(kms.SelfTest(ctx, s))

	_, err = softkms.New(softkms.Options{}).Signer(ctx, name)
	fmt.Println(errors.Is(err, kms.ErrPassword))
	// Output:
	// <nil>
	// true
}
