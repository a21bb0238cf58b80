package authority

import (
	"context"
	"sync"
	"time"

	"github.com/chancery-ca/chancery/event"
)

// How often the background work looks, and how much it does at once.
const (
	reconcileEvery = time.Minute
	reconcileGrace = 5 * time.Minute // longer than any request can take from Reserve to Commit
	pruneEvery     = 10 * time.Minute
	spentMargin    = time.Hour // how far clocks may differ before a spent token is forgotten and good again
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
	running := map[string]*delivery{}
	a.Reconcile(ctx, a.orphans)
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
		rs, err := a.store.Reconcile(ctx, before, slice, func(r *Record) []Post {
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

// prune forgets in slices, so that issuing goes on between them.
func (a *Authority) prune(ctx context.Context) {
	s := a.snapshot.Load()
	p := Prune{Now: time.Now().Add(-spentMargin), Limit: slice}
	if s.Retention > 0 {
		p.Certificates = time.Now().Add(-s.Retention)
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

// delivery is a pump that runs for one sink of one configuration.
type delivery struct {
	of   *snapshot
	end  context.CancelFunc
	done chan struct{}
}

// pump starts a delivery for each sink of the outbox as it is configured now, and ends those of an
// earlier configuration: a sink of the same name may be another one. The goroutines are Run's and end
// with it.
func (a *Authority) pump(ctx context.Context, wg *sync.WaitGroup, running map[string]*delivery) {
	s := a.snapshot.Load()
	for name, d := range running {
		if d.of != s {
			d.end()
			<-d.done // never two at a time for one sink, for the sake of order
			delete(running, name)
		}
	}
	for _, o := range s.Outbox {
		if running[o.Name] != nil {
			continue
		}
		ctx, cancel := context.WithCancel(ctx)
		d := &delivery{s, cancel, make(chan struct{})}
		running[o.Name] = d
		p := &event.Pump{Name: o.Name, Outbox: outbox{a.store, o.Name}, Sink: o.Sink, Logger: s.log()}
		wg.Go(func() {
			defer close(d.done)
			p.Run(ctx)
		})
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
