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

// refusing fails some events for ever.
func refusing(r *eventtest.Recorder, err error, ids ...string) event.Sink {
	return event.SinkFunc(func(ctx context.Context, e event.Event) error {
		for _, id := range ids {
			if e.ID == id {
				return err
			}
		}
		return r.Publish(ctx, e)
	})
}

func TestPermanentIsBuriedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r := new(outbox), new(eventtest.Recorder)
		o.post("a1", "b1", "a2", "b2")
		var log bytes.Buffer
		p := &event.Pump{
			Outbox: o, Sink: refusing(r, fmt.Errorf("sink: %w", event.Permanent(errors.New("too\nlarge"))), "a1", "b2"),
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		}
		stop := run(t, p)
		synctest.Wait()
		require.Equal(t, []string{"b1", "a2"}, r.IDs())
		require.Equal(t, []string{"a1", "b2"}, o.dead())
		require.Equal(t, "sink: too large", o.Dead()[0].Reason)
		require.Zero(t, o.left())
		require.Contains(t, log.String(), `level=ERROR msg="event was given up"`)
		stop()
	})
}

// An event that was held first is buried too, and frees its subject.
func TestPermanentAfterHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r := new(outbox), new(eventtest.Recorder)
		var answer atomic.Value
		answer.Store(eventtest.ErrInjected.Error())
		s := event.SinkFunc(func(ctx context.Context, e event.Event) error {
			if e.ID != "a1" {
				return r.Publish(ctx, e)
			}
			if err := errors.New(answer.Load().(string)); err.Error() != "never" {
				return err
			}
			return event.Permanent(errors.New("never"))
		})
		o.post("a1", "a2")
		stop := run(t, &event.Pump{Outbox: o, Sink: s, MaxBackoff: time.Second})
		time.Sleep(time.Minute)
		require.Empty(t, r.IDs())
		require.Empty(t, o.dead())
		answer.Store("never")
		time.Sleep(2 * time.Second)
		require.Equal(t, []string{"a2"}, r.IDs())
		require.Equal(t, []string{"a1"}, o.dead())
		stop()
	})
}

// Many events in a row that are never acceptable do not make the sink look down.
func TestPermanentInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r := new(outbox), new(eventtest.Recorder)
		var bad []string
		for i := range 100 {
			bad = append(bad, fmt.Sprintf("%c%d", 'a'+i%20, i))
		}
		o.post(append(bad, "z1")...)
		stop := run(t, &event.Pump{Outbox: o, Sink: refusing(r, event.Permanent(errors.New("no")), bad...)})
		synctest.Wait()
		require.Equal(t, []string{"z1"}, r.IDs())
		require.Equal(t, bad, o.dead())
		stop()
	})
}

// The store fails to bury, before or after having done it.
func TestBuryFails(t *testing.T) {
	for _, after := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			o, r := new(outbox), new(eventtest.Recorder)
			var broken atomic.Bool
			broken.Store(true)
			o.OnBury = func(apply func()) error {
				if !broken.Load() || after {
					apply()
				}
				if broken.Load() {
					return errors.New("store is away")
				}
				return nil
			}
			o.post("a1", "a2", "b1")
			stop := run(t, &event.Pump{Outbox: o, Sink: refusing(r, event.Permanent(errors.New("no")), "a1")})
			time.Sleep(10 * time.Minute)
			require.Contains(t, r.IDs(), "b1", "the rest goes on")
			broken.Store(false)
			time.Sleep(2 * time.Minute)
			require.ElementsMatch(t, []string{"b1", "a2"}, r.IDs())
			require.Equal(t, []string{"a1"}, o.dead())
			require.Zero(t, o.left())
			stop()
		})
	}
}

// feed posts an event of subject z every second.
func feed(t *testing.T, o *outbox, until time.Duration) {
	t.Helper()
	for range int(until / time.Second) {
		o.post("z" + event.NewID())
		time.Sleep(time.Second)
	}
}

func TestGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r := new(outbox), new(eventtest.Recorder)
		o.post("a1", "a2")
		stop := run(t, &event.Pump{Outbox: o, Sink: refusing(r, eventtest.ErrInjected, "a1"), GiveUp: 10 * time.Minute})
		feed(t, o, 9*time.Minute)
		require.Empty(t, o.dead(), "too early")
		feed(t, o, 4*time.Minute)
		require.Equal(t, []string{"a1"}, o.dead())
		require.Contains(t, r.IDs(), "a2")
		stop()
	})
}

// Failing twice beside others is bad luck, however short GiveUp is.
func TestGiveUpNeedsProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r := new(outbox), new(eventtest.Recorder)
		fails := 3 // the first one proves nothing, as nothing was accepted before
		s := event.SinkFunc(func(ctx context.Context, e event.Event) error {
			if e.ID == "a1" && fails > 0 {
				fails--
				return eventtest.ErrInjected
			}
			return r.Publish(ctx, e)
		})
		o.post("a1")
		stop := run(t, &event.Pump{Outbox: o, Sink: s, GiveUp: 1, MinBackoff: 10 * time.Second})
		feed(t, o, 10*time.Minute)
		stop()
		require.Empty(t, o.dead())
		require.Contains(t, r.IDs(), "a1")
	})
}

func TestGiveUpNever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r := new(outbox), new(eventtest.Recorder)
		o.post("a1", "a2")
		stop := run(t, &event.Pump{Outbox: o, Sink: refusing(r, eventtest.ErrInjected, "a1")})
		feed(t, o, 5*time.Hour)
		require.Empty(t, o.dead())
		stop()
	})
}

// However long nothing is accepted, nothing is buried, nor is what was tried once when all is well again.
func TestOutageBuriesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, s := new(outbox), new(flaky)
		stop := run(t, &event.Pump{Outbox: o, Sink: s, GiveUp: 5 * time.Minute})
		o.post("z1")
		synctest.Wait()
		s.set("*")
		for i := range 500 {
			o.Post(event.Event{ID: fmt.Sprint("s", i), Type: event.CertificateIssued, Subject: fmt.Sprint(i % 250), Time: time.Now()})
		}
		time.Sleep(48 * time.Hour)
		s.set("s200") // back, except that one, which was tried rarely meanwhile, fails a little longer
		feed(t, o, 4*time.Minute)
		s.set("")
		time.Sleep(3 * time.Minute)
		require.Empty(t, o.dead())
		require.Zero(t, o.left())
		stop()
	})
}

// A sink behind a Filter that is down is not shown to be up by the events that the Filter drops, nor by
// those for another sink.
func TestOutageBehindFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, up := new(outbox), new(eventtest.Recorder)
		down := event.SinkFunc(func(context.Context, event.Event) error { return eventtest.ErrInjected })
		s := event.Multi(event.Filter(up, event.CertificateIssued, event.ConfigChanged), event.Filter(event.Multi(up, down), event.CertificateRevoked))
		o.Post(event.Event{ID: "a1", Type: event.CertificateRevoked, Subject: "a"})
		stop := run(t, &event.Pump{Outbox: o, Sink: s, GiveUp: time.Minute})
		for range 3600 {
			o.post("z" + event.NewID())
			o.Post(event.Event{ID: event.NewID(), Type: event.CRLPublished, Subject: "y"}) // nobody wants it
			time.Sleep(time.Second)
		}
		require.Empty(t, o.dead())
		require.Equal(t, 1, o.left())
		stop()
	})
}

// Where an event of another type goes the same way, it is a witness.
func TestGiveUpBehindFilter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r := new(outbox), new(eventtest.Recorder)
		s := event.Multi(event.Filter(refusing(r, eventtest.ErrInjected, "a1"), event.CertificateIssued, event.CertificateRevoked), r)
		o.Post(event.Event{ID: "a1", Type: event.CertificateRevoked, Subject: "a"})
		stop := run(t, &event.Pump{Outbox: o, Sink: s, GiveUp: time.Minute})
		feed(t, o, 5*time.Minute)
		require.Equal(t, []string{"a1"}, o.dead())
		stop()
	})
}

// A sink that names a time is left alone until then, and the event is not blamed.
func TestLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r := new(outbox), new(eventtest.Recorder)
		var at []time.Time
		s := event.SinkFunc(func(ctx context.Context, e event.Event) error {
			if e.ID == "a1" {
				at = append(at, time.Now())
				return fmt.Errorf("busy: %w", event.Later(errors.New("503"), 5*time.Minute))
			}
			return r.Publish(ctx, e)
		})
		o.post("a1")
		stop := run(t, &event.Pump{Outbox: o, Sink: s, GiveUp: time.Minute})
		feed(t, o, 59*time.Minute)
		stop()
		require.Empty(t, o.dead())
		require.Len(t, at, 12)
		require.Equal(t, 5*time.Minute, at[1].Sub(at[0]))
	})
}

// Neither the answer that asks for patience counts against the event, nor the time that it asked for.
func TestLaterNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, r := new(outbox), new(eventtest.Recorder)
		n := 0
		s := event.SinkFunc(func(ctx context.Context, e event.Event) error {
			if e.ID != "a1" {
				return r.Publish(ctx, e)
			}
			if n++; n%2 == 0 {
				return eventtest.ErrInjected
			}
			return event.Later(eventtest.ErrInjected, time.Minute)
		})
		o.post("a1")
		stop := run(t, &event.Pump{Outbox: o, Sink: s, GiveUp: time.Minute})
		feed(t, o, time.Hour)
		stop()
		require.Greater(t, n, 10)
		require.Empty(t, o.dead())
	})
}

// Asked by all, the pump pauses as a whole; no receiver can make it wait for more than a quarter of an hour.
func TestLaterAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := new(outbox)
		var n atomic.Int64
		s := event.SinkFunc(func(context.Context, event.Event) error {
			n.Add(1)
			return event.Later(errors.New("429"), 1000*time.Hour)
		})
		for c := 'a'; c <= 'z'; c++ {
			o.post(string(c) + "1")
		}
		stop := run(t, &event.Pump{Outbox: o, Sink: s})
		time.Sleep(14 * time.Minute)
		require.EqualValues(t, 8, n.Load())
		time.Sleep(2 * time.Minute)
		require.Greater(t, n.Load(), int64(8))
		stop()
	})
}
