package postgres

import (
	"context"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/internal/sqlstore"
)

// ACME returns the store of ACME servers that is in the same database. It is open as long as s is, and its errors are
// those of s beside its own. What a request of a client does is one round trip.
func (s *Store) ACME() acme.Store {
	return &sqlstore.ACME{Write: s.script, Read: func(ctx context.Context, f func(sqlstore.Tx) error) error {
		return s.read(ctx, func(t *tx) error { return f(t) })
	}}
}
