package sqlite

import (
	"context"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/internal/sqlstore"
)

// Prune implements authority.Store. It works in several small transactions; what it returns with an
// error was deleted.
func (s *Store) Prune(ctx context.Context, p authority.Prune) (authority.Pruned, error) {
	total, err := sqlstore.PruneInSlices(p, func(f func(sqlstore.Tx) error) error { return s.do(ctx, f) })
	if err == nil {
		err = s.tidy(ctx, p.Certificates)
	}
	return total, err
}

// tidy rids the journal of what no longer matters, when it has grown. Writers wait for it meanwhile.
func (s *Store) tidy(ctx context.Context, before time.Time) (err error) {
	if failed := s.do(ctx, func(sqlstore.Tx) error {
		if s.ledger.overgrown() {
			err = s.ledger.compact(before) // what becomes of the journal undoes nothing in the transaction
		}
		return nil
	}); failed != nil {
		return failed
	}
	if err != nil {
		return ledgerFault(err)
	}
	return nil
}

// Mark implements authority.Store.
func (s *Store) Mark(ctx context.Context, name string) (time.Time, error) {
	return read(ctx, s, func(tx sqlstore.Tx) (time.Time, error) { return sqlstore.Mark(tx, name) })
}

// SetMark implements authority.Store.
func (s *Store) SetMark(ctx context.Context, name string, at time.Time) error {
	return s.do(ctx, func(tx sqlstore.Tx) error { return sqlstore.SetMark(tx, name, at) })
}
