package sqlite

import (
	"context"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/internal/sqlstore"
)

// pruneSlice is how many rows Prune deletes in one transaction, so that issuing never waits for more.
const pruneSlice = 100

// Prune implements authority.Store. It works in several small transactions; what it returns with an
// error was deleted.
func (s *Store) Prune(ctx context.Context, p authority.Prune) (authority.Pruned, error) {
	if p.Now.IsZero() {
		p.Now = time.Now()
	}
	left := p.Limit
	if left <= 0 {
		left = 1000
	}
	var total authority.Pruned
	for {
		slice := p
		slice.Limit = min(left, pruneSlice)
		var n authority.Pruned
		err := s.do(ctx, func(tx sqlstore.Tx) (err error) {
			n, err = sqlstore.Prune(tx, slice)
			return err
		})
		if err != nil {
			return total, err
		}
		left -= n.Spent + n.Certificates + n.Events
		total.Spent, total.Certificates, total.Events = total.Spent+n.Spent, total.Certificates+n.Certificates, total.Events+n.Events
		total.More = n.More
		if left <= 0 || !n.More {
			return total, nil
		}
	}
}

// Mark implements authority.Store.
func (s *Store) Mark(ctx context.Context, name string) (time.Time, error) {
	return read(ctx, s, func(tx sqlstore.Tx) (time.Time, error) { return sqlstore.Mark(tx, name) })
}

// SetMark implements authority.Store.
func (s *Store) SetMark(ctx context.Context, name string, at time.Time) error {
	return s.do(ctx, func(tx sqlstore.Tx) error { return sqlstore.SetMark(tx, name, at) })
}
