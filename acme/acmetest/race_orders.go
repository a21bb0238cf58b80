package acmetest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chancery-ca/chancery/acme"
	"github.com/stretchr/testify/require"
)

func raceSameOrder(t *testing.T, s acme.Store) {
	a := account(t, s, 1)
	var mu sync.Mutex
	seen := map[string]bool{}
	together(t, 100, func(i int) error {
		n := NewOrder(a, fmt.Sprint("o", i), "a.example", "b.example")
		n.Tallies = []acme.Tally{tally("orders", 1000)}
		o, auths, err := s.NewOrder(ctx, Pass(a), n)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		seen[fmt.Sprint(o.ID, authIDs(auths))] = true
		return nil
	})
	require.Len(t, seen, 1, "one order for all")
	require.Equal(t, 999, room(t, s, "orders", 1000))
	ids, _, err := s.Orders(ctx, nil, a.ID, Start, "", 0)
	require.NoError(t, err)
	require.Len(t, ids, 1)
}

// raceDifferentOrders loses an order if a list of them is read, changed and written.
func raceDifferentOrders(t *testing.T, s acme.Store) {
	a := account(t, s, 1)
	won := together(t, 100, func(i int) error {
		_, auths, err := s.NewOrder(ctx, Pass(a), NewOrder(a, fmt.Sprint("o", i), fmt.Sprintf("%d.example", i)))
		if err == nil && len(auths) != 1 {
			err = fmt.Errorf("%d authorizations", len(auths))
		}
		return err
	})
	require.Equal(t, 100, won)
	ids, next, err := s.Orders(ctx, nil, a.ID, Start, "", 100)
	require.NoError(t, err)
	require.Empty(t, next)
	require.Len(t, ids, 100)
	seen := map[string]bool{}
	for _, id := range ids {
		_, auths := load(t, s, id)
		require.Equal(t, []string{id + "-0"}, authIDs(auths))
		seen[id] = true
	}
	require.Len(t, seen, 100)
}

// raceSharedNames has many orders over few names, in any order: one authorization each, and no deadlock.
func raceSharedNames(t *testing.T, s acme.Store) {
	a := account(t, s, 1)
	var mu sync.Mutex
	of := map[acme.Identifier]map[string]bool{}
	won := together(t, 100, func(i int) error {
		names := []string{fmt.Sprintf("own-%d.example", i)}
		for _, n := range rand.Perm(8)[:4] {
			names = append(names, fmt.Sprintf("%d.example", n))
		}
		rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		o, auths, err := s.NewOrder(ctx, Pass(a), NewOrder(a, fmt.Sprint("o", i), names...))
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		for n, z := range auths {
			if z.Identifier != o.Identifiers[n] {
				return fmt.Errorf("%s in place of %s", z.Identifier, o.Identifiers[n])
			}
			if of[z.Identifier] == nil {
				of[z.Identifier] = map[string]bool{}
			}
			of[z.Identifier][z.ID] = true
		}
		return nil
	})
	require.Equal(t, 100, won)
	for id, auths := range of {
		require.Len(t, auths, 1, id)
	}
}

func raceLimits(t *testing.T, s acme.Store) {
	a, b := account(t, s, 1), account(t, s, 2)
	won := together(t, 50, func(i int) error {
		n := NewOrder(a, fmt.Sprint("o", i), fmt.Sprintf("a%d.example", i), fmt.Sprintf("b%d.example", i))
		n.MaxPending = 21
		_, _, err := s.NewOrder(ctx, Pass(a), n)
		return err
	}, nil)
	require.Equal(t, 10, won)

	accounts := []*acme.Account{a, b}
	won = together(t, 60, func(i int) error {
		n := NewOrder(accounts[i%2], fmt.Sprint("p", i), fmt.Sprintf("c%d.example", i))
		n.Tallies = []acme.Tally{tally("wide", 100), tally("narrow", 7)}
		if i%4 < 2 {
			n.Tallies[0], n.Tallies[1] = n.Tallies[1], n.Tallies[0]
		}
		_, _, err := s.NewOrder(ctx, Pass(accounts[i%2]), n)
		return err
	}, nil)
	require.Equal(t, 7, won)
	require.Equal(t, 93, room(t, s, "wide", 100), "nothing counted for those that were refused")

	require.Equal(t, 5, together(t, 50, func(i int) error {
		if i%2 == 0 {
			return s.Count(ctx, tally("x", 100), tally("y", 5))
		}
		return s.Count(ctx, tally("y", 5), tally("x", 100))
	}, nil))
	require.Equal(t, 95, room(t, s, "x", 100))
	require.Equal(t, 3, together(t, 30, func(i int) error {
		return s.NewAccount(ctx, Pass(nil), Account(100+i), tally("accounts", 3))
	}, nil))
}

func raceReplaces(t *testing.T, s acme.Store) {
	var accounts []*acme.Account
	for n := range 8 {
		accounts = append(accounts, account(t, s, n))
	}
	for round := range 4 {
		var winner atomic.Int32
		won := together(t, 40, func(i int) error {
			n := NewOrder(accounts[i%8], fmt.Sprintf("o%d-%d", round, i), fmt.Sprintf("%d.%d.example", i, round))
			n.Order.Replaces, n.Tallies = fmt.Sprint("certificate ", round), []acme.Tally{tally("orders", 1000)}
			_, _, err := s.NewOrder(ctx, Pass(accounts[i%8]), n)
			if err == nil {
				winner.Store(int32(i))
			}
			return err
		}, acme.ErrReplaced)
		require.Equal(t, 1, won)
		for i := range 40 {
			_, err := s.Authorization(ctx, nil, fmt.Sprintf("o%d-%d-0", round, i))
			if int32(i) == winner.Load() {
				require.NoError(t, err)
				continue
			}
			require.ErrorIs(t, err, acme.ErrNotFound)
		}
		require.Equal(t, 999-round, room(t, s, "orders", 1000))
	}
}
