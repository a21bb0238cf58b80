package eventtest

import (
	"context"
	"slices"
	"sync"

	"github.com/chancery-ca/chancery/event"
)

// Recorder is a Sink that keeps what it is told. The zero Recorder is ready to use.
type Recorder struct {
	mu      sync.Mutex
	events  []event.Event
	changed chan struct{} // closed at the next event; nil while nobody waits
}

// Publish keeps e.
func (r *Recorder) Publish(_ context.Context, e event.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
	return nil
}

// Events returns what was published so far, repeats included.
func (r *Recorder) Events() []event.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// OfType returns the events of a type.
func (r *Recorder) OfType(t event.Type) []event.Event {
	return slices.DeleteFunc(r.Events(), func(e event.Event) bool { return e.Type != t })
}

// IDs returns the IDs of what was published, in order.
func (r *Recorder) IDs() []string {
	var ids []string
	for _, e := range r.Events() {
		ids = append(ids, e.ID)
	}
	return ids
}

// Wait returns the events once there are n of them, or ctx's error.
func (r *Recorder) Wait(ctx context.Context, n int) ([]event.Event, error) {
	for {
		r.mu.Lock()
		if len(r.events) >= n {
			defer r.mu.Unlock()
			return slices.Clone(r.events), nil
		}
		if r.changed == nil {
			r.changed = make(chan struct{})
		}
		changed := r.changed
		r.mu.Unlock()
		select {
		case <-ctx.Done():
			return r.Events(), ctx.Err()
		case <-changed:
		}
	}
}
