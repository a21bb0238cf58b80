package inventory_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/chancery-ca/chancery/inventory"
)

func Example() {
	ctx := context.Background()
	hosts, err := inventory.NewMemory(&inventory.Entity{
		ID: "vm-17", Kind: inventory.Host, Active: true, DNS: []string{"billing.internal"},
		Identifiers: []inventory.Identifier{{Kind: "hostname", Value: "vm-17.internal"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	vm, err := hosts.Lookup(ctx, inventory.Query{Identifiers: []inventory.Identifier{{Kind: "hostname", Value: "VM-17.internal"}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(vm.ID, vm.DNS)

	_, err = hosts.Lookup(ctx, inventory.Query{Identifiers: []inventory.Identifier{{Kind: "hostname", Value: "vm-18.internal"}}})
	fmt.Println(errors.Is(err, inventory.ErrNotFound))
	// Output:
	// vm-17 [billing.internal]
	// true
}

func ExampleOpenFile() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "inventory")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "inventory.json")
	if err := os.WriteFile(path, []byte(`{"entities": [
	  {"id": "alice", "kind": "person", "active": true, "groups": ["admins"]},
	  {"id": "bob", "kind": "person", "active": false}
	]}`), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	people, err := inventory.OpenFile(ctx, path, nil) // go people.Run(ctx) would follow its changes
	if err != nil {
		fmt.Println(err)
		return
	}
	page, err := people.List(ctx, inventory.Filter{Group: "admins"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(page.Entities[0].ID)
	// Output: alice
}
