package eventtest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/event"
)

// Outage is a sink whose other end can be taken away.
type Outage struct {
	Sink    event.Sink
	Arrived func() []event.Event // what has arrived so far at the other end, in all of its lives, in order
	Kill    func()               // takes the other end away, with no time to say goodbye
	Restore func()               // and puts it back where it was
}

// RunOutage kills and restores the other end of a sink while events go to it through a Pump, and requires
// that in the end every event has arrived, those of one subject in order. Repeats are fine. It takes a few
// seconds.
func RunOutage(t *testing.T, o Outage) {
	const subjects, outages = 10, 3
	var box Outbox
	var failures atomic.Int64
	counting := event.SinkFunc(func(ctx context.Context, e event.Event) error {
		err := o.Sink.Publish(ctx, e)
		if err != nil {
			failures.Add(1)
		}
		return err
	})
	p := &event.Pump{
		Outbox: &box, Sink: counting, Interval: 10 * time.Millisecond, MinBackoff: 10 * time.Millisecond,
		MaxBackoff: 100 * time.Millisecond, Timeout: 2 * time.Second, GiveUp: time.Nanosecond,
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() { p.Run(ctx) })
	over, posted := make(chan struct{}), make(chan int, 1)
	wg.Go(func() { // for some rounds longer than the outages
		n := 0
		for rest := 5; rest > 0 && ctx.Err() == nil; n++ {
			for s := range subjects {
				box.Post(event.Event{
					ID: fmt.Sprintf("%d-%06d", s, n), Type: event.CertificateIssued, Source: "/ca", Subject: fmt.Sprint(s),
					Time: time.Now().UTC(), Data: event.Certificate{Serial: fmt.Sprint(s)},
				})
			}
			time.Sleep(30 * time.Millisecond)
			select {
			case <-over:
				rest--
			default:
			}
		}
		posted <- n * subjects
	})
	for range outages {
		time.Sleep(250 * time.Millisecond)
		before := failures.Load()
		o.Kill()
		require.Eventually(t, func() bool { return failures.Load() > before }, 10*time.Second, 5*time.Millisecond,
			"the sink accepts everything while its other end is away")
		time.Sleep(100 * time.Millisecond)
		o.Restore()
	}
	close(over)
	want := <-posted
	var seen map[string]bool
	require.Eventually(t, func() bool {
		seen = map[string]bool{}
		for _, e := range o.Arrived() {
			seen[e.ID] = true
		}
		return len(seen) >= want && len(box.Left()) == 0
	}, 20*time.Second, 50*time.Millisecond, "events are missing")
	require.Empty(t, box.Dead(), "an outage buries nothing")
	requireFirstsInOrder(t, o.Arrived())
}

func requireFirstsInOrder(t *testing.T, events []event.Event) {
	t.Helper()
	last, seen := map[string]string{}, map[string]bool{}
	for _, e := range events {
		if !seen[e.ID] {
			require.Greater(t, e.ID, last[e.Subject], "events of one subject that were published one after the other changed places")
			last[e.Subject] = e.ID
		}
		seen[e.ID] = true
	}
}
