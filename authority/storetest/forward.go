package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/stretchr/testify/require"
)

// outboxForward reads with posters at work, never looking back, and must not miss an event.
func outboxForward(t *testing.T, s authority.Store) {
	ctx := context.Background()
	const posters, each = 8, 25
	var wg sync.WaitGroup
	for p := range posters {
		wg.Go(func() {
			for i := range each {
				if err := s.Post(ctx, append(posts(fmt.Sprint(p, " ", i), "sink", "other"), posts(fmt.Sprint(p, " ", i, " too"), "sink")...)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	seen, last := map[string]bool{}, int64(0)
	give := time.Now().Add(30 * time.Second)
	for len(seen) < 2*posters*each && time.Now().Before(give) {
		events, err := s.Outbox(ctx, "sink", last, 7)
		require.NoError(t, err)
		for _, e := range events {
			require.Greater(t, e.Seq, last)
			require.False(t, seen[e.Event.ID])
			last, seen[e.Event.ID] = e.Seq, true
		}
		if len(events) == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	wg.Wait()
	require.Len(t, seen, 2*posters*each, "some appeared behind the reader")
}
