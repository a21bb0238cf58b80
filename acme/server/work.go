package server

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/authority"
)

// job is a validation or an issuance that somebody has claimed: nobody else takes it on before its Due.
type job struct {
	authz *acme.Authorization
	kind  acme.ChallengeType

	order *acme.Order
	auths []*acme.Authorization

	account *acme.Account // nil: to be looked up

	done chan *job // nil, or buffered: takes what came of it
	err  error     // of an issuance: why the order is not valid
}

// How the work is shared out.
const (
	lease      = 30 * time.Second // to validate; each attempt has less, and renews it
	orderLease = 10 * time.Second // to issue; whoever takes longer, and comes second, is told so by the pipeline
	scanEvery  = 3 * time.Second  // how often it is looked whether anybody left something off
	scanned    = 64
	pruneEvery = 10 * time.Minute
	issuers    = 16   // issuances at one time
	backlog    = 1024 // jobs that wait in memory; others wait in the store
)

// Work validates and issues what requests hand over, takes on what another node, or this one before a crash, left off,
// and prunes the store, until ctx ends.
func (s *Server) Work(ctx context.Context, a *authority.Authority) error {
	var crew sync.WaitGroup
	defer crew.Wait()
	employ := func(n int, jobs <-chan *job) {
		for range n {
			s.working.Add(1)
			crew.Go(func() {
				defer s.working.Add(-1)
				for {
					select {
					case <-ctx.Done():
						return
					case j := <-jobs:
						s.finish(context.WithoutCancel(ctx), a, j)
					}
				}
			})
		}
	}
	employ(s.c.Validations, s.jobs)
	employ(issuers, s.issues)
	scan, prune := time.NewTicker(scanEvery), time.NewTicker(pruneEvery)
	defer scan.Stop()
	defer prune.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-scan.C:
			if err := s.scan(ctx); err != nil && ctx.Err() == nil {
				s.c.Logger.ErrorContext(ctx, "acme: looking for work", "error", err)
			}
		case now := <-prune.C:
			s.prune(ctx, now)
		}
	}
}

// await has a job done, by a worker if there is one, and waits for it for a while. It returns the job as far as it has
// come by then.
func (s *Server) await(ctx context.Context, a *authority.Authority, j *job) *job {
	if s.working.Load() == 0 {
		return s.finish(ctx, a, j)
	}
	j.done = make(chan *job, 1)
	now := *j // the worker has the other one
	select {
	case s.queue(j) <- j:
	default:
		return &now // whoever scans finds it, once it is due
	}
	if s.c.Patience <= 0 {
		return &now
	}
	t := time.NewTimer(s.c.Patience)
	defer t.Stop()
	select {
	case did := <-j.done:
		return did
	case <-t.C:
		return &now
	}
}

// finish does a job.
func (s *Server) finish(ctx context.Context, a *authority.Authority, j *job) *job {
	did := *j
	if j.order != nil {
		did.order, did.err = s.issue(ctx, a, j)
	} else {
		did.authz = s.validate(ctx, a, j)
	}
	if j.done != nil {
		j.done <- &did
	}
	return &did
}

// scan claims what is due, and does it, as far as there is room.
func (s *Server) scan(ctx context.Context) error {
	now := time.Now()
	auths, err := s.c.Store.DueAuthorizations(ctx, s.c.Name, now, scanned)
	if err != nil {
		return err
	}
	for _, a := range auths {
		j := &job{authz: a}
		for i := range a.Challenges {
			if a.Challenges[i].Status == acme.Processing {
				j.kind = a.Challenges[i].Type
			}
		}
		a.Due = now.Add(lease)
		if j.kind == "" || !a.Live() {
			a.Due = time.Time{}
		}
		if err := s.c.Store.UpdateAuthorization(ctx, nil, a); errors.Is(err, acme.ErrConflict) {
			continue // somebody else has it
		} else if err != nil {
			return err
		}
		if !a.Due.IsZero() && !s.hand(ctx, j) {
			return nil
		}
	}
	orders, err := s.c.Store.DueOrders(ctx, s.c.Name, now, scanned)
	if err != nil {
		return err
	}
	for _, o := range orders {
		o.Due = now.Add(orderLease)
		if err := s.c.Store.UpdateOrder(ctx, nil, o); errors.Is(err, acme.ErrConflict) {
			continue
		} else if err != nil {
			return err
		}
		_, as, err := s.c.Store.Order(ctx, nil, o.ID)
		if err != nil {
			return err
		}
		acct, err := s.c.Store.Account(ctx, o.Account)
		if err != nil {
			return err
		}
		if !s.hand(ctx, &job{order: o, auths: as, account: acct}) {
			return nil
		}
	}
	return nil
}

func (s *Server) queue(j *job) chan<- *job {
	if j.order != nil {
		return s.issues
	}
	return s.jobs
}

func (s *Server) hand(ctx context.Context, j *job) bool {
	select {
	case s.queue(j) <- j:
		return true
	case <-ctx.Done():
		return false
	}
}

// prune deletes what is no longer needed, in slices.
func (s *Server) prune(ctx context.Context, now time.Time) {
	for ctx.Err() == nil {
		_, more, err := s.c.Store.Prune(ctx, now, 500)
		if err != nil {
			s.c.Logger.ErrorContext(ctx, "acme: store not pruned", "error", err)
		}
		if err != nil || !more {
			return
		}
	}
}
