package event_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/eventtest"
)

func TestLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, s := new(outbox), new(flaky)
		p := &event.Pump{Outbox: o, Sink: s, MaxBackoff: time.Second}
		require.Zero(t, p.Lag(), "before Run")
		stop := run(t, p)
		o.post("a1")
		time.Sleep(time.Minute)
		require.Zero(t, p.Lag(), "all is delivered")
		s.set("b1 c1")
		o.post("b1")
		time.Sleep(time.Minute)
		o.post("c1", "d1")
		time.Sleep(time.Minute)
		require.Equal(t, 2*time.Minute, p.Lag().Round(time.Second))
		s.set("c1")
		time.Sleep(2 * time.Second)
		require.Equal(t, time.Minute+2*time.Second, p.Lag().Round(time.Second))
		s.set("*") // down
		for c := 'e'; c <= 'z'; c++ {
			o.post(string(c) + "1")
			time.Sleep(time.Minute)
		}
		require.Equal(t, 23*time.Minute+2*time.Second, p.Lag().Round(time.Second))
		s.set("")
		time.Sleep(time.Minute)
		require.Zero(t, p.Lag())

		o.Post(event.Event{ID: "future", Subject: "f", Time: time.Now().Add(time.Hour)}, event.Event{ID: "timeless", Subject: "t"})
		s.set("*")
		time.Sleep(time.Minute)
		require.Zero(t, p.Lag())
		stop()
	})
}

// An event that hangs in the sink is lagging already.
func TestLagWhilePublishing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := new(outbox)
		o.post("a1")
		p := &event.Pump{Outbox: o, Sink: &eventtest.Slow{Sink: new(eventtest.Recorder), Delay: time.Hour}, Timeout: 2 * time.Hour}
		stop := run(t, p)
		time.Sleep(30 * time.Minute)
		require.Equal(t, 30*time.Minute, p.Lag())
		time.Sleep(31 * time.Minute)
		require.Zero(t, p.Lag())
		stop()
	})
}
