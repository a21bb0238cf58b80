package eventtest

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/chancery-ca/chancery/event"
)

// ErrInjected is what Failing fails with.
var ErrInjected = errors.New("eventtest: injected failure")

// Failing fails the events for which When is true; nil is all of them. If After is true it fails after
// having passed the event on.
type Failing struct {
	Sink  event.Sink // may be nil
	When  func(e event.Event) bool
	After bool

	calls atomic.Int64
}

// Calls counts the calls of Publish.
func (f *Failing) Calls() int { return int(f.calls.Load()) }

// Unwrap returns the sink behind.
func (f *Failing) Unwrap() event.Sink { return f.Sink }

// Publish passes e on or fails.
func (f *Failing) Publish(ctx context.Context, e event.Event) error {
	f.calls.Add(1)
	fail := f.When == nil || f.When(e)
	if f.Sink != nil && (!fail || f.After) {
		if err := f.Sink.Publish(ctx, e); err != nil {
			return err
		}
	}
	if fail {
		return ErrInjected
	}
	return nil
}

// Panicking panics.
type Panicking struct{}

// Publish panics.
func (Panicking) Publish(context.Context, event.Event) error { panic("eventtest: injected panic") }

// Slow passes events on after a delay, unless the context ends before.
type Slow struct {
	Sink  event.Sink
	Delay time.Duration
}

// Unwrap returns the sink behind.
func (s *Slow) Unwrap() event.Sink { return s.Sink }

// Publish waits, then passes e on.
func (s *Slow) Publish(ctx context.Context, e event.Event) error {
	t := time.NewTimer(s.Delay)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return s.Sink.Publish(ctx, e)
	}
}
