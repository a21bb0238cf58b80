package authority

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/chancery-ca/chancery/event"
)

// How often the background work looks, and how much it does at once.
const (
	reconcileEvery = time.Minute
	reconcileGrace = 5 * time.Minute // longer than any request can take from Reserve to Commit
	pruneEvery     = 10 * time.Minute
	noticeEvery    = time.Minute
	issuersEvery   = 24 * time.Hour
	slice          = 500
)

// Run does the authority's background work in the caller's goroutine until ctx ends, and returns its
// error: it reconciles reservations that a crash left behind, prunes what may be forgotten, delivers
// the outbox, and gives notice of issuers and certificates that are about to expire. Sinks that are added to or removed
// from the outbox by Reconfigure are taken up within a minute.
func (a *Authority) Run(ctx context.Context) error {
	var pumps sync.WaitGroup
	defer pumps.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	running := map[string]context.CancelFunc{}
	a.Reconcile(ctx, a.orphanedBefore())
	a.prune(ctx)
	a.noticeIssuers(ctx)
	announced := a.noticeCertificates(ctx, a.started.Add(-overlap), time.Now())
	every := [...]struct {
		period time.Duration
		do     func(context.Context)
	}{
		{reconcileEvery, func(ctx context.Context) { a.Reconcile(ctx, time.Now().Add(-reconcileGrace)) }},
		{pruneEvery, a.prune},
		{noticeEvery, func(ctx context.Context) { announced = a.noticeCertificates(ctx, announced, time.Now()) }},
		{issuersEvery, a.noticeIssuers},
	}
	next := [len(every)]time.Time{}
	for i := range every {
		next[i] = time.Now().Add(every[i].period)
	}
	tick := time.NewTicker(reconcileEvery)
	defer tick.Stop()
	for {
		a.pump(ctx, &pumps, running)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now := <-tick.C:
			for i := range every {
				if !now.Before(next[i]) {
					every[i].do(ctx)
					next[i] = now.Add(every[i].period)
				}
			}
		}
	}
}

// SingleProcess is an optional ability of a store: it promises that no other process has it open, so
// that a reservation older than this authority is nobody's.
type SingleProcess interface{ SingleProcess() bool }

// orphanedBefore is the moment before which reservations are surely nobody's when Run begins.
func (a *Authority) orphanedBefore() time.Time {
	if a.alone {
		return a.started
	}
	return a.started.Add(-reconcileGrace)
}

// alone finds out whether a store is this process's alone, through whatever wraps it.
func alone(s Store) bool {
	for s != nil {
		if p, ok := s.(SingleProcess); ok {
			return p.SingleProcess()
		}
		u, ok := s.(interface{ Unwrap() Store })
		if !ok {
			break
		}
		s = u.Unwrap()
	}
	return false
}

// Reconcile abandons the reservations made before that moment, tells of each, and returns how many
// there were. Run does this by itself.
func (a *Authority) Reconcile(ctx context.Context, before time.Time) (int, error) {
	s := a.snapshot.Load()
	n := 0
	for {
		var posts []Post
		rs, err := a.store.Reconcile(ctx, before, slice, func(r *Record) []Post {
			p := a.abandoned(s, r)
			posts = append(posts, p...)
			return p
		})
		if err != nil {
			s.log().ErrorContext(ctx, "reservations not reconciled", "error", err)
			return n, fault("", "reconciling", err)
		}
		a.publish(ctx, s, posts...)
		if n += len(rs); len(rs) < slice {
			return n, nil
		}
	}
}

// prune forgets in slices, so that issuing goes on between them.
func (a *Authority) prune(ctx context.Context) {
	s := a.snapshot.Load()
	p := Prune{Now: time.Now(), Limit: slice}
	if s.Retention > 0 {
		p.Certificates = p.Now.Add(-s.Retention)
	}
	for ctx.Err() == nil {
		done, err := a.store.Prune(ctx, p)
		if err != nil {
			s.log().ErrorContext(ctx, "store not pruned", "error", err)
			return
		}
		if !done.More {
			return
		}
	}
}

// pump starts a delivery for each sink of the outbox that has none, and ends those of sinks that are
// gone. The goroutines are Run's and end with it.
func (a *Authority) pump(ctx context.Context, wg *sync.WaitGroup, running map[string]context.CancelFunc) {
	s := a.snapshot.Load()
	wanted := map[string]bool{}
	for _, d := range s.Outbox {
		wanted[d.Name] = true
		if running[d.Name] != nil {
			continue
		}
		ctx, cancel := context.WithCancel(ctx)
		running[d.Name] = cancel
		p := &event.Pump{Name: d.Name, Outbox: outbox{a.store, d.Name}, Sink: d.Sink, Logger: slog.New(s.log().Handler())}
		wg.Go(func() { p.Run(ctx) })
	}
	for name, cancel := range running {
		if !wanted[name] {
			cancel()
			delete(running, name)
		}
	}
}

// outbox is one sink's view of the store.
type outbox struct {
	store Store
	sink  string
}

func (o outbox) Pending(ctx context.Context, after int64, limit int) ([]event.Posted, error) {
	return o.store.Outbox(ctx, o.sink, after, limit)
}

func (o outbox) Delivered(ctx context.Context, seqs []int64) error {
	return o.store.Delivered(ctx, o.sink, seqs)
}
