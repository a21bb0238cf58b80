package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/stretchr/testify/require"
)

func marks(t *testing.T, s authority.Store) {
	ctx := context.Background()
	mark := func(name string) time.Time {
		at, err := s.Mark(ctx, name)
		require.NoError(t, err)
		return at
	}
	require.True(t, mark("a").IsZero())
	for _, at := range []time.Time{issuedAt, issuedAt.Add(time.Hour), issuedAt.Add(-time.Hour), {}} { // it may go back
		require.NoError(t, s.SetMark(ctx, "a", at.In(time.FixedZone("", 3600)).Add(999)))
		require.Equal(t, at.UTC(), mark("a"), "to the microsecond, in UTC")
	}
	require.NoError(t, s.SetMark(ctx, "b", issuedAt))
	require.True(t, mark("a").IsZero())
	require.True(t, mark("B").IsZero())
	require.True(t, mark("").IsZero())
}
