package sqlite

import (
	"context"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/internal/sqlstore"
)

// Post implements authority.Store.
func (s *Store) Post(ctx context.Context, posts []authority.Post) error {
	f, err := sqlstore.Post(posts)
	if err != nil {
		return err
	}
	return s.do(ctx, f)
}

// Outbox implements authority.Store. That of a restored database is not read: what is in it was delivered,
// most likely, and nobody could write down that it is again.
func (s *Store) Outbox(ctx context.Context, sink string, after int64, limit int) ([]authority.Posted, error) {
	if s.over != nil && !s.readOnly {
		return nil, s.refuse()
	}
	return read(ctx, s, func(tx sqlstore.Tx) ([]authority.Posted, error) { return sqlstore.Outbox(tx, sink, after, limit) })
}

// Delivered implements authority.Store.
func (s *Store) Delivered(ctx context.Context, sink string, seqs []int64) error {
	return s.do(ctx, func(tx sqlstore.Tx) error { return sqlstore.Delivered(tx, sink, seqs) })
}

// Bury implements authority.Store.
func (s *Store) Bury(ctx context.Context, sink string, seq int64, reason string, at time.Time) error {
	return s.do(ctx, func(tx sqlstore.Tx) error { return sqlstore.Bury(tx, sink, seq, reason, at) })
}

// Buried implements authority.Store.
func (s *Store) Buried(ctx context.Context, sink string, after int64, limit int) ([]authority.DeadLetter, error) {
	return read(ctx, s, func(tx sqlstore.Tx) ([]authority.DeadLetter, error) { return sqlstore.Buried(tx, sink, after, limit) })
}

// Backlog implements authority.Store.
func (s *Store) Backlog(ctx context.Context, sink string) (authority.Backlog, error) {
	return read(ctx, s, func(tx sqlstore.Tx) (authority.Backlog, error) { return sqlstore.BacklogOf(tx, sink) })
}

// Replay implements authority.Store.
func (s *Store) Replay(ctx context.Context, sink string, seqs []int64) error {
	return s.do(ctx, func(tx sqlstore.Tx) error { return sqlstore.Replay(tx, sink, seqs) })
}
