package inventory

import "context"

// Func makes an Inventory of a function.
type Func func(ctx context.Context, q Query) (*Entity, error)

// Lookup calls f.
func (f Func) Lookup(ctx context.Context, q Query) (*Entity, error) { return f(ctx, q) }
