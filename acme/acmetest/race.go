package acmetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/stretchr/testify/require"
)

// together runs f n times at once and counts the nil errors. Others must match one of allowed, or be about a limit if
// that is nil.
func together(t *testing.T, n int, f func(i int) error, allowed ...error) int {
	t.Helper()
	var wg sync.WaitGroup
	var won atomic.Int32
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			err := f(i)
			if err == nil {
				won.Add(1)
				return
			}
			for _, a := range allowed {
				if _, full := errors.AsType[*acme.LimitError](err); a == nil && full || a != nil && errors.Is(err, a) {
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

func raceNonce(t *testing.T, s acme.Store) {
	a := account(t, s, 1)
	for range 5 {
		p := Pass(a)
		require.Equal(t, 1, together(t, 50, func(int) error { return s.Spend(ctx, p) }, acme.ErrSpent))
	}
	order(t, s, NewOrder(a, "o", "a.example"))
	calls := withPass(s, a)
	var names []string
	for name := range calls {
		if name != "NewAccount" { // it would exist the second time
			names = append(names, name)
		}
	}
	for range 3 { // whatever it is for
		p := Pass(a)
		got := together(t, 50, func(i int) error {
			err := calls[names[i%len(names)]](p)
			if errors.Is(err, acme.ErrConflict) || errors.Is(err, acme.ErrNotFound) { // let in, and then it failed
				return nil
			}
			return err
		}, acme.ErrSpent)
		require.Equal(t, 1, got)
	}
}

func raceAccount(t *testing.T, s acme.Store) {
	var winner atomic.Int32
	won := together(t, 50, func(i int) error {
		a := Account(i)
		a.Thumbprint = "one"
		err := s.NewAccount(ctx, Pass(nil), a, tally("accounts", 100))
		if err == nil {
			winner.Store(int32(i))
		}
		return err
	}, acme.ErrExists)
	require.Equal(t, 1, won)
	got, err := s.AccountByKey(ctx, Provisioner, "one")
	require.NoError(t, err)
	require.Equal(t, Account(int(winner.Load())).ID, got.ID)
	require.Equal(t, 99, room(t, s, "accounts", 100), "counted once")
	require.Equal(t, 50, together(t, 50, func(i int) error { return s.NewAccount(ctx, Pass(nil), Account(100+i)) }))
}

func raceRollover(t *testing.T, s acme.Store) {
	for n := range 40 {
		account(t, s, n)
	}
	won := together(t, 40, func(i int) error {
		a, err := s.Account(ctx, Account(i).ID)
		if err != nil {
			return err
		}
		p := Pass(a)
		a.Thumbprint = "one"
		err = s.UpdateAccount(ctx, p, a)
		if spent := s.Spend(ctx, p); err != nil && !errors.Is(spent, acme.ErrSpent) {
			return fmt.Errorf("not spent: %w", spent)
		}
		return err
	}, acme.ErrExists)
	require.Equal(t, 1, won)
	got, err := s.AccountByKey(ctx, Provisioner, "one")
	require.NoError(t, err)
	require.Equal(t, "one", got.Thumbprint)
	for n := range 40 { // whoever lost is what he was
		a, err := s.AccountByKey(ctx, Provisioner, Account(n).Thumbprint)
		if Account(n).ID == got.ID {
			require.ErrorIs(t, err, acme.ErrNotFound)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, Account(n).Thumbprint, a.Thumbprint)
	}
}

func raceKey(t *testing.T, s acme.Store) {
	externalKey(t, s, "once", nil)
	won := together(t, 50, func(i int) error { return s.NewAccount(ctx, Pass(nil), bound(i, "once"), tally("accounts", 100)) }, acme.ErrKey)
	require.Equal(t, 1, won)
	require.Equal(t, 99, room(t, s, "accounts", 100))
	user, err := s.Account(ctx, loadKey(t, s, "once").Account)
	require.NoError(t, err)
	require.Equal(t, "once", user.Binding)
	externalKey(t, s, "often", func(k *acme.ExternalKey) { k.Reusable = true })
	require.Equal(t, 50, together(t, 50, func(i int) error { return s.NewAccount(ctx, Pass(nil), bound(100+i, "often")) }))
}

// raceUpdates counts in rows, again after a conflict, so that every lost update shows.
func raceUpdates(t *testing.T, s acme.Store) {
	const writers = 100
	a := account(t, s, 1)
	order(t, s, NewOrder(a, "o", "a.example"))
	var conflicts atomic.Int32
	until := func(try func() error) error {
		for {
			if err := try(); !errors.Is(err, acme.ErrConflict) {
				return err
			}
			conflicts.Add(1)
		}
	}
	together(t, writers, func(i int) error {
		return until(func() error {
			o, _, err := s.Order(ctx, nil, "o")
			if err != nil {
				return err
			}
			o.Attempts++
			return s.UpdateOrder(ctx, Pass(a), o)
		})
	})
	o, _ := load(t, s, "o")
	require.Equal(t, writers, o.Attempts)
	together(t, writers/2, func(i int) error {
		return until(func() error {
			z, err := s.Authorization(ctx, nil, "o-0")
			if err != nil {
				return err
			}
			z.Challenges[0].Attempts++
			return s.UpdateAuthorization(ctx, Pass(a), z, tally("updates", writers))
		})
	})
	require.Equal(t, writers/2, loadAuth(t, s, "o-0").Challenges[0].Attempts)
	require.Equal(t, writers/2, room(t, s, "updates", writers), "only what took effect is counted")
	together(t, writers/2, func(i int) error {
		return until(func() error {
			c, err := s.Account(ctx, a.ID)
			if err != nil {
				return err
			}
			c.Contacts = append(c.Contacts, fmt.Sprint(i))
			return s.UpdateAccount(ctx, Pass(a), c)
		})
	})
	got, err := s.Account(ctx, a.ID)
	require.NoError(t, err)
	require.Len(t, got.Contacts, 1+writers/2)
}

func raceSecret(t *testing.T, s acme.Store) {
	var mu sync.Mutex
	seen := map[string]bool{}
	together(t, 50, func(i int) error {
		b, err := s.Secret(ctx, "secret", fmt.Append(nil, "candidate ", i))
		mu.Lock()
		defer mu.Unlock()
		seen[string(b)] = true
		return err
	})
	require.Len(t, seen, 1)
}

// raceEverything is for the race detector, and for what must hold whatever the order.
func raceEverything(t *testing.T, s acme.Store) {
	accounts := []*acme.Account{account(t, s, 0), account(t, s, 1)}
	name := acme.Identifier{Type: acme.DNS, Value: "a.example"}
	var updates atomic.Int32
	together(t, 60, func(i int) error {
		a := accounts[i%2]
		n := NewOrder(a, fmt.Sprint("o", i), fmt.Sprintf("%d.example", i%7), name.Value)
		n.Tallies, n.MaxPending = []acme.Tally{tally("orders", 1000)}, 50
		o, auths, err := s.NewOrder(ctx, Pass(a), n)
		if err != nil {
			return err
		}
		if len(auths) != 2 || auths[0].Identifier != o.Identifiers[0] || auths[1].Identifier != o.Identifiers[1] {
			return fmt.Errorf("order %s has the authorizations %s", o.ID, authIDs(auths))
		}
		auths[1].Challenges[0].Attempts++
		auths[1].Status = []acme.Status{acme.Valid, acme.Invalid, acme.Pending}[i%3]
		switch err := s.UpdateAuthorization(ctx, Pass(a), auths[1], tally("updates", 1000)); {
		case err == nil:
			updates.Add(1)
		case !errors.Is(err, acme.ErrConflict):
			return err
		}
		if o.Status = acme.Processing; i%5 == 0 {
			o.Status = acme.Invalid
		}
		if err := s.UpdateOrder(ctx, Pass(a), o); err != nil && !errors.Is(err, acme.ErrConflict) {
			return err
		}
		if _, auths, err := s.Order(ctx, Pass(a), o.ID); err != nil || len(auths) != 2 {
			return fmt.Errorf("%d authorizations: %w", len(auths), err)
		}
		if _, err := s.Holds(ctx, a.ID, []acme.Identifier{name}, Start); err != nil {
			return err
		}
		if _, _, err := s.Orders(ctx, nil, a.ID, Start, "", 3); err != nil {
			return err
		}
		_, _, err = s.Prune(ctx, Start.Add(-time.Hour), 5)
		return err
	})
	require.Equal(t, 1000-int(updates.Load()), room(t, s, "updates", 1000))
}
