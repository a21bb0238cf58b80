package eventtest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/chancery-ca/chancery/event"
)

// Outbox is the queue of one sink, in memory. The zero Outbox is empty and ready to use.
type Outbox struct {
	// OnDelivered and OnBury, if set, stand in for these methods: apply does what was asked for, and an
	// error may be returned before it or after. They must not change while the Outbox is in use.
	OnDelivered, OnBury func(apply func()) error

	mu   sync.Mutex
	rows []event.Posted // by Seq
	dead []event.DeadLetter
	seq  int64
}

// Post adds events.
func (o *Outbox) Post(events ...event.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range events {
		o.seq++
		o.rows = append(o.rows, event.Posted{Seq: o.seq, Event: e})
	}
}

// Left returns what is undelivered.
func (o *Outbox) Left() []event.Posted {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.rows)
}

// Dead returns the dead letters, oldest burial first.
func (o *Outbox) Dead() []event.DeadLetter {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.dead)
}

// Pending implements event.Outbox.
func (o *Outbox) Pending(ctx context.Context, after int64, limit int) ([]event.Posted, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i, found := o.find(after)
	if found {
		i++
	}
	return slices.Clone(o.rows[i:min(i+limit, len(o.rows))]), ctx.Err()
}

// Delivered implements event.Outbox.
func (o *Outbox) Delivered(_ context.Context, seqs []int64) error {
	return do(o.OnDelivered, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		for _, seq := range seqs {
			if i, ok := o.find(seq); ok {
				o.rows = slices.Delete(o.rows, i, i+1)
			}
		}
	})
}

// Bury implements event.Outbox.
func (o *Outbox) Bury(_ context.Context, seq int64, reason string) error {
	return do(o.OnBury, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if i, ok := o.find(seq); ok {
			o.dead = append(o.dead, event.DeadLetter{Posted: o.rows[i], Reason: reason, BuriedAt: time.Now()})
			o.rows = slices.Delete(o.rows, i, i+1)
		}
	})
}

func (o *Outbox) find(seq int64) (int, bool) {
	return slices.BinarySearchFunc(o.rows, seq, func(p event.Posted, s int64) int { return int(p.Seq - s) })
}

func do(on func(apply func()) error, apply func()) error {
	if on != nil {
		return on(apply)
	}
	apply()
	return nil
}
