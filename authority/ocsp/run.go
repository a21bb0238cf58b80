package ocsp

import (
	"context"
	"time"
)

// How often Run looks, and how far ahead: two looks, so that one may fail.
const (
	lookEvery = minute
	lookAhead = 2 * lookEvery
)

// Run does ahead of time what would otherwise be done while a client waits, until ctx ends, and returns its
// error: it renews responder certificates, and signs answers anew that were asked for since they were last
// signed. It does so in the caller's goroutine, and never with more than one key operation at a time. A
// Responder that nobody runs answers all the same.
func (r *Responder) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		r.ahead(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (r *Responder) ahead(ctx context.Context) {
	x := r.look()
	if !r.o.Direct {
		for id, i := range x.issuer {
			if id == i.id && i.delegate != nil && time.Now().Before(i.signer.Certificate.NotAfter) {
				_, _ = r.delegated(ctx, i, lookAhead) // logged there, and tried again
			}
		}
	}
	now := time.Now()
	for _, e := range r.cache.due(now, now.Add(lookAhead)) {
		if ctx.Err() != nil {
			return
		}
		i := x.issuer[e.issuer]
		if i == nil || x.find(e.issuer) == nil {
			continue
		}
		if err := r.again(ctx, i, e.id); err != nil && statusOf(err) == TryLater {
			return // it would be the same with the next one
		}
	}
}

// again signs one answer anew.
func (r *Responder) again(ctx context.Context, i *issuer, id certID) error {
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	_, err := r.one(ctx, i, id, true)
	return err
}
