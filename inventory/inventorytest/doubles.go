package inventorytest

import (
	"context"
	"errors"

	"github.com/chancery-ca/chancery/inventory"
)

// ErrUnavailable is what Failing fails with.
var ErrUnavailable = errors.New("inventorytest: inventory is unavailable")

// Failing is an inventory that cannot answer: with Err, or ErrUnavailable if that is nil.
type Failing struct{ Err error }

// Lookup fails.
func (f Failing) Lookup(ctx context.Context, _ inventory.Query) (*inventory.Entity, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if f.Err != nil {
		return nil, f.Err
	}
	return nil, ErrUnavailable
}
