package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/stretchr/testify/require"
)

func pruneSpent(t *testing.T, s authority.Store) {
	ctx := context.Background()
	until := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	reserveFor := func(n int, id string, until time.Time) {
		require.NoError(t, s.Reserve(ctx, Record(n), provisioner.Spend{ID: id, Until: until}))
	}
	reserveFor(1, "expired", until.Add(-time.Microsecond))
	reserveFor(2, "exactly", until)
	reserveFor(3, "fresh", until.Add(time.Hour))
	reserveFor(4, "for ever", time.Time{})
	got, err := s.Prune(ctx, authority.Prune{Now: until})
	require.NoError(t, err)
	require.Equal(t, authority.Pruned{Spent: 1}, got)
	for n, id := range []string{"exactly", "fresh", "for ever"} {
		require.ErrorIs(t, s.Reserve(ctx, Record(10+n), Spend(id)), authority.ErrSpent, id)
	}
	require.NoError(t, s.Reserve(ctx, Record(20), Spend("expired")))
	got, err = s.Prune(ctx, authority.Prune{Now: until.AddDate(500, 0, 0)})
	require.NoError(t, err)
	require.Equal(t, 3, got.Spent)
	require.ErrorIs(t, s.Reserve(ctx, Record(21), Spend("for ever")), authority.ErrSpent)

	reserveFor(30, "past", time.Now().Add(-time.Minute))
	reserveFor(31, "future", time.Now().Add(time.Hour))
	got, err = s.Prune(ctx, authority.Prune{})
	require.NoError(t, err)
	require.Equal(t, 1, got.Spent, "the zero Now is the present")
}

func pruneCertificates(t *testing.T, s authority.Store) {
	ctx := context.Background()
	for n := range 6 {
		issue(t, s, n)
		require.NoError(t, s.Post(ctx, posts(fmt.Sprint(n), "sink")))
	}
	for _, n := range []int{1, 5} {
		require.NoError(t, s.Revoke(ctx, revocation(n), nil, provisioner.Spend{}, nil))
	}
	reserve(t, s, 10)
	for n := 20; n < 22; n++ { // old ones that are not issued
		r := Record(n)
		r.NotAfter = r.NotAfter.AddDate(-1, 0, 0)
		require.NoError(t, s.Reserve(ctx, r, provisioner.Spend{}))
	}
	require.NoError(t, s.Abandon(ctx, serial(21), false, issuedAt, nil))

	got, err := s.Prune(ctx, authority.Prune{Now: time.Unix(0, 0)})
	require.NoError(t, err)
	require.Equal(t, authority.Pruned{}, got, "zero Certificates keeps them")

	ended := Record(3).NotAfter
	got, err = s.Prune(ctx, authority.Prune{Now: time.Unix(0, 0), Certificates: ended})
	require.NoError(t, err)
	require.Equal(t, authority.Pruned{Certificates: 4}, got)
	for _, n := range []int{0, 1, 2, 21} {
		_, err := s.Certificate(ctx, serial(n))
		require.ErrorIs(t, err, authority.ErrNotFound, n)
		require.Empty(t, list(t, s, authority.Query{Name: Record(n).Names[0]}))
		require.Empty(t, list(t, s, authority.Query{KeyID: Record(n).KeyID}))
	}
	require.Equal(t, []authority.Serial{serial(3), serial(4), serial(5), serial(10), serial(20)}, serials(list(t, s, authority.Query{})))
	require.Equal(t, revocation(5), get(t, s, serial(5)).Revocation)
	require.Equal(t, authority.Reserved, get(t, s, serial(20)).Status, "a reservation is for Reconcile to end")
	require.Len(t, outbox(t, s, "sink"), 6, "events outlive their records")
	require.ErrorIs(t, s.Reserve(ctx, Record(99), Spend("token-0")), authority.ErrSpent, "credentials outlive their records")
}

func pruneBudget(t *testing.T, s authority.Store) {
	ctx := context.Background()
	for n := range 30 {
		issue(t, s, n)
	}
	p := authority.Prune{Now: Spend("").Until.Add(time.Second), Certificates: Record(25).NotAfter, Limit: 12}
	var total authority.Pruned
	for range 100 {
		got, err := s.Prune(ctx, p)
		require.NoError(t, err)
		require.LessOrEqual(t, got.Spent+got.Certificates, 12)
		total.Spent += got.Spent
		total.Certificates += got.Certificates
		if !got.More {
			break
		}
		require.Equal(t, 12, got.Spent+got.Certificates)
	}
	require.Equal(t, authority.Pruned{Spent: 30, Certificates: 25}, total)

	q := authority.Query{Limit: 2}
	page, err := s.List(ctx, q)
	require.NoError(t, err)
	_, err = s.Prune(ctx, authority.Prune{Certificates: Record(100).NotAfter})
	require.NoError(t, err)
	reserve(t, s, 200)
	q.Cursor = page.Next
	require.Equal(t, []authority.Serial{serial(200)}, serials(list(t, s, q)), "a cursor is lost when everything before was pruned")
}
