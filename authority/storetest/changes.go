package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/stretchr/testify/require"
)

// changeOf is the change of Record(n), without a revision.
func changeOf(n, reason int, at time.Time) authority.Change {
	r := Record(n)
	return authority.Change{Serial: r.Serial, Shard: r.Shard, ReasonCode: reason, At: at, NotAfter: r.NotAfter}
}

// changes returns all that q chooses, without revisions.
func changes(t require.TestingT, s authority.Store, q authority.ChangeQuery) map[authority.Serial]authority.Change {
	out := map[authority.Serial]authority.Change{}
	for {
		p, err := s.Changes(context.Background(), q)
		require.NoError(t, err)
		for _, c := range p.Changes {
			require.NotContains(t, out, c.Serial, "twice")
			require.Greater(t, c.Revision, q.Above)
			c.Revision = 0
			out[c.Serial] = c
		}
		if q.Cursor = p.Next; p.Next == "" {
			return out
		}
	}
}

func changesListed(t *testing.T, s authority.Store) {
	ctx := context.Background()
	require.Empty(t, changes(t, s, authority.ChangeQuery{Issuer: "default"}))
	issue(t, s, 1)
	revoke(t, s, revocation(1))
	issue(t, s, 2)
	revoke(t, s, hold(2))
	reserve(t, s, 3)
	require.NoError(t, s.Abandon(ctx, serial(3), false, issuedAt, nil))
	reserve(t, s, 4)
	require.NoError(t, s.Abandon(ctx, serial(4), true, issuedAt, nil))
	issue(t, s, 5)
	revoke(t, s, hold(5))
	require.NoError(t, s.Release(ctx, serial(5), issuedAt, nil))
	known := Record(6)
	known.Issuer = "other"
	require.NoError(t, s.Revoke(ctx, revocation(6), known, provisioner.Spend{}, nil))
	reserve(t, s, 7)
	got, err := s.Reconcile(ctx, Record(8).ReservedAt, issuedAt.Add(time.Minute), 10, nil)
	require.NoError(t, err)
	require.Len(t, got, 1)
	issue(t, s, 8)

	all := map[authority.Serial]authority.Change{
		serial(1): changeOf(1, 1, revocation(1).RevokedAt), serial(2): changeOf(2, authority.ReasonCertificateHold, hold(2).RevokedAt),
		serial(3): changeOf(3, 0, issuedAt), serial(7): changeOf(7, 0, issuedAt.Add(time.Minute)),
	}
	require.Equal(t, all, changes(t, s, authority.ChangeQuery{Issuer: "default"}))
	require.Equal(t, map[authority.Serial]authority.Change{serial(6): changeOf(6, 1, revocation(6).RevokedAt)},
		changes(t, s, authority.ChangeQuery{Issuer: "other"}))
	require.Empty(t, changes(t, s, authority.ChangeQuery{Issuer: "Default"}))
	require.Nil(t, get(t, s, serial(3)).Revocation, "abandoned is not revoked")

	require.Equal(t, map[authority.Serial]authority.Change{serial(3): all[serial(3)], serial(7): all[serial(7)]},
		changes(t, s, authority.ChangeQuery{Issuer: "default", Shard: 3}))
	require.Empty(t, changes(t, s, authority.ChangeQuery{Issuer: "default", Shard: 4}))
	require.Equal(t, map[authority.Serial]authority.Change{serial(7): all[serial(7)]},
		changes(t, s, authority.ChangeQuery{Issuer: "default", Shard: 3, NotAfter: Record(7).NotAfter}), "ends then")
	require.Empty(t, changes(t, s, authority.ChangeQuery{Issuer: "default", NotAfter: Record(7).NotAfter.Add(1)}))

	_, err = s.Prune(ctx, authority.Prune{Certificates: Record(2).NotAfter})
	require.NoError(t, err)
	delete(all, serial(1))
	require.Equal(t, all, changes(t, s, authority.ChangeQuery{Issuer: "default"}), "nothing is listed of what was pruned")
}

func changesAbove(t *testing.T, s authority.Store) {
	ctx := context.Background()
	for n := range 12 {
		issue(t, s, n)
	}
	for n := range 4 {
		revoke(t, s, hold(n))
	}
	since, err := s.Revision(ctx)
	require.NoError(t, err)
	require.Positive(t, since)
	above := authority.ChangeQuery{Issuer: "default", Above: since}
	require.Empty(t, changes(t, s, above))

	revoke(t, s, revocation(0))                                                                     // a hold that is final now
	require.NoError(t, s.Release(ctx, serial(1), issuedAt, nil))                                    // one that ended
	require.NoError(t, s.Release(ctx, serial(2), issuedAt, nil))                                    // one that ended,
	revoke(t, s, hold(2))                                                                           // and began again
	revoke(t, s, revocation(5))                                                                     // a new one
	require.ErrorIs(t, s.Revoke(ctx, hold(3), nil, provisioner.Spend{}, nil), authority.ErrRevoked) // nothing
	want := map[authority.Serial]authority.Change{
		serial(0): changeOf(0, 1, revocation(0).RevokedAt), serial(1): changeOf(1, authority.ReasonRemoveFromCRL, issuedAt),
		serial(2): changeOf(2, authority.ReasonCertificateHold, hold(2).RevokedAt), serial(5): changeOf(5, 1, revocation(5).RevokedAt),
	}
	require.Equal(t, want, changes(t, s, above))
	above.Limit = 1
	require.Equal(t, want, changes(t, s, above), "one by one")
	above.Shard = 1
	require.Equal(t, map[authority.Serial]authority.Change{serial(1): want[serial(1)], serial(5): want[serial(5)]}, changes(t, s, above))
	above.NotAfter = Record(2).NotAfter
	require.Equal(t, map[authority.Serial]authority.Change{serial(5): want[serial(5)]}, changes(t, s, above))
	above.Issuer = "other"
	require.Empty(t, changes(t, s, above))

	now, err := s.Revision(ctx)
	require.NoError(t, err)
	require.Greater(t, now, since)
	require.Empty(t, changes(t, s, authority.ChangeQuery{Issuer: "default", Above: now}))
	_, err = s.Prune(ctx, authority.Prune{Certificates: Record(20).NotAfter})
	require.NoError(t, err)
	reserve(t, s, 30)
	require.NoError(t, s.Abandon(ctx, serial(30), false, issuedAt, nil))
	require.Len(t, changes(t, s, authority.ChangeQuery{Issuer: "default", Above: now}), 1, "revisions were used again after their changes were pruned")
}

func changesPages(t *testing.T, s authority.Store) {
	ctx := context.Background()
	for n := range 50 {
		r := Record(n)
		if n%3 == 0 {
			r.NotAfter = Record(0).NotAfter // many end together
		}
		require.NoError(t, s.Reserve(ctx, r, provisioner.Spend{}))
		require.NoError(t, s.Abandon(ctx, r.Serial, false, issuedAt, nil))
	}
	for _, limit := range []int{0, 1, 7, 49, 50, 51, 100000} {
		require.Len(t, changes(t, s, authority.ChangeQuery{Issuer: "default", Limit: limit}), 50)
		require.Len(t, changes(t, s, authority.ChangeQuery{Issuer: "default", Shard: 2, Limit: limit}), 12)
	}
	p, err := s.Changes(ctx, authority.ChangeQuery{Issuer: "default", Limit: 7})
	require.NoError(t, err)
	require.Len(t, p.Changes, 7)
	for _, bad := range []string{"1", "!", p.Next + "A", p.Next[1:]} {
		_, err := s.Changes(ctx, authority.ChangeQuery{Issuer: "default", Cursor: bad})
		require.ErrorIs(t, err, authority.ErrCursor, bad)
	}
	// What was revoked before the first page is on one of them, whatever comes between.
	seen := map[authority.Serial]bool{}
	q := authority.ChangeQuery{Issuer: "default", Limit: 7}
	for n := 50; ; n++ {
		p, err := s.Changes(ctx, q)
		require.NoError(t, err)
		for _, c := range p.Changes {
			seen[c.Serial] = true
		}
		if q.Cursor = p.Next; p.Next == "" {
			break
		}
		if n < 55 {
			revoke(t, s, revocation(n-50))
			issue(t, s, n)
			revoke(t, s, revocation(n))
		}
	}
	for n := range 50 {
		require.True(t, seen[serial(n)], n)
	}
}
