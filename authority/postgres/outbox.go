package postgres

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
	return s.write(ctx, f)
}

// Outbox implements authority.Store. An event appears when every transaction of the cluster that has a
// lower id has ended.
func (s *Store) Outbox(ctx context.Context, sink string, after int64, limit int) ([]authority.Posted, error) {
	return ask(ctx, s, func(t sqlstore.Tx) ([]authority.Posted, error) { return sqlstore.Outbox(t, sink, after, limit) })
}

// Delivered implements authority.Store.
func (s *Store) Delivered(ctx context.Context, sink string, seqs []int64) error {
	return s.write(ctx, func(t sqlstore.Tx) error { return sqlstore.Delivered(t, sink, seqs) })
}

// Bury implements authority.Store.
func (s *Store) Bury(ctx context.Context, sink string, seq int64, reason string, at time.Time) error {
	return s.write(ctx, func(t sqlstore.Tx) error { return sqlstore.Bury(t, sink, seq, reason, at) })
}

// Buried implements authority.Store.
func (s *Store) Buried(ctx context.Context, sink string, after int64, limit int) ([]authority.DeadLetter, error) {
	return ask(ctx, s, func(t sqlstore.Tx) ([]authority.DeadLetter, error) { return sqlstore.Buried(t, sink, after, limit) })
}

// Backlog implements authority.Store. It sees what Outbox does not return yet.
func (s *Store) Backlog(ctx context.Context, sink string) (authority.Backlog, error) {
	return ask(ctx, s, func(t sqlstore.Tx) (authority.Backlog, error) { return sqlstore.BacklogOf(t, sink) })
}

// Replay implements authority.Store.
func (s *Store) Replay(ctx context.Context, sink string, seqs []int64) error {
	return s.write(ctx, func(t sqlstore.Tx) error { return sqlstore.Replay(t, sink, seqs) })
}
