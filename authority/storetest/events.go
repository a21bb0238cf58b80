package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/stretchr/testify/require"
)

// postAt posts an event of that moment.
func postAt(t *testing.T, s authority.Store, id, sink string, at time.Time) {
	t.Helper()
	p := posts(id, sink)
	p[0].Event.Time = at
	require.NoError(t, s.Post(context.Background(), p))
}

func pruneEvents(t *testing.T, s authority.Store) {
	ctx := context.Background()
	keep := issuedAt
	for _, sink := range []string{"a", "gone", "z gone"} {
		postAt(t, s, "young", sink, keep)
		postAt(t, s, "old", sink, keep.Add(-time.Microsecond))
		postAt(t, s, "dead", sink, keep.Add(-time.Hour))
		postAt(t, s, "long dead", sink, keep)
		events := outbox(t, s, sink)
		require.NoError(t, s.Bury(ctx, sink, events[2].Seq, "reason", keep))
		require.NoError(t, s.Bury(ctx, sink, events[3].Seq, "reason", keep.Add(-time.Microsecond)))
	}
	p := authority.Prune{Now: time.Unix(0, 0), Sinks: []string{"b", "a"}}
	got, err := s.Prune(ctx, p)
	require.NoError(t, err)
	require.Equal(t, authority.Pruned{}, got, "zero Events keeps all")
	p.Events = keep
	got, err = s.Prune(ctx, p)
	require.NoError(t, err)
	require.Equal(t, authority.Pruned{Events: 5}, got)
	require.Len(t, outbox(t, s, "a"), 2, "an undelivered event of a sink that is there was deleted")
	for _, sink := range []string{"a", "gone", "z gone"} {
		dead := buried(t, s, sink)
		require.Len(t, dead, 1)
		require.Equal(t, "dead", dead[0].Event.ID, "it is when it was buried that counts")
	}
	for _, sink := range []string{"gone", "z gone"} {
		events := outbox(t, s, sink)
		require.Len(t, events, 1)
		require.Equal(t, "young", events[0].Event.ID)
	}
}

func pruneEventsBudget(t *testing.T, s authority.Store) {
	ctx := context.Background()
	for n := range 30 {
		postAt(t, s, fmt.Sprint(n), fmt.Sprint("sink ", n%3), issuedAt.Add(time.Duration(n)*time.Second))
	}
	p := authority.Prune{Now: time.Unix(0, 0), Events: issuedAt.Add(25 * time.Second), Sinks: []string{"sink 1"}, Limit: 7}
	total := 0
	for range 100 {
		got, err := s.Prune(ctx, p)
		require.NoError(t, err)
		require.LessOrEqual(t, got.Events, 7)
		total += got.Events
		if !got.More {
			break
		}
		require.Equal(t, 7, got.Events)
	}
	require.Equal(t, 17, total)
	require.Len(t, outbox(t, s, "sink 0"), 1)
	require.Len(t, outbox(t, s, "sink 1"), 10)
	require.Len(t, outbox(t, s, "sink 2"), 2)
}
