package postgres

import (
	"context"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/internal/sqlstore"
)

// Prune implements authority.Store. It works in several small transactions; what it returns with an error
// was deleted.
func (s *Store) Prune(ctx context.Context, p authority.Prune) (authority.Pruned, error) {
	return sqlstore.PruneInSlices(p, func(f func(sqlstore.Tx) error) error { return s.write(ctx, f) })
}

// Mark implements authority.Store.
func (s *Store) Mark(ctx context.Context, name string) (time.Time, error) {
	return ask(ctx, s, func(t sqlstore.Tx) (time.Time, error) { return sqlstore.Mark(t, name) })
}

// SetMark implements authority.Store.
func (s *Store) SetMark(ctx context.Context, name string, at time.Time) error {
	return s.write(ctx, func(t sqlstore.Tx) error { return sqlstore.SetMark(t, name, at) })
}
