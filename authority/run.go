package authority

import (
	"context"
	"errors"
	"sync"
	"time"
)

// How often the background work looks, and how much it does at once.
const (
	reconcileEvery = time.Minute
	reconcileGrace = 5 * time.Minute // longer than any request can take from Reserve to Commit
	pruneEvery     = 10 * time.Minute
	spentMargin    = time.Hour // how far clocks may differ before a spent token is forgotten and good again
	noticeEvery    = time.Minute
	slice          = 500
)

// Run does the authority's background work in the caller's goroutine until ctx ends, and returns its
// error: it reconciles reservations that a crash left behind, prunes what may be forgotten, delivers the
// outbox, and gives notice of issuers and certificates that are about to expire. Of several authorities on
// one store, one at a time does each of these. It also does the work of provisioners that are a [Worker].
// Sinks of the outbox, and workers, that are added or removed by Reconfigure are taken up at once.
func (a *Authority) Run(ctx context.Context) error {
	var pumps sync.WaitGroup
	defer pumps.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	running := map[string]*delivery{}
	crew := map[Worker]context.CancelFunc{}
	a.Reconcile(ctx, a.orphans)
	every := [...]struct {
		period time.Duration
		do     func(context.Context)
	}{
		{reconcileEvery, func(ctx context.Context) { a.Reconcile(ctx, time.Now().Add(-reconcileGrace)) }},
		{pruneEvery, func(ctx context.Context) { a.alone(ctx, "prune", a.prune) }},
		{noticeEvery, func(ctx context.Context) { a.alone(ctx, "notices", a.notice) }},
	}
	next := [len(every)]time.Time{}
	for i := range every {
		next[i] = time.Now().Add(every[i].period)
		if i > 0 {
			every[i].do(ctx)
		}
	}
	tick := time.NewTicker(reconcileEvery)
	defer tick.Stop()
	for {
		a.pump(ctx, &pumps, running)
		a.employ(ctx, &pumps, crew)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.changed:
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

// alone does something unless another authority on the same store is doing it.
func (a *Authority) alone(ctx context.Context, name string, do func(context.Context)) {
	held, release, err := a.store.Lease(ctx, name)
	if err != nil {
		if !errors.Is(err, ErrHeld) && ctx.Err() == nil {
			a.snapshot.Load().log().ErrorContext(ctx, "lease not obtained", "lease", name, "error", err)
		}
		return
	}
	defer release()
	do(held)
}

// Exclusive is an optional ability of a store: it promises that no other process has it open, and says
// since when. Reservations older than that are nobody's.
type Exclusive interface{ ExclusiveSince() time.Time }

// orphanedBefore is the moment before which reservations are surely nobody's when Run begins.
func orphanedBefore(s Store, started time.Time) time.Time {
	for s != nil {
		if x, ok := s.(Exclusive); ok {
			return x.ExclusiveSince()
		}
		u, ok := s.(interface{ Unwrap() Store })
		if !ok {
			break
		}
		s = u.Unwrap()
	}
	return started.Add(-reconcileGrace)
}

// Reconcile abandons the reservations made before that moment, tells of each, and returns how many
// there were. Run does this by itself.
func (a *Authority) Reconcile(ctx context.Context, before time.Time) (int, error) {
	s := a.snapshot.Load()
	n := 0
	for {
		posts := map[Serial][]Post{} // a store may ask again, when it has to begin again
		rs, err := a.store.Reconcile(ctx, before, time.Now(), slice, func(r *Record) []Post {
			posts[r.Serial] = a.abandoned(s, r)
			return posts[r.Serial]
		})
		if err != nil {
			s.log().ErrorContext(ctx, "reservations not reconciled", "error", err)
			return n, fault("", "reconciling", err)
		}
		for _, r := range rs {
			a.publish(ctx, s, posts[r.Serial]...)
		}
		if n += len(rs); len(rs) < slice {
			return n, nil
		}
	}
}
