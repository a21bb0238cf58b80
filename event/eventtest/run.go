package eventtest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/event"
)

// Open returns a sink and a function that returns what has arrived at its other end, in order. The
// function waits until everything that Publish returned nil for is there.
type Open func(t *testing.T) (s event.Sink, arrived func() []event.Event)

// Run tests a sink.
func Run(t *testing.T, open Open) {
	t.Run("Types", func(t *testing.T) {
		s, arrived := open(t)
		for _, e := range Samples() {
			require.NoError(t, s.Publish(t.Context(), e), e.Type)
		}
		require.Equal(t, Samples(), arrived())
	})
	t.Run("Repeats", func(t *testing.T) {
		s, arrived := open(t)
		e := Samples()[0]
		for range 3 {
			require.NoError(t, s.Publish(t.Context(), e), "an ID that was published before is no error")
		}
		got := arrived()
		require.NotEmpty(t, got) // once, or as often as it was told
		for _, g := range got {
			require.Equal(t, e, g)
		}
	})
	t.Run("Cancelled", func(t *testing.T) {
		s, arrived := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Publish(ctx, Samples()[0]); err == nil {
			require.Len(t, arrived(), 1, "no error, and no event")
		}
		require.NoError(t, s.Publish(t.Context(), Samples()[1]), "a cancelled call must not spoil the next one")
	})
	t.Run("Concurrency", func(t *testing.T) { runConcurrency(t, open) })
}

func runConcurrency(t *testing.T, open Open) {
	s, arrived := open(t)
	const workers, each = 8, 25
	var wg sync.WaitGroup
	errs := make(chan error, workers*each)
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				e := event.Event{
					ID: fmt.Sprintf("%d-%03d", w, i), Type: event.CertificateIssued, Source: "/ca", Subject: fmt.Sprint(w),
					Time: time.Unix(int64(i), 0).UTC(), Data: event.Certificate{Serial: fmt.Sprint(w)},
				}
				errs <- s.Publish(t.Context(), e)
			}
		})
	}
	wg.Wait()
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
	got := arrived()
	requireFirstsInOrder(t, got)
	seen := map[string]bool{}
	for _, e := range got {
		seen[e.ID] = true
	}
	require.Len(t, seen, workers*each)
}
