package storetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/stretchr/testify/require"
)

// raceHold has a hold released and made final at the same time.
func raceHold(t *testing.T, s authority.Store) {
	ctx := context.Background()
	for n := range 5 {
		issue(t, s, n)
		revoke(t, s, hold(n))
		var final, released atomic.Int32
		sink := fmt.Sprint("sink", n)
		together(t, func(i int) error {
			if i%2 == 0 {
				err := s.Revoke(ctx, revocation(n), nil, Spend(fmt.Sprint(n, i)), posts("final", sink))
				if err == nil {
					final.Add(1)
				}
				return err
			}
			err := s.Release(ctx, serial(n), issuedAt, posts("released", sink))
			if err == nil {
				released.Add(1)
			}
			return err
		}, authority.ErrRevoked, authority.ErrState)
		require.EqualValues(t, 1, final.Load())
		require.LessOrEqual(t, released.Load(), int32(1))
		require.Len(t, outbox(t, s, sink), int(final.Load()+released.Load()))
		require.Equal(t, revocation(n), get(t, s, serial(n)).Revocation)
		require.Equal(t, changeOf(n, 1, revocation(n).RevokedAt), changes(t, s, authority.ChangeQuery{Issuer: "default"})[serial(n)])
	}
}

// raceDrop abandons and holds at the same time: neither may forget the other.
func raceDrop(t *testing.T, s authority.Store) {
	ctx := context.Background()
	for n := range 10 {
		reserve(t, s, n)
		var held, dropped atomic.Int32
		together(t, func(i int) error {
			switch i % 8 {
			case 0:
				err := s.Revoke(ctx, hold(n), nil, provisioner.Spend{}, nil)
				if err == nil {
					held.Add(1)
				}
				return err
			case 1:
				err := s.Abandon(ctx, serial(n), false, issuedAt, nil)
				if err == nil {
					dropped.Add(1)
				}
				return err
			case 2:
				rs, err := s.Reconcile(ctx, Record(n+1).ReservedAt, issuedAt, 10, nil)
				dropped.Add(int32(len(rs)))
				return err
			}
			return nil
		}, authority.ErrRevoked, authority.ErrState)
		require.EqualValues(t, 1, held.Load())
		require.EqualValues(t, 1, dropped.Load())
		require.Equal(t, hold(n), get(t, s, serial(n)).Revocation)
		require.NoError(t, s.Release(ctx, serial(n), issuedAt.Add(time.Hour), nil))
		require.Equal(t, changeOf(n, 0, issuedAt), changes(t, s, authority.ChangeQuery{Issuer: "default"})[serial(n)])
	}
}

// raceDead buries, replays and delivers the same events at the same time: none is there twice.
func raceDead(t *testing.T, s authority.Store) {
	ctx := context.Background()
	events := post(t, s, "sink", 8)
	var seqs []int64
	for _, e := range events {
		seqs = append(seqs, e.Seq)
	}
	together(t, func(i int) error {
		return s.Bury(ctx, "sink", seqs[i%8], fmt.Sprint(i), issuedAt)
	})
	require.Empty(t, outbox(t, s, "sink"))
	require.Len(t, buried(t, s, "sink"), 8)
	together(t, func(i int) error {
		if i%8 == 7 {
			return s.Delivered(ctx, "sink", seqs[:2])
		}
		return s.Replay(ctx, "sink", seqs)
	})
	require.Empty(t, buried(t, s, "sink"))
	seen := map[string]bool{}
	for _, e := range outbox(t, s, "sink") {
		require.False(t, seen[e.Event.ID], "%s is there twice", e.Event.ID)
		seen[e.Event.ID] = true
	}
	for _, e := range events[2:] {
		require.True(t, seen[e.Event.ID])
	}
}

// racePrune prunes what others work on.
func racePrune(t *testing.T, s authority.Store) {
	ctx := context.Background()
	for n := range 64 {
		issue(t, s, n)
		require.NoError(t, s.Post(ctx, posts(fmt.Sprint(n), "gone")))
	}
	var certificates, events atomic.Int32
	together(t, func(i int) error {
		if i%4 != 0 {
			return s.Revoke(ctx, hold(i), nil, provisioner.Spend{}, nil)
		}
		for more := true; more; {
			got, err := s.Prune(ctx, authority.Prune{Now: time.Unix(0, 0), Certificates: Record(100).NotAfter, Events: issuedAt.Add(time.Hour), Limit: 10})
			if err != nil {
				return err
			}
			certificates.Add(int32(got.Certificates))
			events.Add(int32(got.Events))
			more = got.More
		}
		return nil
	}, authority.ErrNotFound)
	require.EqualValues(t, 64, certificates.Load())
	require.EqualValues(t, 64, events.Load())
	require.Empty(t, list(t, s, authority.Query{}))
	require.Empty(t, list(t, s, authority.Query{Name: "10.0.0.1"}))
	require.Empty(t, changes(t, s, authority.ChangeQuery{Issuer: "default"}))
}
