package storetest

import (
	"context"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

// Faulty is a store that fails on demand. On is called in place of every method, with the method's name
// and what does its work. It may fail before (return an error without calling apply), fail after taking
// effect (call apply, and return another error), wait, or count. A nil On lets everything pass. When On
// returns an error, so does the method, without a result; a lease that was taken all the same stays taken.
//
// Set On before the store is used by others.
type Faulty struct {
	authority.Store
	On func(op string, apply func() error) error
}

// Unwrap returns the store behind.
func (f *Faulty) Unwrap() authority.Store { return f.Store }

func (f *Faulty) on(op string, apply func() error) error {
	if f.On == nil {
		return apply()
	}
	return f.On(op, apply)
}

func faulty[T any](f *Faulty, op string, call func() (T, error)) (T, error) {
	var out, zero T
	err := f.on(op, func() (err error) {
		out, err = call()
		return err
	})
	if err != nil {
		return zero, err
	}
	return out, nil
}

// Reserve calls On with "Reserve".
func (f *Faulty) Reserve(ctx context.Context, r *authority.Record, spend provisioner.Spend) error {
	return f.on("Reserve", func() error { return f.Store.Reserve(ctx, r, spend) })
}

// Commit calls On with "Commit".
func (f *Faulty) Commit(ctx context.Context, s authority.Serial, der []byte, at time.Time, posts []authority.Post) error {
	return f.on("Commit", func() error { return f.Store.Commit(ctx, s, der, at, posts) })
}

// Abandon calls On with "Abandon".
func (f *Faulty) Abandon(ctx context.Context, s authority.Serial, release bool, at time.Time, posts []authority.Post) error {
	return f.on("Abandon", func() error { return f.Store.Abandon(ctx, s, release, at, posts) })
}

// Reconcile calls On with "Reconcile".
func (f *Faulty) Reconcile(ctx context.Context, before, at time.Time, limit int, posts func(*authority.Record) []authority.Post) ([]*authority.Record, error) {
	return faulty(f, "Reconcile", func() ([]*authority.Record, error) { return f.Store.Reconcile(ctx, before, at, limit, posts) })
}

// Certificate calls On with "Certificate".
func (f *Faulty) Certificate(ctx context.Context, s authority.Serial) (*authority.Record, error) {
	return faulty(f, "Certificate", func() (*authority.Record, error) { return f.Store.Certificate(ctx, s) })
}

// List calls On with "List".
func (f *Faulty) List(ctx context.Context, q authority.Query) (*authority.Page, error) {
	return faulty(f, "List", func() (*authority.Page, error) { return f.Store.List(ctx, q) })
}

// Ending calls On with "Ending".
func (f *Faulty) Ending(ctx context.Context, from, until time.Time, cursor string, limit int) (*authority.Page, error) {
	return faulty(f, "Ending", func() (*authority.Page, error) { return f.Store.Ending(ctx, from, until, cursor, limit) })
}
