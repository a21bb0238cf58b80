package sqlstore

import (
	"context"
	"time"

	"github.com/chancery-ca/chancery/acme"
)

var _ acme.Store = (*ACME)(nil)

// ACME is the acme.Store of a database.
type ACME struct {
	// Write runs f, again after failures that go away, and returns when what it did is committed. f runs one script,
	// and after it at most some that say what came of it, or one more.
	Write func(ctx context.Context, f func(Tx) error) error

	Read func(ctx context.Context, f func(Tx) error) error // runs f on a connection that only reads
}

func wrote[T any](ctx context.Context, s *ACME, f func(Tx) (T, error)) (out T, err error) {
	return ran(ctx, s.Write, f)
}

// through runs f to read, and writes for that only if there is a pass.
func through[T any](ctx context.Context, s *ACME, p *acme.Pass, f func(Tx) (T, error)) (out T, err error) {
	if p != nil {
		return ran(ctx, s.Write, f)
	}
	return ran(ctx, s.Read, f)
}

func ran[T any](ctx context.Context, run func(context.Context, func(Tx) error) error, f func(Tx) (T, error)) (out T, err error) {
	err = run(ctx, func(tx Tx) (err error) {
		out, err = f(tx)
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return out, nil
}

// Spend implements acme.Store.
func (s *ACME) Spend(ctx context.Context, p *acme.Pass) error {
	if p == nil {
		return ctx.Err()
	}
	return s.Write(ctx, func(tx Tx) error { return newGate(p).run(tx) })
}

// Count implements acme.Store.
func (s *ACME) Count(ctx context.Context, all ...acme.Tally) error {
	t := newTallies(all)
	return s.Write(ctx, func(tx Tx) error { return countAll(tx, t) })
}

// Full implements acme.Store.
func (s *ACME) Full(ctx context.Context, all ...acme.Tally) error {
	t := newTallies(all)
	return s.Read(ctx, t.first)
}

// Secret implements acme.Store.
func (s *ACME) Secret(ctx context.Context, name string, fresh []byte) ([]byte, error) {
	kept, err := ran(ctx, s.Read, func(tx Tx) (out []byte, err error) {
		err = tx.Run([]*Step{secret(&out, name)})
		return out, err
	})
	if err != nil || kept != nil {
		return kept, err
	}
	return wrote(ctx, s, func(tx Tx) ([]byte, error) { return putSecret(tx, name, fresh) })
}

// Prune implements acme.Store.
func (s *ACME) Prune(ctx context.Context, now time.Time, limit int) (n int, more bool, err error) {
	return pruneInSlices(now, limit, func(f func(Tx) error) error { return s.Write(ctx, f) })
}

// Account implements acme.Store.
func (s *ACME) Account(ctx context.Context, id string) (*acme.Account, error) {
	return ran(ctx, s.Read, func(tx Tx) (*acme.Account, error) { return loadAccount(tx, selectAccount, id) })
}

// AccountByKey implements acme.Store.
func (s *ACME) AccountByKey(ctx context.Context, provisioner, thumbprint string) (*acme.Account, error) {
	return ran(ctx, s.Read, func(tx Tx) (*acme.Account, error) {
		return loadAccount(tx, selectAccountByKey, provisioner, thumbprint)
	})
}

// NewAccount implements acme.Store.
func (s *ACME) NewAccount(ctx context.Context, p *acme.Pass, a *acme.Account, all ...acme.Tally) error {
	c, err := newNewAccount(a, all)
	if err != nil {
		return err
	}
	if err := s.Write(ctx, func(tx Tx) error { return c.apply(tx, p) }); err != nil {
		return err
	}
	a.Version = c.version
	return nil
}

// UpdateAccount implements acme.Store.
func (s *ACME) UpdateAccount(ctx context.Context, p *acme.Pass, a *acme.Account) error {
	c, err := newAccountChange(a)
	if err != nil {
		return err
	}
	if err := s.Write(ctx, func(tx Tx) error { return c.apply(tx, p) }); err != nil {
		return err
	}
	a.Version = c.next
	return nil
}

// PutExternalKey implements acme.Store.
func (s *ACME) PutExternalKey(ctx context.Context, k *acme.ExternalKey) error {
	c, err := newKeyChange(k)
	if err != nil {
		return err
	}
	if err := s.Write(ctx, c.apply); err != nil {
		return err
	}
	k.Version = c.next
	return nil
}

// ExternalKey implements acme.Store.
func (s *ACME) ExternalKey(ctx context.Context, provisioner, id string) (*acme.ExternalKey, error) {
	return ran(ctx, s.Read, func(tx Tx) (*acme.ExternalKey, error) {
		all, err := someExternalKeys(tx, selectExternalKey, provisioner, id)
		if err == nil && len(all) == 0 {
			err = acme.ErrNotFound
		}
		if err != nil {
			return nil, err
		}
		return all[0], nil
	})
}

// ExternalKeys implements acme.Store.
func (s *ACME) ExternalKeys(ctx context.Context, provisioner, after string, limit int) ([]*acme.ExternalKey, error) {
	return ran(ctx, s.Read, func(tx Tx) ([]*acme.ExternalKey, error) {
		return someExternalKeys(tx, selectExternalKeys, provisioner, after, int64(Limit(limit)))
	})
}
