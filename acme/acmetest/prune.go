package acmetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/stretchr/testify/require"
)

// prune deletes everything that can go at a moment, and returns how much that was.
func prune(t *testing.T, s acme.Store, now time.Time) int {
	t.Helper()
	n, more, err := s.Prune(ctx, now, 0)
	require.NoError(t, err)
	require.False(t, more)
	return n
}

func pruneEnded(t *testing.T, s acme.Store) {
	p, q := Pass(nil), Pass(nil)
	q.Until = Start.Add(2 * time.Hour)
	require.NoError(t, s.Spend(ctx, p))
	require.NoError(t, s.Spend(ctx, q))
	require.NoError(t, s.Count(ctx, tally("t", 1), acme.Tally{Key: "u", Limit: 1, Until: Start.Add(2 * time.Hour)}))
	externalKey(t, s, "k", func(k *acme.ExternalKey) { k.Expires = Start.Add(time.Hour) })
	externalKey(t, s, "later", func(k *acme.ExternalKey) { k.Expires = Start.Add(2 * time.Hour) })
	externalKey(t, s, "for ever", nil)
	externalKey(t, s, "revoked", func(k *acme.ExternalKey) { k.RevokedAt = Start })
	_, err := s.Secret(ctx, "secret", []byte("kept"))
	require.NoError(t, err)

	require.Zero(t, prune(t, s, Start.Add(time.Hour-time.Microsecond)))
	require.ErrorIs(t, s.Spend(ctx, p), acme.ErrSpent)
	require.Equal(t, 3, prune(t, s, Start.Add(time.Hour)))
	require.NoError(t, s.Spend(ctx, p))
	require.ErrorIs(t, s.Spend(ctx, q), acme.ErrSpent)
	require.NoError(t, s.Full(ctx, tally("t", 1)))
	requireLimit(t, s.Full(ctx, tally("u", 1)), "counts of u")
	_, err = s.ExternalKey(ctx, Provisioner, "k")
	require.ErrorIs(t, err, acme.ErrNotFound)
	loadKey(t, s, "later")
	require.Equal(t, 4, prune(t, s, Start.AddDate(100, 0, 0)))
	loadKey(t, s, "for ever")
	loadKey(t, s, "revoked")
	got, err := s.Secret(ctx, "secret", []byte("fresh"))
	require.NoError(t, err)
	require.Equal(t, "kept", string(got))
}

func pruneOrders(t *testing.T, s acme.Store) {
	a := account(t, s, 1)
	require.Equal(t, 1, prune(t, s, Start.Add(time.Hour)), "the nonce of the account")
	ending := func(id string, hours int, names ...string) *acme.NewOrder {
		n := NewOrder(a, id, names...)
		n.Order.Expires = Start.Add(time.Duration(hours) * time.Hour)
		n.NotEndingBefore = Start
		for _, z := range n.Authorizations {
			z.Expires = n.Order.Expires
		}
		return n
	}
	n := ending("o", 10, "a.example", "b.example")
	n.Order.Replaces = "certificate"
	o, _ := order(t, s, n)
	o.Status, o.Serial, o.Due = acme.Processing, "1f", Start
	require.NoError(t, s.UpdateOrder(ctx, nil, o))
	order(t, s, ending("p", 20, "b.example")) // outlives what it rests on
	set(t, s, "o-1", acme.Valid, Start.Add(5*time.Hour))
	order(t, s, ending("q", 15, "c.example"))
	set(t, s, "q-0", acme.Valid, Start.Add(30*time.Hour)) // outlives its order

	at := func(hours int) time.Time { return Start.Add(time.Duration(hours)*time.Hour + acme.Kept) }
	require.Zero(t, prune(t, s, at(10).Add(-time.Microsecond)))
	require.Equal(t, 2, prune(t, s, at(10)), "o and o-0")
	_, _, err := s.Order(ctx, nil, "o")
	require.ErrorIs(t, err, acme.ErrNotFound)
	_, err = s.Authorization(ctx, nil, "o-0")
	require.ErrorIs(t, err, acme.ErrNotFound)
	_, err = s.OrderOf(ctx, Provisioner, "1f")
	require.ErrorIs(t, err, acme.ErrNotFound)
	due, err := s.DueOrders(ctx, Provisioner, at(10), 0)
	require.NoError(t, err)
	require.Empty(t, due)
	_, auths := load(t, s, "p")
	require.Equal(t, []string{"o-1"}, authIDs(auths), "an order keeps what it rests on")

	require.Equal(t, 1, prune(t, s, at(15)), "q")
	got, err := s.Holds(ctx, a.ID, []acme.Identifier{{Type: acme.DNS, Value: "c.example"}}, Start)
	require.NoError(t, err)
	require.True(t, got)
	n = ending("r", 25, "c.example")
	n.Order.Replaces = "certificate"
	_, auths = order(t, s, n)
	require.Equal(t, []string{"q-0"}, authIDs(auths))
	require.Equal(t, 2, prune(t, s, at(20)), "p and o-1")
	require.Equal(t, 1, prune(t, s, at(25)), "r")
	require.Equal(t, 1, prune(t, s, at(30)), "q-0")
	require.Zero(t, prune(t, s, at(1000000)))
	_, err = s.Account(ctx, a.ID)
	require.NoError(t, err)
	order(t, s, NewOrder(a, "o", "a.example", "b.example")) // IDs of what is gone may come again
}

func pruneAccounts(t *testing.T, s acme.Store) {
	for n := range 4 {
		a := Account(n)
		require.NoError(t, s.NewAccount(ctx, nil, a))
		if n == 2 {
			order(t, s, NewOrder(a, "o", "a.example"))
		}
		if n > 0 {
			a.Status = []acme.Status{1: acme.Deactivated, 2: acme.Revoked, 3: acme.Revoked}[n]
			require.NoError(t, s.UpdateAccount(ctx, nil, a))
		}
	}
	require.Equal(t, 2, prune(t, s, Start))
	there := func(n int, want bool) {
		t.Helper()
		_, err := s.Account(ctx, Account(n).ID)
		_, byKey := s.AccountByKey(ctx, Provisioner, Account(n).Thumbprint)
		if want {
			require.NoError(t, err)
			require.NoError(t, byKey)
			return
		}
		require.ErrorIs(t, err, acme.ErrNotFound)
		require.ErrorIs(t, byKey, acme.ErrNotFound)
	}
	there(0, true)
	there(1, false)
	there(2, true)
	there(3, false)
	require.NoError(t, s.NewAccount(ctx, nil, Account(1)), "its key is free")
	require.Equal(t, 3, prune(t, s, Start.Add(14*24*time.Hour)), "order, authorization and account")
	there(0, true)
	there(2, false)
}

func pruneBudget(t *testing.T, s acme.Store) {
	for n := range 10 {
		a := Account(n)
		require.NoError(t, s.NewAccount(ctx, Pass(nil), a, tally(fmt.Sprint("t", n), 5)))
		externalKey(t, s, fmt.Sprint("k", n), func(k *acme.ExternalKey) { k.Expires = Start })
		order(t, s, NewOrder(a, fmt.Sprint("o", n), "a.example", "b.example"))
		a.Status = acme.Deactivated
		require.NoError(t, s.UpdateAccount(ctx, nil, a))
	}
	later := Start.AddDate(1, 0, 0)
	n, more, err := s.Prune(ctx, Start.Add(-time.Hour), 12)
	require.NoError(t, err)
	require.Zero(t, n)
	require.False(t, more)
	total, limits := 0, 0
	for more = true; more; {
		n, more, err = s.Prune(ctx, later, 12)
		require.NoError(t, err)
		require.LessOrEqual(t, n, 12)
		require.Equal(t, n == 12, more)
		if total += n; more {
			limits++
		}
		for i := range 10 { // never an order without what it rests on
			if _, auths, err := s.Order(ctx, nil, fmt.Sprint("o", i)); err == nil {
				require.Len(t, auths, 2)
			} else {
				require.ErrorIs(t, err, acme.ErrNotFound)
			}
		}
	}
	require.Equal(t, 70, total)
	require.Equal(t, 5, limits)
	for n := range 150 { // in one go, too
		require.NoError(t, s.Spend(ctx, Pass(nil)), n)
	}
	n, more, err = s.Prune(ctx, later, 149)
	require.NoError(t, err)
	require.Equal(t, 149, n)
	require.True(t, more)
	require.Equal(t, 1, prune(t, s, later))
}
