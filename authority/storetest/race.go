package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/stretchr/testify/require"
)

// together runs f 64 times at once and counts the nil errors. Others must match one of allowed.
func together(t *testing.T, f func(i int) error, allowed ...error) int {
	t.Helper()
	var wg sync.WaitGroup
	var won atomic.Int32
	start := make(chan struct{})
	for i := range 64 {
		wg.Go(func() {
			<-start
			err := f(i)
			if err == nil {
				won.Add(1)
				return
			}
			for _, a := range allowed {
				if errors.Is(err, a) {
					return
				}
			}
			t.Errorf("call %d: %v", i, err)
		})
	}
	close(start)
	wg.Wait()
	return int(won.Load())
}

func raceSpend(t *testing.T, s authority.Store) {
	won := together(t, func(i int) error { return s.Reserve(context.Background(), Record(i), Spend("token")) }, authority.ErrSpent)
	require.Equal(t, 1, won)
	require.Len(t, list(t, s, authority.Query{}), 1)
}

func raceSerial(t *testing.T, s authority.Store) {
	ctx := context.Background()
	var winner atomic.Int32
	won := together(t, func(i int) error {
		r := Record(i)
		r.Serial = "abc"
		err := s.Reserve(ctx, r, Spend(fmt.Sprint(i)))
		if err == nil {
			winner.Store(int32(i))
		}
		return err
	}, authority.ErrExists)
	require.Equal(t, 1, won)
	require.Equal(t, Record(int(winner.Load())).Subject, get(t, s, "abc").Subject)
	again := together(t, func(i int) error { return s.Reserve(ctx, Record(100+i), Spend(fmt.Sprint(i))) }, authority.ErrSpent)
	require.Equal(t, 63, again, "all but the winner's credential are free")
}

func raceCommit(t *testing.T, s authority.Store) {
	ctx := context.Background()
	for round := range 5 {
		r := reserve(t, s, round)
		var committed, dropped atomic.Int32
		together(t, func(i int) error {
			if i%2 == 0 {
				err := s.Commit(ctx, r.Serial, Certificate(r.TBS), issuedAt, posts(fmt.Sprint(round), fmt.Sprint("sink", round)))
				if err == nil {
					committed.Add(1)
				}
				return err
			}
			err := s.Abandon(ctx, r.Serial, true, issuedAt, posts(fmt.Sprint(round), fmt.Sprint("sink", round)))
			if err == nil {
				dropped.Add(1)
			}
			return err
		}, authority.ErrState)
		if get(t, s, r.Serial).Status == authority.Issued {
			require.EqualValues(t, 32, committed.Load(), "the same certificate again is no error")
			require.Zero(t, dropped.Load())
		} else {
			require.Zero(t, committed.Load())
			require.EqualValues(t, 1, dropped.Load())
		}
		require.Len(t, outbox(t, s, fmt.Sprint("sink", round)), 1)
	}
}

func raceRevoke(t *testing.T, s authority.Store) {
	ctx := context.Background()
	known := Record(1)
	won := together(t, func(i int) error {
		v := revocation(1)
		v.By = fmt.Sprint(i)
		return s.Revoke(ctx, v, known, Spend(fmt.Sprint(i)), posts(v.By, "sink"))
	}, authority.ErrRevoked)
	require.Equal(t, 1, won)
	require.Equal(t, outbox(t, s, "sink")[0].Event.ID, get(t, s, serial(1)).Revocation.By)
	require.Len(t, outbox(t, s, "sink"), 1)
}

// raceAll is for the race detector, and for what must hold whatever the order.
func raceAll(t *testing.T, s authority.Store) {
	ctx := context.Background()
	together(t, func(i int) error {
		r := Record(i)
		if err := s.Reserve(ctx, r, Spend(fmt.Sprint(i))); err != nil {
			return err
		}
		if err := s.Commit(ctx, r.Serial, Certificate(r.TBS), issuedAt, posts(string(r.Serial), "sink")); err != nil {
			return err
		}
		if got, err := s.Certificate(ctx, r.Serial); err != nil || got.Status != authority.Issued {
			return fmt.Errorf("not there after Commit: %v", err)
		}
		if i%2 == 0 {
			if err := s.Revoke(ctx, revocation(i), nil, provisioner.Spend{}, nil); err != nil {
				return err
			}
		}
		if _, err := s.List(ctx, authority.Query{Limit: 5}); err != nil {
			return err
		}
		if _, err := s.Prune(ctx, authority.Prune{Now: time.Unix(0, 0), Limit: 5}); err != nil {
			return err
		}
		_, err := s.Outbox(ctx, "sink", 0, 5)
		return err
	})
	revoked := true
	require.Len(t, list(t, s, authority.Query{Status: authority.Issued}), 64)
	require.Len(t, list(t, s, authority.Query{Revoked: &revoked}), 32)
	require.Len(t, outbox(t, s, "sink"), 64)
}
