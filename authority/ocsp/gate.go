package ocsp

import (
	"context"
	"sync/atomic"
)

// gate bounds the signatures that are made at the same time, so that nobody can make a key busy for ever, and
// those who wait for their turn.
type gate struct {
	shared  *queue // for answers that serve everybody who asks the same
	private *queue // for answers that serve one client only, who must not be in the way of the others
}

// queue lets so many in, and so many more wait.
type queue struct {
	slots   chan struct{}
	most    int64 // who may wait
	waiting atomic.Int64
}

// How many may wait for each that is in: a look-up is over soon, a signature need not be.
const (
	patient = 8
	crowd   = 128
)

func newGate(slots int) *gate {
	return &gate{shared: newQueue(slots, patient), private: newQueue(max(1, slots/2), patient)}
}

func newQueue(slots, waiting int) *queue {
	return &queue{slots: make(chan struct{}, slots), most: int64(slots) * int64(waiting)}
}

// enter waits for a place, and returns what gives it back. Those with a private answer need a place in both
// queues, so that they take half of the shared one at most.
func (g *gate) enter(ctx context.Context, private bool) (leave func(), err error) {
	if !private {
		return g.shared.leave, g.shared.enter(ctx)
	}
	if err := g.private.enter(ctx); err != nil {
		return nil, err
	}
	if err := g.shared.enter(ctx); err != nil {
		g.private.leave()
		return nil, err
	}
	return func() { g.shared.leave(); g.private.leave() }, nil
}

func (q *queue) enter(ctx context.Context) error {
	select {
	case q.slots <- struct{}{}:
		return nil
	default:
	}
	defer q.waiting.Add(-1)
	if q.waiting.Add(1) > q.most {
		return TryLater
	}
	select {
	case q.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return TryLater
	}
}

func (q *queue) leave() { <-q.slots }
