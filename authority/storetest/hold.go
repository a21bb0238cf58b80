package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/stretchr/testify/require"
)

func hold(n int) *authority.Revocation {
	v := revocation(n)
	v.ReasonCode, v.Reason = authority.ReasonCertificateHold, "on leave"
	return v
}

func revoke(t *testing.T, s authority.Store, v *authority.Revocation) {
	t.Helper()
	require.NoError(t, s.Revoke(context.Background(), v, nil, provisioner.Spend{}, nil))
}

func holdThenFinal(t *testing.T, s authority.Store) {
	ctx := context.Background()
	issue(t, s, 1)
	revoke(t, s, hold(1))
	require.Equal(t, hold(1), get(t, s, serial(1)).Revocation)
	require.ErrorIs(t, s.Revoke(ctx, hold(1), nil, Spend("fresh"), posts("1", "sink")), authority.ErrRevoked, "a hold on a hold")
	require.NoError(t, s.Revoke(ctx, revocation(1), nil, Spend("fresh"), posts("1", "sink")))
	require.Equal(t, revocation(1), get(t, s, serial(1)).Revocation)
	require.Len(t, outbox(t, s, "sink"), 1)
	for _, v := range []*authority.Revocation{hold(1), revocation(1)} {
		require.ErrorIs(t, s.Revoke(ctx, v, nil, provisioner.Spend{}, nil), authority.ErrRevoked, "a final reason is final")
	}
	require.ErrorIs(t, s.Release(ctx, serial(1), issuedAt, nil), authority.ErrState)
}

func releaseRoundTrip(t *testing.T, s authority.Store) {
	ctx := context.Background()
	r := issue(t, s, 1)
	for range 2 { // and all over again
		revoke(t, s, hold(1))
		require.NoError(t, s.Release(ctx, serial(1), issuedAt.Add(2*time.Hour), posts("1", "sink")))
		require.Equal(t, r, get(t, s, serial(1)))
	}
	require.Len(t, outbox(t, s, "sink"), 2)
	isRevoked := true
	require.Empty(t, list(t, s, authority.Query{Revoked: &isRevoked}))
	require.Empty(t, changes(t, s, authority.ChangeQuery{Issuer: "default"}))
	p, err := s.Ending(ctx, r.NotAfter, r.NotAfter.Add(1), "", 0)
	require.NoError(t, err)
	require.Len(t, p.Records, 1)

	revoke(t, s, revocation(1))
	require.Equal(t, revocation(1), get(t, s, serial(1)).Revocation)
	require.Len(t, list(t, s, authority.Query{Revoked: &isRevoked}), 1)
}

func releaseErrors(t *testing.T, s authority.Store) {
	ctx := context.Background()
	for _, unknown := range []authority.Serial{serial(9), "01F", ""} {
		require.ErrorIs(t, s.Release(ctx, unknown, issuedAt, posts("1", "sink")), authority.ErrNotFound)
	}
	issue(t, s, 1)
	require.ErrorIs(t, s.Release(ctx, serial(1), issuedAt, posts("1", "sink")), authority.ErrState, "not revoked")
	revoke(t, s, revocation(1))
	require.ErrorIs(t, s.Release(ctx, serial(1), issuedAt, posts("1", "sink")), authority.ErrState, "not on hold")
	require.Equal(t, revocation(1), get(t, s, serial(1)).Revocation)
	reserve(t, s, 2)
	require.NoError(t, s.Abandon(ctx, serial(2), false, issuedAt, nil))
	require.ErrorIs(t, s.Release(ctx, serial(2), issuedAt, posts("1", "sink")), authority.ErrState, "abandoned, not on hold")
	issue(t, s, 3)
	revoke(t, s, hold(3))
	require.NoError(t, s.Release(ctx, serial(3), issuedAt, nil))
	require.ErrorIs(t, s.Release(ctx, serial(3), issuedAt, posts("1", "sink")), authority.ErrState, "released already")
	require.Empty(t, outbox(t, s, "sink"))
}

// A certificate that was abandoned may have been signed. No other fact about it takes it off the CRL.
func revokeAndAbandon(t *testing.T, s authority.Store) {
	ctx := context.Background()
	dropped := func(n int) authority.Change { return changeOf(n, authority.ReasonUnspecified, issuedAt) }
	reserve(t, s, 1) // abandoned, then held, then released
	require.NoError(t, s.Abandon(ctx, serial(1), false, issuedAt, nil))
	revoke(t, s, hold(1))
	require.Equal(t, changeOf(1, authority.ReasonCertificateHold, hold(1).RevokedAt), changes(t, s, authority.ChangeQuery{Issuer: "default"})[serial(1)])
	require.NoError(t, s.Release(ctx, serial(1), issuedAt.Add(time.Hour), nil))
	require.Nil(t, get(t, s, serial(1)).Revocation)

	reserve(t, s, 2) // held, then abandoned, then released
	revoke(t, s, hold(2))
	require.NoError(t, s.Abandon(ctx, serial(2), false, issuedAt, nil))
	require.Equal(t, hold(2), get(t, s, serial(2)).Revocation)
	require.NoError(t, s.Release(ctx, serial(2), issuedAt.Add(time.Hour), nil))

	reserve(t, s, 3) // revoked, then reconciled
	revoke(t, s, revocation(3))
	_, err := s.Reconcile(ctx, Record(4).ReservedAt, issuedAt, 10, nil)
	require.NoError(t, err)

	reserve(t, s, 4) // nobody can have it, so it need not be listed once its hold ends
	revoke(t, s, hold(4))
	require.NoError(t, s.Abandon(ctx, serial(4), true, issuedAt, nil))
	require.NoError(t, s.Release(ctx, serial(4), issuedAt, nil))

	require.Equal(t, map[authority.Serial]authority.Change{
		serial(1): dropped(1), serial(2): dropped(2), serial(3): changeOf(3, 1, revocation(3).RevokedAt),
	}, changes(t, s, authority.ChangeQuery{Issuer: "default"}))
}
