package main

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/postgres"
	"github.com/chancery-ca/chancery/provisioner"
)

// counts are how often the stores were called, and how often something was sent to the database.
type counts struct{ calls, trips atomic.Int64 }

// countedStore counts the calls that a certificate takes.
type countedStore struct {
	authority.Store
	n *counts
}

func (s countedStore) Unwrap() authority.Store { return s.Store }

func (s countedStore) Reserve(ctx context.Context, r *authority.Record, spend provisioner.Spend) error {
	s.n.calls.Add(1)
	return s.Store.Reserve(ctx, r, spend)
}

func (s countedStore) Commit(ctx context.Context, n authority.Serial, der []byte, at time.Time, posts []authority.Post) error {
	s.n.calls.Add(1)
	return s.Store.Commit(ctx, n, der, at, posts)
}

func (s countedStore) Certificate(ctx context.Context, n authority.Serial) (*authority.Record, error) {
	s.n.calls.Add(1)
	return s.Store.Certificate(ctx, n)
}

// countedACME counts the calls that an order takes.
type countedACME struct {
	acme.Store
	n *counts
}

func (s countedACME) Spend(ctx context.Context, p *acme.Pass) error {
	s.n.calls.Add(1)
	return s.Store.Spend(ctx, p)
}

func (s countedACME) Count(ctx context.Context, tallies ...acme.Tally) error {
	s.n.calls.Add(1)
	return s.Store.Count(ctx, tallies...)
}

func (s countedACME) Full(ctx context.Context, tallies ...acme.Tally) error {
	s.n.calls.Add(1)
	return s.Store.Full(ctx, tallies...)
}

func (s countedACME) Account(ctx context.Context, id string) (*acme.Account, error) {
	s.n.calls.Add(1)
	return s.Store.Account(ctx, id)
}

func (s countedACME) NewOrder(ctx context.Context, p *acme.Pass, n *acme.NewOrder) (*acme.Order, []*acme.Authorization, error) {
	s.n.calls.Add(1)
	return s.Store.NewOrder(ctx, p, n)
}

func (s countedACME) Order(ctx context.Context, p *acme.Pass, id string) (*acme.Order, []*acme.Authorization, error) {
	s.n.calls.Add(1)
	return s.Store.Order(ctx, p, id)
}

func (s countedACME) OrderOf(ctx context.Context, provisioner, serial string) (*acme.Order, error) {
	s.n.calls.Add(1)
	return s.Store.OrderOf(ctx, provisioner, serial)
}

func (s countedACME) UpdateOrder(ctx context.Context, p *acme.Pass, o *acme.Order) error {
	s.n.calls.Add(1)
	return s.Store.UpdateOrder(ctx, p, o)
}

func (s countedACME) Authorization(ctx context.Context, p *acme.Pass, id string) (*acme.Authorization, error) {
	s.n.calls.Add(1)
	return s.Store.Authorization(ctx, p, id)
}

func (s countedACME) UpdateAuthorization(ctx context.Context, p *acme.Pass, a *acme.Authorization, tallies ...acme.Tally) error {
	s.n.calls.Add(1)
	return s.Store.UpdateAuthorization(ctx, p, a, tallies...)
}

// openCounted opens PostgreSQL over connections that count what is sent.
func openCounted(ctx context.Context, url string, n *counts) (*postgres.Store, error) {
	c, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	for k, v := range postgres.Settings() {
		c.ConnConfig.RuntimeParams[k] = v
	}
	c.MaxConns = 16
	dial := c.ConnConfig.DialFunc
	c.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return sends{conn, n}, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	return postgres.New(ctx, pool, nil)
}

type sends struct {
	net.Conn
	n *counts
}

func (c sends) Write(b []byte) (int, error) {
	c.n.trips.Add(1)
	return c.Conn.Write(b)
}
