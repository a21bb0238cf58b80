package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
)

func endingPages(t *testing.T, s authority.Store) {
	ctx := context.Background()
	for _, n := range []int{5, 1, 9, 3, 7, 2, 8, 4, 6, 0} { // not in the order of their ends
		r := Record(n)
		require.NoError(t, s.Reserve(ctx, r, Spend("")))
		if n != 4 {
			require.NoError(t, s.Commit(ctx, r.Serial, Certificate(r.TBS), issuedAt, nil))
		}
	}
	require.NoError(t, s.Revoke(ctx, &authority.Revocation{Serial: serial(6), RevokedAt: issuedAt}, nil, Spend(""), nil))
	twin := Record(20)
	twin.NotAfter = Record(5).NotAfter // two that end together
	require.NoError(t, s.Reserve(ctx, twin, Spend("")))
	require.NoError(t, s.Commit(ctx, twin.Serial, Certificate(twin.TBS), issuedAt, nil))

	from, until := Record(2).NotAfter, Record(9).NotAfter
	for _, limit := range []int{0, 1, 2, 3} {
		var got []authority.Serial
		for cursor := ""; ; {
			p, err := s.Ending(ctx, from, until, cursor, limit)
			require.NoError(t, err)
			got = append(got, serials(p.Records)...)
			if cursor = p.Next; cursor == "" {
				break
			}
		}
		require.Equal(t, []authority.Serial{serial(2), serial(3), serial(5), serial(20), serial(7), serial(8)}, got, "limit %d", limit)
	}
	p, err := s.Ending(ctx, until.Add(time.Hour), until.Add(2*time.Hour), "", 0)
	require.NoError(t, err)
	require.Empty(t, p.Records)
	_, err = s.Ending(ctx, from, until, "not a cursor", 0)
	require.ErrorIs(t, err, authority.ErrCursor)
}
