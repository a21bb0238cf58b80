package event_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/eventtest"
)

// outbox is the queue of one sink, in memory.
type outbox struct {
	mu       sync.Mutex
	rows     []event.Posted // by Seq
	seq      int64
	read     int // rows handed out
	pendings int
	fail     func() error // of Delivered, after it took effect or before
	lose     bool
}

func (o *outbox) post(ids ...string) { // "a1" is an event of subject a
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, id := range ids {
		o.seq++
		o.rows = append(o.rows, event.Posted{Seq: o.seq, Event: event.Event{ID: id, Type: event.CertificateIssued, Subject: id[:1]}})
	}
}

func (o *outbox) Pending(ctx context.Context, after int64, limit int) ([]event.Posted, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	i, _ := slices.BinarySearchFunc(o.rows, after+1, func(p event.Posted, s int64) int { return int(p.Seq - s) })
	rows := slices.Clone(o.rows[i:min(i+limit, len(o.rows))])
	o.read += len(rows)
	o.pendings++
	return rows, ctx.Err()
}

func (o *outbox) Delivered(_ context.Context, seqs []int64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	var err error
	if o.fail != nil {
		err = o.fail()
	}
	if err == nil || o.lose {
		gone := map[int64]bool{}
		for _, s := range seqs {
			gone[s] = true
		}
		o.rows = slices.DeleteFunc(o.rows, func(p event.Posted) bool { return gone[p.Seq] })
	}
	return err
}

func (o *outbox) left() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.rows)
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
