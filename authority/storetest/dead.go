package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/stretchr/testify/require"
)

func buried(t *testing.T, s authority.Store, sink string) []authority.DeadLetter {
	t.Helper()
	d, err := s.Buried(context.Background(), sink, 0, 1000)
	require.NoError(t, err)
	return d
}

// post posts events with the ids 0, 1, … to a sink, and returns them as they are in its outbox.
func post(t *testing.T, s authority.Store, sink string, n int) []authority.Posted {
	t.Helper()
	for i := range n {
		require.NoError(t, s.Post(context.Background(), posts(fmt.Sprint(i), sink)))
	}
	return outbox(t, s, sink)
}

func deadLetters(t *testing.T, s authority.Store) {
	ctx := context.Background()
	a, b := post(t, s, "a", 5), post(t, s, "b", 1)
	require.Empty(t, buried(t, s, "a"))
	at := issuedAt.Add(time.Minute)
	for _, n := range []int{3, 1, 2} { // not in their order
		require.NoError(t, s.Bury(ctx, "a", a[n].Seq, fmt.Sprint("reason ", n), at))
	}
	require.NoError(t, s.Bury(ctx, "a", a[1].Seq, "again", at.Add(time.Hour)))
	require.NoError(t, s.Bury(ctx, "a", b[0].Seq, "another sink's", at))
	require.NoError(t, s.Bury(ctx, "a", 987654321, "unknown", at))
	require.NoError(t, s.Bury(ctx, "nobody", a[0].Seq, "unknown", at))
	dead := func(n int) authority.DeadLetter {
		return authority.DeadLetter{Posted: a[n], Reason: fmt.Sprint("reason ", n), BuriedAt: at}
	}
	require.Equal(t, []authority.Posted{a[0], a[4]}, outbox(t, s, "a"))
	require.Equal(t, b, outbox(t, s, "b"))
	require.Equal(t, []authority.DeadLetter{dead(1), dead(2), dead(3)}, buried(t, s, "a"))
	require.Empty(t, buried(t, s, "b"))
	d, err := s.Buried(ctx, "a", a[1].Seq, 1)
	require.NoError(t, err)
	require.Equal(t, []authority.DeadLetter{dead(2)}, d)

	require.NoError(t, s.Delivered(ctx, "b", []int64{a[2].Seq}), "another sink's")
	require.NoError(t, s.Delivered(ctx, "a", []int64{a[2].Seq, a[0].Seq, 987654321}))
	require.Equal(t, []authority.DeadLetter{dead(1), dead(3)}, buried(t, s, "a"))
	require.Equal(t, a[4:], outbox(t, s, "a"))
	require.NoError(t, s.Bury(ctx, "a", a[0].Seq, "delivered already", at))
	require.Len(t, buried(t, s, "a"), 2)
}

func deadReplay(t *testing.T, s authority.Store) {
	ctx := context.Background()
	a, b := post(t, s, "a", 5), post(t, s, "b", 1)
	for n := range 4 {
		require.NoError(t, s.Bury(ctx, "a", a[n].Seq, "reason", issuedAt))
	}
	require.NoError(t, s.Bury(ctx, "b", b[0].Seq, "reason", issuedAt))
	seqs := []int64{a[2].Seq, a[0].Seq, a[2].Seq, a[4].Seq, b[0].Seq, 987654321}
	require.NoError(t, s.Replay(ctx, "a", seqs))
	require.NoError(t, s.Replay(ctx, "a", seqs), "again")
	require.NoError(t, s.Replay(ctx, "nobody", seqs))
	got := outbox(t, s, "a")
	require.Len(t, got, 3)
	for i, n := range []int{4, 0, 2} { // what was waiting, then the others in their order
		require.Equal(t, a[n].Event, got[i].Event)
	}
	require.Equal(t, a[4], got[0])
	require.Greater(t, got[1].Seq, b[0].Seq, "whoever reads on from there never sees it")
	require.Greater(t, got[2].Seq, got[1].Seq)
	dead := buried(t, s, "a")
	require.Len(t, dead, 2)
	require.Equal(t, []authority.Posted{a[1], a[3]}, []authority.Posted{dead[0].Posted, dead[1].Posted})
	require.Len(t, buried(t, s, "b"), 1)
	require.NoError(t, s.Bury(ctx, "a", got[1].Seq, "once more", issuedAt))
	require.Len(t, buried(t, s, "a"), 3)
}

func deadBacklog(t *testing.T, s authority.Store) {
	ctx := context.Background()
	at := func(minutes int) time.Time { return issuedAt.Add(time.Duration(minutes) * time.Minute) }
	backlog := func() authority.Backlog {
		t.Helper()
		b, err := s.Backlog(ctx, "a")
		require.NoError(t, err)
		return b
	}
	require.Zero(t, backlog())
	for _, n := range []int{5, 3, 4} { // not in the order in which it happened
		p := posts(fmt.Sprint(n), "a", "b")
		p[0].Event.Time = at(n)
		require.NoError(t, s.Post(ctx, p))
	}
	require.Equal(t, authority.Backlog{Waiting: at(3)}, backlog())
	all := outbox(t, s, "a")
	require.NoError(t, s.Bury(ctx, "a", all[1].Seq, "no", at(100)))
	require.Equal(t, authority.Backlog{Waiting: at(4), Dead: at(3)}, backlog())
	require.NoError(t, s.Delivered(ctx, "a", []int64{all[0].Seq, all[2].Seq}))
	require.Equal(t, authority.Backlog{Dead: at(3)}, backlog())

	// A mandatory sink's dead letters stay.
	p := authority.Prune{Now: time.Unix(0, 0), Events: at(1000), Sinks: []string{"a", "b"}, Mandatory: []string{"a"}}
	done, err := s.Prune(ctx, p)
	require.NoError(t, err)
	require.Zero(t, done.Events)
	require.Len(t, buried(t, s, "a"), 1)
	p.Mandatory = []string{"b"}
	done, err = s.Prune(ctx, p)
	require.NoError(t, err)
	require.Equal(t, 1, done.Events)
	require.Zero(t, backlog())
}
