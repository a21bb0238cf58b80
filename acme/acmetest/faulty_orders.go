package acmetest

import (
	"context"
	"time"

	"github.com/chancery-ca/chancery/acme"
)

// NewOrder calls On with "NewOrder".
func (f *Faulty) NewOrder(ctx context.Context, p *acme.Pass, n *acme.NewOrder) (*acme.Order, []*acme.Authorization, error) {
	return faulty2(f, "NewOrder", func() (*acme.Order, []*acme.Authorization, error) { return f.Store.NewOrder(ctx, p, n) })
}

// Order calls On with "Order".
func (f *Faulty) Order(ctx context.Context, p *acme.Pass, id string) (*acme.Order, []*acme.Authorization, error) {
	return faulty2(f, "Order", func() (*acme.Order, []*acme.Authorization, error) { return f.Store.Order(ctx, p, id) })
}

// OrderOf calls On with "OrderOf".
func (f *Faulty) OrderOf(ctx context.Context, provisioner, serial string) (*acme.Order, error) {
	return faulty(f, "OrderOf", func() (*acme.Order, error) { return f.Store.OrderOf(ctx, provisioner, serial) })
}

// Orders calls On with "Orders".
func (f *Faulty) Orders(ctx context.Context, p *acme.Pass, account string, now time.Time, cursor string, limit int) ([]string, string, error) {
	return faulty2(f, "Orders", func() ([]string, string, error) { return f.Store.Orders(ctx, p, account, now, cursor, limit) })
}

// UpdateOrder calls On with "UpdateOrder".
func (f *Faulty) UpdateOrder(ctx context.Context, p *acme.Pass, o *acme.Order) error {
	return f.on("UpdateOrder", func() error { return f.Store.UpdateOrder(ctx, p, o) })
}

// Authorization calls On with "Authorization".
func (f *Faulty) Authorization(ctx context.Context, p *acme.Pass, id string) (*acme.Authorization, error) {
	return faulty(f, "Authorization", func() (*acme.Authorization, error) { return f.Store.Authorization(ctx, p, id) })
}

// UpdateAuthorization calls On with "UpdateAuthorization".
func (f *Faulty) UpdateAuthorization(ctx context.Context, p *acme.Pass, a *acme.Authorization, tallies ...acme.Tally) error {
	return f.on("UpdateAuthorization", func() error { return f.Store.UpdateAuthorization(ctx, p, a, tallies...) })
}

// Holds calls On with "Holds".
func (f *Faulty) Holds(ctx context.Context, account string, ids []acme.Identifier, now time.Time) (bool, error) {
	return faulty(f, "Holds", func() (bool, error) { return f.Store.Holds(ctx, account, ids, now) })
}

// DueOrders calls On with "DueOrders".
func (f *Faulty) DueOrders(ctx context.Context, provisioner string, now time.Time, limit int) ([]*acme.Order, error) {
	return faulty(f, "DueOrders", func() ([]*acme.Order, error) { return f.Store.DueOrders(ctx, provisioner, now, limit) })
}

// DueAuthorizations calls On with "DueAuthorizations".
func (f *Faulty) DueAuthorizations(ctx context.Context, provisioner string, now time.Time, limit int) ([]*acme.Authorization, error) {
	return faulty(f, "DueAuthorizations", func() ([]*acme.Authorization, error) {
		return f.Store.DueAuthorizations(ctx, provisioner, now, limit)
	})
}
