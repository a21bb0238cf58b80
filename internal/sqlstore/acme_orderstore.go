package sqlstore

import (
	"context"
	"time"

	"github.com/chancery-ca/chancery/acme"
)

// resting is an order and what it rests on.
type resting struct {
	order *acme.Order
	auths []*acme.Authorization
}

// NewOrder implements acme.Store.
func (s *ACME) NewOrder(ctx context.Context, p *acme.Pass, n *acme.NewOrder) (*acme.Order, []*acme.Authorization, error) {
	c, err := newNewOrder(n)
	if err != nil {
		return nil, nil, err
	}
	r, err := wrote(ctx, s, func(tx Tx) (r resting, err error) {
		r.order, r.auths, err = c.apply(tx, p)
		return r, err
	})
	return r.order, r.auths, err
}

// Order implements acme.Store.
func (s *ACME) Order(ctx context.Context, p *acme.Pass, id string) (*acme.Order, []*acme.Authorization, error) {
	r, err := through(ctx, s, p, func(tx Tx) (r resting, err error) {
		r.order, r.auths, err = loadOrder(tx, p, id)
		return r, err
	})
	return r.order, r.auths, err
}

// OrderOf implements acme.Store.
func (s *ACME) OrderOf(ctx context.Context, provisioner, serial string) (*acme.Order, error) {
	return ran(ctx, s.Read, func(tx Tx) (*acme.Order, error) { return orderOf(tx, provisioner, serial) })
}

// Orders implements acme.Store.
func (s *ACME) Orders(ctx context.Context, p *acme.Pass, account string, now time.Time, cursor string, limit int) ([]string, string, error) {
	type page struct {
		ids  []string
		next string
	}
	out, err := through(ctx, s, p, func(tx Tx) (out page, err error) {
		out.ids, out.next, err = listOrders(tx, p, account, now, cursor, limit)
		return out, err
	})
	return out.ids, out.next, err
}

// UpdateOrder implements acme.Store.
func (s *ACME) UpdateOrder(ctx context.Context, p *acme.Pass, o *acme.Order) error {
	c, err := newOrderChange(o)
	if err != nil {
		return err
	}
	if err := s.Write(ctx, func(tx Tx) error { return c.apply(tx, p) }); err != nil {
		return err
	}
	o.Version = c.next
	return nil
}

// Authorization implements acme.Store.
func (s *ACME) Authorization(ctx context.Context, p *acme.Pass, id string) (*acme.Authorization, error) {
	return through(ctx, s, p, func(tx Tx) (*acme.Authorization, error) { return loadAuthz(tx, p, id) })
}

// UpdateAuthorization implements acme.Store.
func (s *ACME) UpdateAuthorization(ctx context.Context, p *acme.Pass, a *acme.Authorization, all ...acme.Tally) error {
	c, err := newAuthzChange(a, all)
	if err != nil {
		return err
	}
	if err := s.Write(ctx, func(tx Tx) error { return c.apply(tx, p) }); err != nil {
		return err
	}
	a.Version = c.next
	return nil
}

// Holds implements acme.Store.
func (s *ACME) Holds(ctx context.Context, account string, ids []acme.Identifier, now time.Time) (bool, error) {
	return ran(ctx, s.Read, func(tx Tx) (bool, error) { return holds(tx, account, ids, now) })
}

// DueOrders implements acme.Store.
func (s *ACME) DueOrders(ctx context.Context, provisioner string, now time.Time, limit int) ([]*acme.Order, error) {
	return ran(ctx, s.Read, func(tx Tx) ([]*acme.Order, error) { return dueOrders(tx, provisioner, now, limit) })
}

// DueAuthorizations implements acme.Store.
func (s *ACME) DueAuthorizations(ctx context.Context, provisioner string, now time.Time, limit int) ([]*acme.Authorization, error) {
	return ran(ctx, s.Read, func(tx Tx) ([]*acme.Authorization, error) { return dueAuthzs(tx, provisioner, now, limit) })
}
