package event

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// pass is one walk through the outbox. Every subject is tried until its first failure.
type pass struct {
	*Pump
	now      time.Time
	due      map[string]bool // held subjects to try again
	freed    bool            // one of them was accepted, so its later events must be found
	success  bool
	fails    int // since the last success
	dueFails int
	since    int64 // time of the oldest event that is held back, as in Pump.oldest
}

var errDown = errors.New("event: the sink accepts nothing")

// pass delivers what can be delivered. An error means that it did not come to the end.
func (p *Pump) pass(ctx context.Context) error {
	w := &pass{Pump: p, now: time.Now(), due: map[string]bool{}}
	w.since = w.oldestHeld()
	if err := p.ack(ctx); err != nil {
		return err
	}
	for s, h := range p.held {
		if !w.now.Before(h.until) {
			w.due[s] = true
		}
	}
	if len(p.held) == 0 { // cheap, as what is delivered is gone; and it finds what was committed late
		p.scanned = 0
	}
	limit, known := orElse(p.Batch, 100), p.scanned
	for after := w.skip(0); ; {
		batch, err := p.Outbox.Pending(ctx, after, limit)
		if err != nil {
			return w.stop(after, err)
		}
		for _, e := range batch {
			if e.Seq <= after {
				return w.stop(after, errOrder)
			}
			if err := w.offer(ctx, e); err != nil {
				return w.stop(after, err)
			}
			after = e.Seq
			if time.Since(p.acked) >= ackEvery {
				if err := p.ack(ctx); err != nil {
					return w.stop(after, err)
				}
			}
		}
		if err := p.ack(ctx); err != nil {
			return w.stop(after, err)
		}
		if len(batch) < limit {
			p.scanned = max(known, after)
			return w.finish()
		}
		after = w.skip(after)
	}
}

// finish ends a pass that came to the end of the outbox.
func (w *pass) finish() error {
	if w.dueFails >= maxFailures/2 {
		if !w.success {
			return errDown
		}
		w.oldest.Store(w.oldestHeld())
		return nil // what is due beside is for the next pass
	}
	for s := range w.due { // their events are gone
		delete(w.held, s)
	}
	if len(w.held) == 0 {
		w.faults = 0
	}
	w.oldest.Store(w.oldestHeld())
	return nil
}

// stop ends a pass early, at seq.
func (w *pass) stop(seq int64, err error) error {
	if w.freed || seq > w.scanned { // what is beyond is not known to be held any more
		w.scanned = seq
	}
	return err
}

// skip returns where to read on: past events that are known to be held, if no subject among them is to
// be tried.
func (w *pass) skip(after int64) int64 {
	if w.freed || after >= w.scanned {
		return after
	}
	to := w.scanned
	if w.dueFails < maxFailures/2 {
		for s := range w.due {
			to = min(to, w.held[s].first-1)
		}
	}
	return max(after, to)
}

// offer publishes e unless its subject waits. An error ends the pass.
func (w *pass) offer(ctx context.Context, e Posted) error {
	subject := e.Event.Subject
	h := w.held[subject]
	if h != nil && (!w.due[subject] || w.dueFails >= maxFailures/2) {
		return nil
	}
	w.behind(e.Event.Time)
	err := w.publish(ctx, e.Event)
	if ctx.Err() != nil && err != nil {
		return ctx.Err()
	}
	if err == nil {
		w.acks = append(w.acks, e.Seq)
		w.success, w.fails, w.faults = true, 0, 0
		w.accepts++
		w.accepted[routeOf(w.Sink, e.Event.Type)] = w.accepts
		w.free(subject)
		return nil
	}
	if w.hopeless(h, e, err) {
		buried := w.Outbox.Bury(ctx, e.Seq, reasonOf(err))
		if buried == nil {
			w.log(ctx, slog.LevelError, "event was given up", "event", e.Event.ID, "type", string(e.Event.Type),
				"subject", subject, "error", reasonOf(err))
			w.free(subject)
			return nil
		}
		return errors.Join(buried, w.hold(ctx, e, err))
	}
	return w.hold(ctx, e, err)
}

// free lets the later events of a subject go on.
func (w *pass) free(subject string) {
	if w.held[subject] != nil {
		delete(w.held, subject)
		delete(w.due, subject)
		w.freed = true
	}
}

func (w *pass) publish(ctx context.Context, e Event) error {
	ctx, cancel := context.WithTimeout(ctx, orElse(w.Timeout, 30*time.Second))
	defer cancel()
	return Publish(ctx, w.Sink, e)
}
