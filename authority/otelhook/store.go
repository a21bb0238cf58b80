package otelhook

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/codes"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

// Store measures every call of s. What s can do beside that is there behind Unwrap.
func (h *Hook) Store(s authority.Store) authority.Store { return &store{s, h} }

type store struct {
	behind authority.Store // not embedded: a method that is new there shall not compile until it is measured
	hook   *Hook
}

func (s *store) Unwrap() authority.Store { return s.behind }

// storeErrors are the types of errors of stores, by the first that an error is. answer says that it is one
// of the answers that a store is there to give.
var storeErrors = []struct {
	err    error
	name   string
	answer bool
}{
	{context.DeadlineExceeded, timeout, false},
	{context.Canceled, canceled, false},
	{authority.ErrFull, "full", false},
	{authority.ErrReadOnly, "read-only", false},
	{authority.ErrLocked, "locked", false},
	{authority.ErrClosed, "closed", false},
	{authority.ErrUnavailable, "unavailable", false},
	{authority.ErrNotFound, "not-found", true},
	{authority.ErrSpent, "spent", true},
	{authority.ErrExists, "exists", true},
	{authority.ErrRevoked, "revoked", true},
	{authority.ErrState, "state", true},
	{authority.ErrHeld, "held", true},
	{authority.ErrCursor, "cursor", true},
}

func storeError(err error) (name string, answer bool) {
	if err == nil {
		return "", true
	}
	for _, e := range storeErrors {
		if errors.Is(err, e.err) {
			return e.name, e.answer
		}
	}
	return other, false
}

// do measures a call that returns nothing but an error.
func (s *store) do(ctx context.Context, method string, call func(context.Context) error) error {
	inner, span := s.hook.child(ctx, "store/"+method)
	began := time.Now()
	err := call(inner)
	name, answer := storeError(err)
	if s.hook.store.Enabled(inner) {
		s.hook.store.Record(inner, time.Since(began).Seconds(), s.hook.methods.of(keyMethod, method, keyError, name)...)
	}
	if span != nil {
		if name != "" {
			span.SetAttributes(keyError.String(name))
		}
		if !answer {
			span.SetStatus(codes.Error, name)
		}
		span.End()
	}
	return err
}

// get measures a call that returns something.
func get[T any](ctx context.Context, s *store, method string, call func(context.Context) (T, error)) (out T, err error) {
	err = s.do(ctx, method, func(ctx context.Context) (err error) {
		out, err = call(ctx)
		return err
	})
	return out, err
}

func (s *store) Reserve(ctx context.Context, r *authority.Record, spend provisioner.Spend) error {
	return s.do(ctx, "Reserve", func(ctx context.Context) error { return s.behind.Reserve(ctx, r, spend) })
}

func (s *store) Commit(ctx context.Context, n authority.Serial, der []byte, at time.Time, posts []authority.Post) error {
	return s.do(ctx, "Commit", func(ctx context.Context) error { return s.behind.Commit(ctx, n, der, at, posts) })
}

func (s *store) Abandon(ctx context.Context, n authority.Serial, release bool, at time.Time, posts []authority.Post) error {
	return s.do(ctx, "Abandon", func(ctx context.Context) error { return s.behind.Abandon(ctx, n, release, at, posts) })
}

func (s *store) Reconcile(ctx context.Context, before, at time.Time, limit int, posts func(*authority.Record) []authority.Post) ([]*authority.Record, error) {
	return get(ctx, s, "Reconcile", func(ctx context.Context) ([]*authority.Record, error) {
		return s.behind.Reconcile(ctx, before, at, limit, posts)
	})
}

func (s *store) Certificate(ctx context.Context, n authority.Serial) (*authority.Record, error) {
	return get(ctx, s, "Certificate", func(ctx context.Context) (*authority.Record, error) { return s.behind.Certificate(ctx, n) })
}

func (s *store) List(ctx context.Context, q authority.Query) (*authority.Page, error) {
	return get(ctx, s, "List", func(ctx context.Context) (*authority.Page, error) { return s.behind.List(ctx, q) })
}

func (s *store) Ending(ctx context.Context, from, until time.Time, cursor string, limit int) (*authority.Page, error) {
	return get(ctx, s, "Ending", func(ctx context.Context) (*authority.Page, error) {
		return s.behind.Ending(ctx, from, until, cursor, limit)
	})
}

func (s *store) Revoke(ctx context.Context, v *authority.Revocation, known *authority.Record, spend provisioner.Spend, posts []authority.Post) error {
	return s.do(ctx, "Revoke", func(ctx context.Context) error { return s.behind.Revoke(ctx, v, known, spend, posts) })
}

func (s *store) Release(ctx context.Context, n authority.Serial, at time.Time, posts []authority.Post) error {
	return s.do(ctx, "Release", func(ctx context.Context) error { return s.behind.Release(ctx, n, at, posts) })
}

func (s *store) Revision(ctx context.Context) (int64, error) {
	return get(ctx, s, "Revision", func(ctx context.Context) (int64, error) { return s.behind.Revision(ctx) })
}

func (s *store) Changes(ctx context.Context, q authority.ChangeQuery) (*authority.ChangePage, error) {
	return get(ctx, s, "Changes", func(ctx context.Context) (*authority.ChangePage, error) { return s.behind.Changes(ctx, q) })
}

func (s *store) PutCRL(ctx context.Context, c *authority.CRL, posts []authority.Post) error {
	return s.do(ctx, "PutCRL", func(ctx context.Context) error { return s.behind.PutCRL(ctx, c, posts) })
}

func (s *store) CRL(ctx context.Context, c authority.CRLScope, above int64) (*authority.CRL, error) {
	return get(ctx, s, "CRL", func(ctx context.Context) (*authority.CRL, error) { return s.behind.CRL(ctx, c, above) })
}

func (s *store) CRLs(ctx context.Context, issuer string) ([]*authority.CRL, error) {
	return get(ctx, s, "CRLs", func(ctx context.Context) ([]*authority.CRL, error) { return s.behind.CRLs(ctx, issuer) })
}

func (s *store) Post(ctx context.Context, posts []authority.Post) error {
	return s.do(ctx, "Post", func(ctx context.Context) error { return s.behind.Post(ctx, posts) })
}

func (s *store) Outbox(ctx context.Context, sink string, after int64, limit int) ([]authority.Posted, error) {
	return get(ctx, s, "Outbox", func(ctx context.Context) ([]authority.Posted, error) { return s.behind.Outbox(ctx, sink, after, limit) })
}

func (s *store) Delivered(ctx context.Context, sink string, seqs []int64) error {
	return s.do(ctx, "Delivered", func(ctx context.Context) error { return s.behind.Delivered(ctx, sink, seqs) })
}

func (s *store) Bury(ctx context.Context, sink string, seq int64, reason string, at time.Time) error {
	return s.do(ctx, "Bury", func(ctx context.Context) error { return s.behind.Bury(ctx, sink, seq, reason, at) })
}

func (s *store) Buried(ctx context.Context, sink string, after int64, limit int) ([]authority.DeadLetter, error) {
	return get(ctx, s, "Buried", func(ctx context.Context) ([]authority.DeadLetter, error) {
		return s.behind.Buried(ctx, sink, after, limit)
	})
}

func (s *store) Backlog(ctx context.Context, sink string) (authority.Backlog, error) {
	return get(ctx, s, "Backlog", func(ctx context.Context) (authority.Backlog, error) { return s.behind.Backlog(ctx, sink) })
}

func (s *store) Replay(ctx context.Context, sink string, seqs []int64) error {
	return s.do(ctx, "Replay", func(ctx context.Context) error { return s.behind.Replay(ctx, sink, seqs) })
}

func (s *store) Prune(ctx context.Context, p authority.Prune) (authority.Pruned, error) {
	return get(ctx, s, "Prune", func(ctx context.Context) (authority.Pruned, error) { return s.behind.Prune(ctx, p) })
}

func (s *store) Mark(ctx context.Context, name string) (time.Time, error) {
	return get(ctx, s, "Mark", func(ctx context.Context) (time.Time, error) { return s.behind.Mark(ctx, name) })
}

func (s *store) SetMark(ctx context.Context, name string, at time.Time) error {
	return s.do(ctx, "SetMark", func(ctx context.Context) error { return s.behind.SetMark(ctx, name, at) })
}

// Lease hands on the caller's context: what is done under the lease is no part of getting it.
func (s *store) Lease(ctx context.Context, name string) (held context.Context, release func(), err error) {
	err = s.do(ctx, "Lease", func(context.Context) (err error) {
		held, release, err = s.behind.Lease(ctx, name)
		return err
	})
	return held, release, err
}
