package stepconfig_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/stepconfig"
)

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "ca")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	file, err := stepconfig.Init(ctx, stepconfig.InitOptions{
		Dir: filepath.Join(dir, "ca"), Name: "Example", DNSNames: []string{"ca.example.com"}, Password: []byte("secret"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	store, err := file.OpenStore(ctx, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	config, err := file.Config(ctx, stepconfig.Options{
		Store:    store,
		Password: func(context.Context, string) ([]byte, error) { return []byte("secret"), nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ca, err := authority.New(*config)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ca.Close()
	fmt.Println(ca.Intermediates()[0].Subject, config.URLs)
	// Output: CN=Example Intermediate CA,O=Example [https://ca.example.com https://ca.example.com:9000]
}
