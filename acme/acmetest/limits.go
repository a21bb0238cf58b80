package acmetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/stretchr/testify/require"
)

func tally(key string, limit int) acme.Tally {
	return acme.Tally{Key: key, Limit: limit, Until: Start.Add(time.Hour), What: "counts of " + key}
}

// room returns how much is left of a tally.
func room(t *testing.T, s acme.Store, key string, limit int) int {
	t.Helper()
	for n := range limit {
		if err := s.Full(ctx, tally(key, n+1)); err == nil {
			return limit - n
		}
	}
	return 0
}

func maxPending(t *testing.T, s acme.Store) {
	a, b := account(t, s, 1), account(t, s, 2)
	limited := func(a *acme.Account, id string, names ...string) *acme.NewOrder {
		n := NewOrder(a, id, names...)
		n.MaxPending = 3
		n.Tallies = []acme.Tally{tally("orders", 100)}
		return n
	}
	full := func(n *acme.NewOrder) {
		t.Helper()
		before := room(t, s, "orders", 100)
		_, _, err := s.NewOrder(ctx, nil, n)
		requireLimit(t, err, "pending authorizations")
		require.Equal(t, before, room(t, s, "orders", 100))
		_, _, err = s.Order(ctx, nil, n.Order.ID)
		require.ErrorIs(t, err, acme.ErrNotFound)
		for _, z := range n.Authorizations {
			_, err := s.Authorization(ctx, nil, z.ID)
			require.ErrorIs(t, err, acme.ErrNotFound)
		}
	}
	full(limited(a, "big", "a.example", "b.example", "c.example", "d.example"))
	order(t, s, limited(a, "o", "a.example", "b.example"))
	full(limited(a, "p", "c.example", "d.example"))
	order(t, s, limited(a, "p", "c.example", "a.example")) // one is new, and the third
	full(limited(a, "q", "d.example"))
	order(t, s, limited(a, "q", "c.example")) // none is new
	again(t, s, limited(a, "r", "c.example"), "q")
	order(t, s, limited(b, "other", "a.example", "b.example", "c.example"))
	order(t, s, NewOrder(a, "any number", "d.example"))
	full(limited(a, "r", "e.example"))
	set(t, s, "o-0", acme.Valid, Start.Add(24*time.Hour))
	full(limited(a, "r", "e.example"))
	set(t, s, "o-1", acme.Invalid, Start.Add(24*time.Hour))
	order(t, s, limited(a, "r", "e.example"))
	full(limited(a, "s", "f.example"))
	set(t, s, "p-0", acme.Pending, Start)
	order(t, s, limited(a, "s", "f.example")) // one has ended
}

func tallies(t *testing.T, s acme.Store) {
	require.NoError(t, s.Count(ctx))
	require.NoError(t, s.Full(ctx))
	for range 3 {
		require.NoError(t, s.Full(ctx, tally("a", 3)))
		require.NoError(t, s.Count(ctx, tally("a", 3), tally("b", 5)))
	}
	requireLimit(t, s.Full(ctx, tally("b", 5), tally("a", 3)), "counts of a")
	requireLimit(t, s.Count(ctx, tally("b", 5), tally("a", 3)), "counts of a")
	requireLimit(t, s.Count(ctx, tally("c", 5), tally("a", 3), tally("d", 0)), "counts of a")
	requireLimit(t, s.Full(ctx, tally("d", 0), tally("a", 3)), "counts of d")
	require.Equal(t, 2, room(t, s, "b", 5), "one is full, and so none is counted")
	require.Equal(t, 5, room(t, s, "c", 5))
	require.NoError(t, s.Count(ctx, tally("b", 5)))
	require.NoError(t, s.Count(ctx, tally("b", 5)))
	requireLimit(t, s.Count(ctx, tally("b", 5)), "counts of b")
	require.NoError(t, s.Count(ctx, tally("b", 6)), "a limit that was raised")
	requireLimit(t, s.Count(ctx, tally("b", 2)), "counts of b")
	var e *acme.LimitError
	require.True(t, errors.As(s.Full(ctx, tally("a", 3)), &e))
	require.Equal(t, tally("a", 3), e.Tally)
	for i := range 40 { // in any number
		var many []acme.Tally
		for n := range i {
			many = append(many, tally(fmt.Sprint("many", n), 100))
		}
		require.NoError(t, s.Count(ctx, many...))
		require.NoError(t, s.Full(ctx, many...))
	}
	require.Equal(t, 100-39, room(t, s, "many0", 100))
}

func talliesOfAccounts(t *testing.T, s acme.Store) {
	for n := range 2 {
		require.NoError(t, s.NewAccount(ctx, Pass(nil), Account(n), tally("accounts", 2), tally("other", 9)))
	}
	requireLimit(t, s.NewAccount(ctx, Pass(nil), Account(2), tally("other", 9), tally("accounts", 2)), "counts of accounts")
	_, err := s.Account(ctx, Account(2).ID)
	require.ErrorIs(t, err, acme.ErrNotFound)
	_, err = s.AccountByKey(ctx, Provisioner, Account(2).Thumbprint)
	require.ErrorIs(t, err, acme.ErrNotFound)
	require.Equal(t, 7, room(t, s, "other", 9))
	require.ErrorIs(t, s.NewAccount(ctx, Pass(nil), Account(1), tally("other", 9)), acme.ErrExists)
	require.Equal(t, 7, room(t, s, "other", 9))
	require.NoError(t, s.NewAccount(ctx, Pass(nil), Account(2), tally("other", 9)))
	require.Equal(t, 6, room(t, s, "other", 9))
}

func talliesOfOrders(t *testing.T, s acme.Store) {
	a := account(t, s, 1)
	counted := func(id string, names ...string) *acme.NewOrder {
		n := NewOrder(a, id, names...)
		n.Tallies = []acme.Tally{tally("other", 9), tally("orders", 2)}
		return n
	}
	order(t, s, counted("o", "a.example"))
	again(t, s, counted("p", "a.example"), "o")
	require.Equal(t, 1, room(t, s, "orders", 2), "one that was there is not counted")
	order(t, s, counted("p", "b.example"))
	_, _, err := s.NewOrder(ctx, nil, counted("q", "c.example"))
	requireLimit(t, err, "counts of orders")
	_, err = s.Authorization(ctx, nil, "q-0")
	require.ErrorIs(t, err, acme.ErrNotFound)
	require.Equal(t, 7, room(t, s, "other", 9))
	again(t, s, counted("q", "a.example"), "o") // full or not

	unless := func(id string, names ...string) *acme.NewOrder {
		n := NewOrder(a, id, names...)
		n.Tallies, n.Unless = []acme.Tally{tally("other", 9)}, []acme.Tally{tally("failed", 1), tally("worse", 1)}
		return n
	}
	order(t, s, unless("r", "d.example"))
	require.Equal(t, 6, room(t, s, "other", 9))
	require.Equal(t, 1, room(t, s, "failed", 1), "not counted")
	require.NoError(t, s.Count(ctx, tally("worse", 1)))
	_, _, err = s.NewOrder(ctx, nil, unless("s", "e.example"))
	requireLimit(t, err, "counts of worse")
	require.Equal(t, 6, room(t, s, "other", 9))
	_, _, err = s.Order(ctx, nil, "s")
	require.ErrorIs(t, err, acme.ErrNotFound)
	again(t, s, unless("s", "d.example"), "r")

	set(t, s, "r-0", acme.Invalid, Start) // what it had of the same key is not lost to an order that comes to nothing
	_, _, err = s.NewOrder(ctx, nil, unless("s", "d.example"))
	requireLimit(t, err, "counts of worse")
	o, _ := load(t, s, "r")
	require.Equal(t, acme.Pending, o.Status)
}

func talliesOfAuthorizations(t *testing.T, s acme.Store) {
	a := account(t, s, 1)
	_, auths := order(t, s, NewOrder(a, "o", "a.example"))
	z := auths[0]
	for range 3 {
		require.NoError(t, s.UpdateAuthorization(ctx, nil, z, tally("b", 2), tally("a", 9)), "full or not")
	}
	require.Equal(t, 0, room(t, s, "b", 2))
	require.Equal(t, 1, room(t, s, "b", 4))
	require.Equal(t, 6, room(t, s, "a", 9))
	old := *z
	old.Version += 7
	require.ErrorIs(t, s.UpdateAuthorization(ctx, nil, &old, tally("a", 9)), acme.ErrConflict)
	old.ID = "none"
	require.ErrorIs(t, s.UpdateAuthorization(ctx, nil, &old, tally("a", 9)), acme.ErrNotFound)
	require.Equal(t, 6, room(t, s, "a", 9))
}

func secrets(t *testing.T, s acme.Store) {
	fresh := []byte("0123456789abcdef")
	got, err := s.Secret(ctx, "a", fresh)
	require.NoError(t, err)
	require.Equal(t, "0123456789abcdef", string(got))
	got[0], fresh[1] = 'x', 'x'
	got, err = s.Secret(ctx, "a", []byte("other"))
	require.NoError(t, err)
	require.Equal(t, "0123456789abcdef", string(got))
	got, err = s.Secret(ctx, "b", []byte("other"))
	require.NoError(t, err)
	require.Equal(t, "other", string(got))
}
