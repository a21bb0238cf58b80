package event_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/eventtest"
)

func TestMulti(t *testing.T) {
	var a, b eventtest.Recorder
	s := event.Multi(&a, &eventtest.Failing{}, eventtest.Panicking{}, &b)
	err := s.Publish(t.Context(), eventtest.Samples()[0])
	require.ErrorIs(t, err, eventtest.ErrInjected)
	require.ErrorContains(t, err, "panicked")
	require.Len(t, a.Events(), 1)
	require.Len(t, b.Events(), 1)
	require.NoError(t, event.Multi().Publish(t.Context(), eventtest.Samples()[0]))
}

func TestFilter(t *testing.T) {
	var some, none eventtest.Recorder
	s := event.Multi(event.Filter(&some, event.CertificateIssued, event.CRLPublished), event.Filter(&none))
	for _, e := range eventtest.Samples() {
		require.NoError(t, s.Publish(t.Context(), e))
	}
	require.Len(t, some.Events(), 2)
	require.Empty(t, none.Events())
}

func TestAs(t *testing.T) {
	want := new(eventtest.Recorder)
	s := event.Multi(event.SinkFunc(func(context.Context, event.Event) error { return nil }), event.Filter(&eventtest.Slow{Sink: want}))
	got, ok := event.As[*eventtest.Recorder](s)
	require.True(t, ok)
	require.Same(t, want, got)
	_, ok = event.As[eventtest.Panicking](s)
	require.False(t, ok)
	_, ok = event.As[*eventtest.Recorder](nil)
	require.False(t, ok)
}

func TestSinks(t *testing.T) {
	for name, wrap := range map[string]func(event.Sink) event.Sink{
		"Recorder": func(s event.Sink) event.Sink { return s },
		"Func":     func(s event.Sink) event.Sink { return event.SinkFunc(s.Publish) },
		"Multi":    func(s event.Sink) event.Sink { return event.Multi(new(eventtest.Recorder), s) },
		"Filter":   func(s event.Sink) event.Sink { return event.Filter(s, event.Types()...) },
		"Slow":     func(s event.Sink) event.Sink { return &eventtest.Slow{Sink: s} },
		"Failing": func(s event.Sink) event.Sink {
			return &eventtest.Failing{Sink: s, When: func(event.Event) bool { return false }}
		},
	} {
		t.Run(name, func(t *testing.T) {
			eventtest.Run(t, func(*testing.T) (event.Sink, func() []event.Event) {
				r := new(eventtest.Recorder)
				return wrap(r), r.Events
			})
		})
	}
}
