package storetest

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/stretchr/testify/require"
)

func leaseExclusive(t *testing.T, s authority.Store) {
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, "value"))
	defer cancel()
	name := t.Name() // the processes may share more than this store
	first, release, err := s.Lease(ctx, name)
	require.NoError(t, err)
	require.Equal(t, "value", first.Value(key{}))
	_, _, err = s.Lease(ctx, name)
	require.ErrorIs(t, err, authority.ErrHeld)
	other, releaseOther, err := s.Lease(ctx, name+" of another name")
	require.NoError(t, err)
	require.NoError(t, first.Err())
	release()
	require.Error(t, first.Err())
	require.NoError(t, other.Err())

	second, releaseSecond, err := s.Lease(ctx, name)
	require.NoError(t, err)
	release() // once more: not the second one's
	require.NoError(t, second.Err())
	_, _, err = s.Lease(ctx, name)
	require.ErrorIs(t, err, authority.ErrHeld)

	cancel()
	for _, held := range []context.Context{second, other} {
		select {
		case <-held.Done():
		case <-time.After(10 * time.Second):
			require.Fail(t, "a lease outlived the context it was derived from")
		}
	}
	releaseSecond()
	releaseOther()
	_, release, err = s.Lease(context.Background(), name)
	require.NoError(t, err)
	release()
}

func leaseRace(t *testing.T, s authority.Store) {
	ctx := context.Background()
	name := t.Name()
	var holders, turns atomic.Int32
	together(t, func(int) error {
		for range 5 {
			_, release, err := s.Lease(ctx, name)
			if err != nil {
				return err
			}
			if n := holders.Add(1); n != 1 {
				t.Errorf("%d hold it", n)
			}
			turns.Add(1)
			time.Sleep(time.Millisecond)
			holders.Add(-1)
			release()
		}
		return nil
	}, authority.ErrHeld)
	require.Positive(t, turns.Load())
	_, release, err := s.Lease(ctx, name)
	require.NoError(t, err, "it is free afterwards")
	release()
}
