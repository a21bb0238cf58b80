package event_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/eventtest"
)

// page is a writer that takes only so much of each Write.
type page struct {
	bytes.Buffer
	writes, takes int
	err           error
}

func (p *page) Write(b []byte) (int, error) {
	p.writes++
	if p.takes >= 0 && p.takes < len(b) {
		n, _ := p.Buffer.Write(b[:p.takes])
		return n, p.err
	}
	return p.Buffer.Write(b)
}

// lines decodes what was written; what is no event is counted.
func lines(t *testing.T, b []byte) (events []event.Event, torn int) {
	t.Helper()
	require.True(t, len(b) == 0 || b[len(b)-1] == '\n')
	for _, l := range bytes.Split(bytes.TrimSuffix(b, []byte("\n")), []byte("\n")) {
		var e event.Event
		if json.Unmarshal(l, &e) != nil {
			torn++
			continue
		}
		events = append(events, e)
	}
	return events, torn
}

func TestJSONLines(t *testing.T) {
	eventtest.Run(t, func(t *testing.T) (event.Sink, func() []event.Event) {
		w := &page{takes: -1}
		return event.NewJSONLines(w), func() []event.Event {
			events, torn := lines(t, w.Bytes())
			require.Zero(t, torn)
			require.Equal(t, len(events), w.writes, "one Write per line")
			return events
		}
	})
}

func TestJSONLinesTorn(t *testing.T) {
	e := eventtest.Samples()
	for _, takes := range []int{0, 1, 10, 50} {
		w := &page{takes: takes, err: errors.New("disk full")}
		s := event.NewJSONLines(w)
		require.ErrorIs(t, s.Publish(t.Context(), e[0]), w.err)
		require.ErrorIs(t, s.Publish(t.Context(), e[0]), w.err)
		w.err = nil // a writer that breaks its promise
		require.Error(t, s.Publish(t.Context(), e[0]))
		w.takes = -1
		require.NoError(t, s.Publish(t.Context(), e[0]))
		require.NoError(t, s.Publish(t.Context(), e[1]))
		events, torn := lines(t, w.Bytes())
		require.Equal(t, e[:2], events)
		require.LessOrEqual(t, torn, 3)
	}
	w := &page{takes: -1}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, event.NewJSONLines(w).Publish(ctx, e[0]), context.Canceled)
	require.ErrorIs(t, event.NewJSONLines(w).Publish(t.Context(), event.Event{Time: time.Unix(1<<40, 0)}), event.ErrPermanent)
	require.Zero(t, w.writes)
}
