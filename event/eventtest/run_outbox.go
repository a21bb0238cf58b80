package eventtest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/event"
)

// OpenOutbox returns an empty outbox, a function that posts to it, and one that returns its dead letters
// in any order.
type OpenOutbox func(t *testing.T) (o event.Outbox, post func(...event.Event), dead func() []event.DeadLetter)

// RunOutbox tests an outbox.
func RunOutbox(t *testing.T, open OpenOutbox) {
	seqs := func(ps []event.Posted) (out []int64) {
		for _, p := range ps {
			out = append(out, p.Seq)
		}
		return out
	}
	t.Run("Pending", func(t *testing.T) {
		o, post, dead := open(t)
		got, err := o.Pending(t.Context(), 0, 10)
		require.NoError(t, err)
		require.Empty(t, got)
		post(Samples()...)
		all, err := o.Pending(t.Context(), 0, 100)
		require.NoError(t, err)
		require.Len(t, all, len(Samples()))
		for i, p := range all {
			require.Equal(t, Samples()[i], p.Event)
			require.Greater(t, p.Seq, int64(0))
			require.True(t, i == 0 || p.Seq > all[i-1].Seq, "not oldest first")
		}
		got, err = o.Pending(t.Context(), all[2].Seq, 2)
		require.NoError(t, err)
		require.Equal(t, all[3:5], got)
		require.Empty(t, dead())
	})
	t.Run("Delivered", func(t *testing.T) {
		o, post, dead := open(t)
		post(Samples()[:4]...)
		all, err := o.Pending(t.Context(), 0, 10)
		require.NoError(t, err)
		for range 2 {
			require.NoError(t, o.Delivered(t.Context(), []int64{all[1].Seq, all[3].Seq, all[3].Seq + 1000, -1}), "unknown and delivered ones are ignored")
		}
		got, err := o.Pending(t.Context(), 0, 10)
		require.NoError(t, err)
		require.Equal(t, []int64{all[0].Seq, all[2].Seq}, seqs(got))
		require.Empty(t, dead())
	})
	t.Run("Bury", func(t *testing.T) {
		o, post, dead := open(t)
		post(Samples()[:3]...)
		all, err := o.Pending(t.Context(), 0, 10)
		require.NoError(t, err)
		require.NoError(t, o.Delivered(t.Context(), []int64{all[2].Seq}))
		before := time.Now()
		require.NoError(t, o.Bury(t.Context(), all[0].Seq, "too large"))
		require.NoError(t, o.Bury(t.Context(), all[0].Seq, "again"), "a dead letter is not buried twice")
		require.NoError(t, o.Bury(t.Context(), all[2].Seq, "delivered"))
		require.NoError(t, o.Bury(t.Context(), all[2].Seq+1000, "unknown"))
		got, err := o.Pending(t.Context(), 0, 10)
		require.NoError(t, err)
		require.Equal(t, all[1:2], got)
		require.Len(t, dead(), 1)
		require.Equal(t, all[0].Event, dead()[0].Event)
		require.Equal(t, "too large", dead()[0].Reason)
		require.WithinRange(t, dead()[0].BuriedAt, before.Add(-time.Second), time.Now().Add(time.Second))
	})
}
