package storetest

import (
	"context"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// Post calls On with "Post".
func (f *Faulty) Post(ctx context.Context, posts []authority.Post) error {
	return f.on("Post", func() error { return f.Store.Post(ctx, posts) })
}

// Outbox calls On with "Outbox".
func (f *Faulty) Outbox(ctx context.Context, sink string, after int64, limit int) ([]authority.Posted, error) {
	return faulty(f, "Outbox", func() ([]authority.Posted, error) { return f.Store.Outbox(ctx, sink, after, limit) })
}

// Delivered calls On with "Delivered".
func (f *Faulty) Delivered(ctx context.Context, sink string, seqs []int64) error {
	return f.on("Delivered", func() error { return f.Store.Delivered(ctx, sink, seqs) })
}

// Bury calls On with "Bury".
func (f *Faulty) Bury(ctx context.Context, sink string, seq int64, reason string, at time.Time) error {
	return f.on("Bury", func() error { return f.Store.Bury(ctx, sink, seq, reason, at) })
}

// Buried calls On with "Buried".
func (f *Faulty) Buried(ctx context.Context, sink string, after int64, limit int) ([]authority.DeadLetter, error) {
	return faulty(f, "Buried", func() ([]authority.DeadLetter, error) { return f.Store.Buried(ctx, sink, after, limit) })
}

// Backlog calls On with "Backlog".
func (f *Faulty) Backlog(ctx context.Context, sink string) (authority.Backlog, error) {
	return faulty(f, "Backlog", func() (authority.Backlog, error) { return f.Store.Backlog(ctx, sink) })
}

// Replay calls On with "Replay".
func (f *Faulty) Replay(ctx context.Context, sink string, seqs []int64) error {
	return f.on("Replay", func() error { return f.Store.Replay(ctx, sink, seqs) })
}

// Prune calls On with "Prune".
func (f *Faulty) Prune(ctx context.Context, p authority.Prune) (authority.Pruned, error) {
	return faulty(f, "Prune", func() (authority.Pruned, error) { return f.Store.Prune(ctx, p) })
}

// Mark calls On with "Mark".
func (f *Faulty) Mark(ctx context.Context, name string) (time.Time, error) {
	return faulty(f, "Mark", func() (time.Time, error) { return f.Store.Mark(ctx, name) })
}

// SetMark calls On with "SetMark".
func (f *Faulty) SetMark(ctx context.Context, name string, at time.Time) error {
	return f.on("SetMark", func() error { return f.Store.SetMark(ctx, name, at) })
}

// Lease calls On with "Lease".
func (f *Faulty) Lease(ctx context.Context, name string) (held context.Context, release func(), err error) {
	err = f.on("Lease", func() (err error) {
		held, release, err = f.Store.Lease(ctx, name)
		return err
	})
	if err != nil {
		if release != nil { // whoever cannot be told that he holds something does not
			release()
		}
		return nil, nil, err
	}
	return held, release, nil
}
