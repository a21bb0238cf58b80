package stepconfig

import (
	"context"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/inventory"
)

// addInventory opens the inventory that chancery.json names. Whoever runs the authority also runs it
// (inventory.File.Run), or changes to the file are not seen until the next start.
func (f *File) addInventory(ctx context.Context, c *authority.Config, o Options, all *faults) {
	name, _ := f.inventory.value.(string)
	i, err := inventory.OpenFile(ctx, f.resolve(name), &inventory.FileOptions{Interval: time.Second, OnError: func(err error) {
		if o.Logger != nil {
			o.Logger.ErrorContext(ctx, "inventory rejected, the one before stays", "error", err)
		}
	}})
	if err != nil {
		all.wrap(f.inventory, err)
		return
	}
	c.Inventory, c.Offboard = i, f.offboard
}
