package acmetest

import (
	"context"
	"time"

	"github.com/chancery-ca/chancery/acme"
)

// Faulty is a store that fails on demand. On is called in place of every method, with the method's name and what does
// its work. It may fail before (return an error without calling apply), fail after taking effect (call apply, and
// return another error), wait, or count. A nil On lets everything pass. When On returns an error, so does the method,
// without a result.
//
// Set On before the store is used by others.
type Faulty struct {
	acme.Store
	On func(op string, apply func() error) error
}

// Unwrap returns the store behind.
func (f *Faulty) Unwrap() acme.Store { return f.Store }

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

// faulty2 is faulty for what returns two things.
func faulty2[T, U any](f *Faulty, op string, call func() (T, U, error)) (T, U, error) {
	var t, noT T
	var u, noU U
	err := f.on(op, func() (err error) {
		t, u, err = call()
		return err
	})
	if err != nil {
		return noT, noU, err
	}
	return t, u, nil
}

// Spend calls On with "Spend".
func (f *Faulty) Spend(ctx context.Context, p *acme.Pass) error {
	return f.on("Spend", func() error { return f.Store.Spend(ctx, p) })
}

// Count calls On with "Count".
func (f *Faulty) Count(ctx context.Context, tallies ...acme.Tally) error {
	return f.on("Count", func() error { return f.Store.Count(ctx, tallies...) })
}

// Full calls On with "Full".
func (f *Faulty) Full(ctx context.Context, tallies ...acme.Tally) error {
	return f.on("Full", func() error { return f.Store.Full(ctx, tallies...) })
}

// Secret calls On with "Secret".
func (f *Faulty) Secret(ctx context.Context, name string, fresh []byte) ([]byte, error) {
	return faulty(f, "Secret", func() ([]byte, error) { return f.Store.Secret(ctx, name, fresh) })
}

// Prune calls On with "Prune".
func (f *Faulty) Prune(ctx context.Context, now time.Time, limit int) (int, bool, error) {
	return faulty2(f, "Prune", func() (int, bool, error) { return f.Store.Prune(ctx, now, limit) })
}

// Account calls On with "Account".
func (f *Faulty) Account(ctx context.Context, id string) (*acme.Account, error) {
	return faulty(f, "Account", func() (*acme.Account, error) { return f.Store.Account(ctx, id) })
}

// AccountByKey calls On with "AccountByKey".
func (f *Faulty) AccountByKey(ctx context.Context, provisioner, thumbprint string) (*acme.Account, error) {
	return faulty(f, "AccountByKey", func() (*acme.Account, error) { return f.Store.AccountByKey(ctx, provisioner, thumbprint) })
}

// NewAccount calls On with "NewAccount".
func (f *Faulty) NewAccount(ctx context.Context, p *acme.Pass, a *acme.Account, tallies ...acme.Tally) error {
	return f.on("NewAccount", func() error { return f.Store.NewAccount(ctx, p, a, tallies...) })
}

// UpdateAccount calls On with "UpdateAccount".
func (f *Faulty) UpdateAccount(ctx context.Context, p *acme.Pass, a *acme.Account) error {
	return f.on("UpdateAccount", func() error { return f.Store.UpdateAccount(ctx, p, a) })
}

// PutExternalKey calls On with "PutExternalKey".
func (f *Faulty) PutExternalKey(ctx context.Context, k *acme.ExternalKey) error {
	return f.on("PutExternalKey", func() error { return f.Store.PutExternalKey(ctx, k) })
}

// ExternalKey calls On with "ExternalKey".
func (f *Faulty) ExternalKey(ctx context.Context, provisioner, id string) (*acme.ExternalKey, error) {
	return faulty(f, "ExternalKey", func() (*acme.ExternalKey, error) { return f.Store.ExternalKey(ctx, provisioner, id) })
}

// ExternalKeys calls On with "ExternalKeys".
func (f *Faulty) ExternalKeys(ctx context.Context, provisioner, after string, limit int) ([]*acme.ExternalKey, error) {
	return faulty(f, "ExternalKeys", func() ([]*acme.ExternalKey, error) { return f.Store.ExternalKeys(ctx, provisioner, after, limit) })
}
