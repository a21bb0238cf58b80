package event_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/eventtest"
)

// outbox counts what is read of it.
type outbox struct {
	eventtest.Outbox
	mu       sync.Mutex
	read     int // rows handed out
	pendings int
}

func (o *outbox) post(ids ...string) { // "a1" is an event of subject a
	for _, id := range ids {
		o.Post(event.Event{ID: id, Type: event.CertificateIssued, Subject: id[:1], Time: time.Now()})
	}
}

func (o *outbox) Pending(ctx context.Context, after int64, limit int) ([]event.Posted, error) {
	rows, err := o.Outbox.Pending(ctx, after, limit)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.read += len(rows)
	o.pendings++
	return rows, err
}

func (o *outbox) left() int { return len(o.Left()) }

// dead returns the IDs of what was buried.
func (o *outbox) dead() (ids []string) {
	for _, d := range o.Dead() {
		ids = append(ids, d.Event.ID)
	}
	return ids
}

// counts returns the rows handed out and the calls of Pending.
func (o *outbox) counts() (read, pendings int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.read, o.pendings
}

// run starts p and ends it with the test.
func run(t *testing.T, p *event.Pump) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	}
}

// flaky fails the events with these IDs while on.
type flaky struct {
	eventtest.Recorder
	mu    sync.Mutex
	ids   string
	tries map[string]int
}

func (f *flaky) set(ids string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ids = ids
}

func (f *flaky) Publish(ctx context.Context, e event.Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tries == nil {
		f.tries = map[string]int{}
	}
	f.tries[e.ID]++
	if f.ids == "*" || slices.Contains(strings.Fields(f.ids), e.ID) {
		return eventtest.ErrInjected
	}
	return f.Recorder.Publish(ctx, e)
}

func (f *flaky) triesOf(id string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tries[id]
}

func TestOutbox(t *testing.T) {
	eventtest.RunOutbox(t, func(*testing.T) (event.Outbox, func(...event.Event), func() []event.DeadLetter) {
		o := new(eventtest.Outbox)
		return o, o.Post, o.Dead
	})
}
