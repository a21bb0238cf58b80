package event_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/eventtest"
)

func TestPumpDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, s := new(outbox), new(eventtest.Recorder)
		o.post("a1", "b1", "a2", "c1", "a3")
		p := &event.Pump{Outbox: o, Sink: s, Batch: 2, Interval: time.Hour}
		p.Wake() // before Run
		stop := run(t, p)
		synctest.Wait()
		require.Equal(t, []string{"a1", "b1", "a2", "c1", "a3"}, s.IDs())
		require.Zero(t, o.left())
		o.post("a4")
		p.Wake()
		synctest.Wait()
		require.Equal(t, "a4", s.IDs()[5])
		o.post("a5") // nobody wakes it
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Len(t, s.IDs(), 6+1)
		stop()
	})
}

// A failing event holds back the later ones of its subject, and nothing else.
func TestPumpHoldsSubject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, s := new(outbox), new(flaky)
		s.set("a1")
		o.post("a1", "b1", "a2", "c1", "a3", "b2")
		p := &event.Pump{Outbox: o, Sink: s, Batch: 2, MinBackoff: time.Minute, MaxBackoff: time.Minute}
		stop := run(t, p)
		synctest.Wait()
		require.Equal(t, []string{"b1", "c1", "b2"}, s.IDs())
		require.Equal(t, 3, o.left())
		o.post("a4", "d1")
		p.Wake()
		synctest.Wait()
		require.Equal(t, []string{"b1", "c1", "b2", "d1"}, s.IDs())
		require.Equal(t, 1, s.triesOf("a1"))
		time.Sleep(10 * time.Minute)
		require.Greater(t, s.triesOf("a1"), 9)
		require.Less(t, s.triesOf("a1"), 22)

		s.set("a3") // the next one to fail is another of the subject
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"b1", "c1", "b2", "d1", "a1", "a2"}, s.IDs())
		s.set("")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"b1", "c1", "b2", "d1", "a1", "a2", "a3", "a4"}, s.IDs())
		require.Zero(t, o.left())
		stop()
	})
}

// Pauses double up to the longest.
func TestPumpBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := new(outbox)
		o.post("a1")
		var at []time.Time
		s := event.SinkFunc(func(context.Context, event.Event) error {
			at = append(at, time.Now())
			return eventtest.ErrInjected
		})
		stop := run(t, &event.Pump{Outbox: o, Sink: s, MinBackoff: time.Second, MaxBackoff: 8 * time.Second})
		time.Sleep(time.Minute)
		stop()
		require.Greater(t, len(at), 8)
		for i, most := range []time.Duration{1, 2, 4, 8, 8, 8, 8} {
			pause := at[i+1].Sub(at[i])
			require.LessOrEqual(t, pause, most*time.Second)
			require.GreaterOrEqual(t, pause, most*time.Second/2)
		}
	})
}

// A sink that is down is tried now and then, not once for each event; when it is back, all arrives.
func TestPumpSinkDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, s := new(outbox), new(flaky)
		s.set("*")
		var want []string
		for i := range 26 {
			for n := range 40 {
				want = append(want, fmt.Sprintf("%c%03d", 'a'+i, n))
			}
		}
		o.post(want...)
		stop := run(t, &event.Pump{Outbox: o, Sink: s, MinBackoff: time.Second, MaxBackoff: time.Minute})
		time.Sleep(time.Hour)
		total := 0
		s.mu.Lock()
		for _, n := range s.tries {
			total += n
		}
		s.mu.Unlock()
		require.Less(t, total, 60*26, "at most each subject once per longest pause")
		s.set("")
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		require.Zero(t, o.left())
		requireOrder(t, want, s.IDs())
		stop()
	})
}

// requireOrder: each once, and per subject in order.
func requireOrder(t *testing.T, want, got []string) {
	t.Helper()
	last := map[byte]string{}
	for _, id := range got {
		require.Greater(t, id, last[id[0]])
		last[id[0]] = id
	}
	require.ElementsMatch(t, want, got)
}

// Events that will never be accepted do not keep the others from arriving, however many they are.
func TestPumpPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := new(outbox)
		var good eventtest.Recorder
		s := event.SinkFunc(func(ctx context.Context, e event.Event) error {
			if e.Subject != "z" && e.Subject < "p" { // 15 subjects in a row
				return eventtest.ErrInjected
			}
			return good.Publish(ctx, e)
		})
		for c := 'a'; c <= 'z'; c++ {
			o.post(string(c) + "1")
		}
		p := &event.Pump{Outbox: o, Sink: s}
		stop := run(t, p)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Len(t, good.IDs(), 11)
		time.Sleep(time.Hour)
		o.post("z2")
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		require.Len(t, good.IDs(), 12)
		stop()
	})
}

// What the pump reads while one subject fails does not grow with that subject's backlog.
func TestPumpBacklogOfOneSubject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, s := new(outbox), new(flaky)
		s.set("a000000")
		const n = 5_000
		for i := range n {
			o.post(fmt.Sprintf("a%06d", i))
		}
		p := &event.Pump{Outbox: o, Sink: s}
		stop := run(t, p)
		synctest.Wait()
		read, _ := o.counts()
		require.Equal(t, n, read, "once, to find what is not held back")
		for i := range 100 {
			o.post(fmt.Sprintf("b%03d", i))
			p.Wake()
			synctest.Wait()
		}
		require.Len(t, s.IDs(), 100)
		read, _ = o.counts()
		require.Less(t, read, n+300)
		time.Sleep(time.Hour) // some 60 more tries of the first
		read, _ = o.counts()
		require.Less(t, read, n+300+150*100, "a page each")
		s.set("")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Zero(t, o.left())
		require.Len(t, s.IDs(), n+100)
		stop()
	})
}

func TestPumpPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r := new(outbox), new(eventtest.Recorder)
		o.post("a1")
		n := 0
		var log bytes.Buffer
		s := event.SinkFunc(func(ctx context.Context, e event.Event) error {
			if n++; n < 3 {
				panic("boom")
			}
			return r.Publish(ctx, e)
		})
		stop := run(t, &event.Pump{Name: "queue", Outbox: o, Sink: s, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		time.Sleep(10 * time.Second)
		stop()
		require.Equal(t, []string{"a1"}, r.IDs())
		require.Contains(t, log.String(), "sink=queue")
		require.Contains(t, log.String(), "panicked: boom")
	})
}

func TestPumpTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r := new(outbox), new(eventtest.Recorder)
		o.post("a1")
		slow := &eventtest.Slow{Sink: r, Delay: time.Hour}
		p := &event.Pump{Outbox: o, Sink: slow, Timeout: 5 * time.Second}
		stop := run(t, p)
		began := time.Now()
		time.Sleep(time.Minute)
		stop() // while Publish is waiting or the pump is
		require.Equal(t, time.Minute, time.Since(began))
		require.Empty(t, r.IDs())
		require.Equal(t, 1, o.left())
	})
}

// Delivered that fails is asked again, and nothing is published meanwhile, nor twice by this pump.
func TestPumpDeliveredFails(t *testing.T) {
	for _, lose := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			o, s := new(outbox), new(eventtest.Recorder)
			var broken atomic.Bool
			broken.Store(true)
			o.OnDelivered = func(apply func()) error {
				if !broken.Load() || lose {
					apply()
				}
				if broken.Load() {
					return errors.New("store is away")
				}
				return nil
			}
			o.post("a1", "a2")
			p := &event.Pump{Outbox: o, Sink: s}
			stop := run(t, p)
			synctest.Wait()
			o.post("a3")
			time.Sleep(5 * time.Minute)
			require.Equal(t, []string{"a1", "a2"}, s.IDs())
			broken.Store(false)
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			require.Equal(t, []string{"a1", "a2", "a3"}, s.IDs())
			require.Zero(t, o.left())
			stop()
		})
	}
}

// A pump that starts anew repeats what was not reported, in order.
func TestPumpRepeatsAfterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, s := new(outbox), new(eventtest.Recorder)
		o.OnDelivered = func(func()) error { return errors.New("store is away") }
		o.post("a1", "a2")
		stop := run(t, &event.Pump{Outbox: o, Sink: s})
		synctest.Wait()
		stop()
		o.OnDelivered = nil
		stop = run(t, &event.Pump{Outbox: o, Sink: s})
		synctest.Wait()
		require.Equal(t, []string{"a1", "a2", "a1", "a2"}, s.IDs())
		require.Zero(t, o.left())
		stop()
	})
}

// What was published is reported, though the context ended meanwhile.
func TestPumpReportsAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r := new(outbox), new(eventtest.Recorder)
		o.post("a1", "b1", "c1")
		ctx, cancel := context.WithCancel(t.Context())
		s := event.SinkFunc(func(ctx context.Context, e event.Event) error {
			if e.ID == "b1" {
				cancel()
			}
			return r.Publish(ctx, e)
		})
		require.ErrorIs(t, (&event.Pump{Outbox: o, Sink: s}).Run(ctx), context.Canceled)
		require.Equal(t, 3-len(r.IDs()), o.left())
	})
}

// An event that vanishes from the outbox while its subject waits leaves no busy loop behind.
func TestPumpForgetsWhatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, s := new(outbox), new(flaky)
		s.set("a1")
		o.post("a1")
		stop := run(t, &event.Pump{Outbox: o, Sink: s})
		synctest.Wait()
		require.NoError(t, o.Delivered(t.Context(), []int64{1}))
		time.Sleep(time.Minute)
		_, pendings := o.counts()
		require.Less(t, pendings, 70)
		o.post("a2")
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, []string{"a2"}, s.IDs())
		stop()
	})
}

// An outbox that repeats itself would be read for ever.
func TestPumpOutboxOutOfOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, o := new(eventtest.Recorder), new(stuck)
		stop := run(t, &event.Pump{Outbox: o, Sink: s, Batch: 1})
		time.Sleep(time.Hour)
		stop()
		require.Less(t, o.n, 15_000, "no pause between the looks")
	})
}

type stuck struct{ n int }

func (s *stuck) Pending(context.Context, int64, int) ([]event.Posted, error) {
	s.n++
	return []event.Posted{{Seq: 1, Event: event.Event{ID: "a1"}}}, nil
}
func (s *stuck) Delivered(context.Context, []int64) error  { return nil }
func (s *stuck) Bury(context.Context, int64, string) error { return nil }
