package acmetest

import (
	"testing"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/stretchr/testify/require"
)

func spendOnce(t *testing.T, s acme.Store) {
	p, q := Pass(nil), Pass(nil)
	require.NoError(t, s.Spend(ctx, nil), "nil asks for nothing")
	require.NoError(t, s.Spend(ctx, p))
	require.ErrorIs(t, s.Spend(ctx, p), acme.ErrSpent)
	p.Until = p.Until.AddDate(1, 0, 0)
	require.ErrorIs(t, s.Spend(ctx, p), acme.ErrSpent)
	require.NoError(t, s.Spend(ctx, q))
	require.ErrorIs(t, s.Spend(ctx, q), acme.ErrSpent)
}

func spendAccounts(t *testing.T, s acme.Store) {
	a, b := account(t, s, 1), account(t, s, 2)
	p := Pass(a)
	other := *p
	other.Thumbprint = b.Thumbprint
	require.ErrorIs(t, s.Spend(ctx, &other), acme.ErrAccount)
	nobody := *p
	nobody.Account = "nobody"
	require.ErrorIs(t, s.Spend(ctx, &nobody), acme.ErrAccount)
	none := *p
	none.Thumbprint = ""
	require.ErrorIs(t, s.Spend(ctx, &none), acme.ErrAccount)
	require.NoError(t, s.Spend(ctx, p), "spent by a request that was not let in")
	require.ErrorIs(t, s.Spend(ctx, p), acme.ErrSpent)
	require.NoError(t, s.Spend(ctx, Pass(a)))

	for i, status := range []acme.Status{acme.Deactivated, acme.Revoked} {
		c := account(t, s, 10+i)
		c.Status = status
		require.NoError(t, s.UpdateAccount(ctx, Pass(c), c), "the account is valid until then")
		p := Pass(c)
		require.ErrorIs(t, s.Spend(ctx, p), acme.ErrAccount, status)
		p.Account = ""
		require.NoError(t, s.Spend(ctx, p))
	}

	old := *a
	a.Thumbprint = "another"
	require.NoError(t, s.UpdateAccount(ctx, Pass(&old), a))
	require.ErrorIs(t, s.Spend(ctx, Pass(&old)), acme.ErrAccount)
	require.NoError(t, s.Spend(ctx, Pass(a)))
}

// withPass is every method that takes one, on an account that has an order "o" with an authorization "o-0".
func withPass(s acme.Store, a *acme.Account) map[string]func(*acme.Pass) error {
	return map[string]func(*acme.Pass) error{
		"Spend":      func(p *acme.Pass) error { return s.Spend(ctx, p) },
		"NewAccount": func(p *acme.Pass) error { return s.NewAccount(ctx, p, Account(50)) },
		"UpdateAccount": func(p *acme.Pass) error {
			c, err := s.Account(ctx, a.ID)
			if err != nil {
				return err
			}
			c.Agreed = !c.Agreed
			return s.UpdateAccount(ctx, p, c)
		},
		"NewOrder": func(p *acme.Pass) error {
			_, _, err := s.NewOrder(ctx, p, NewOrder(a, "new", "new.example"))
			return err
		},
		"Order": func(p *acme.Pass) error { _, _, err := s.Order(ctx, p, "o"); return err },
		"Orders": func(p *acme.Pass) error {
			_, _, err := s.Orders(ctx, p, a.ID, Start, "", 0)
			return err
		},
		"UpdateOrder": func(p *acme.Pass) error {
			o, _, err := s.Order(ctx, nil, "o")
			if err != nil {
				return err
			}
			o.Attempts++
			return s.UpdateOrder(ctx, p, o)
		},
		"Authorization": func(p *acme.Pass) error { _, err := s.Authorization(ctx, p, "o-0"); return err },
		"UpdateAuthorization": func(p *acme.Pass) error {
			z, err := s.Authorization(ctx, nil, "o-0")
			if err != nil {
				return err
			}
			z.Due = z.Due.Add(time.Hour)
			return s.UpdateAuthorization(ctx, p, z, acme.Tally{Key: "t", Limit: 1, Until: Start.Add(time.Hour)})
		},
	}
}

// Whoever is not let in changes nothing, and does not learn anything.
func spendWithEverything(t *testing.T, s acme.Store) {
	a := account(t, s, 1)
	order(t, s, NewOrder(a, "o", "a.example"))
	for name, call := range withPass(s, a) {
		before := everything(t, s, a)
		spent := Pass(a)
		require.NoError(t, s.Spend(ctx, spent))
		require.ErrorIs(t, call(spent), acme.ErrSpent, name)
		wrong := Pass(a)
		wrong.Thumbprint = "wrong"
		require.ErrorIs(t, call(wrong), acme.ErrAccount, name)
		require.Equal(t, before, everything(t, s, a), name)
		wrong.Thumbprint = a.Thumbprint
		require.NoError(t, call(wrong), name)
		require.ErrorIs(t, s.Spend(ctx, wrong), acme.ErrSpent, name)
	}
}

// everything is what can be seen of an account in these tests.
func everything(t *testing.T, s acme.Store, a *acme.Account) string {
	t.Helper()
	got, err := s.Account(ctx, a.ID)
	require.NoError(t, err)
	ids, _, err := s.Orders(ctx, nil, a.ID, Start, "", 0)
	require.NoError(t, err)
	all := []any{got, got.Version, ids, s.Full(ctx, acme.Tally{Key: "t", Limit: 1}) == nil}
	if _, err := s.Account(ctx, Account(50).ID); err == nil {
		all = append(all, "another")
	}
	for _, id := range ids {
		o, auths := load(t, s, id)
		all = append(all, o, o.Version, auths)
		for _, z := range auths {
			all = append(all, z.Version)
		}
	}
	return canon(all)
}

// What fails for another reason has spent the nonce.
func spendStays(t *testing.T, s acme.Store) {
	a, b := account(t, s, 1), account(t, s, 2)
	n := NewOrder(a, "o", "a.example")
	n.Order.Replaces = "certificate"
	o, auths := order(t, s, n)
	require.NoError(t, s.Count(ctx, acme.Tally{Key: "full", Limit: 1, Until: Start.Add(time.Hour)}))
	full := []acme.Tally{{Key: "full", Limit: 1, What: "things"}}
	for name, c := range map[string]struct {
		want error
		call func(*acme.Pass) error
	}{
		"Order":         {acme.ErrNotFound, func(p *acme.Pass) error { _, _, err := s.Order(ctx, p, "none"); return err }},
		"Authorization": {acme.ErrNotFound, func(p *acme.Pass) error { _, err := s.Authorization(ctx, p, "none"); return err }},
		"Orders": {acme.ErrNotFound, func(p *acme.Pass) error {
			_, _, err := s.Orders(ctx, p, a.ID, Start, "no cursor", 0)
			return err
		}},
		"UpdateOrder, old": {acme.ErrConflict, func(p *acme.Pass) error {
			c := *o
			c.Version += 7
			return s.UpdateOrder(ctx, p, &c)
		}},
		"UpdateOrder": {acme.ErrNotFound, func(p *acme.Pass) error {
			c := *o
			c.ID = "none"
			return s.UpdateOrder(ctx, p, &c)
		}},
		"UpdateAuthorization, old": {acme.ErrConflict, func(p *acme.Pass) error {
			c := *auths[0]
			c.Version += 7
			return s.UpdateAuthorization(ctx, p, &c)
		}},
		"UpdateAuthorization": {acme.ErrNotFound, func(p *acme.Pass) error {
			c := *auths[0]
			c.ID = "none"
			return s.UpdateAuthorization(ctx, p, &c)
		}},
		"UpdateAccount, old": {acme.ErrConflict, func(p *acme.Pass) error {
			c := *a
			c.Version += 7
			return s.UpdateAccount(ctx, p, &c)
		}},
		"UpdateAccount": {acme.ErrNotFound, func(p *acme.Pass) error { return s.UpdateAccount(ctx, p, Account(9)) }},
		"UpdateAccount, taken": {acme.ErrExists, func(p *acme.Pass) error {
			c := *a
			c.Thumbprint = b.Thumbprint
			return s.UpdateAccount(ctx, p, &c)
		}},
		"NewAccount": {acme.ErrExists, func(p *acme.Pass) error { return s.NewAccount(ctx, p, Account(2)) }},
		"NewAccount, key": {acme.ErrKey, func(p *acme.Pass) error {
			c := Account(3)
			c.Binding = "none"
			return s.NewAccount(ctx, p, c)
		}},
		"NewAccount, full": {nil, func(p *acme.Pass) error { return s.NewAccount(ctx, p, Account(3), full...) }},
		"NewOrder, full": {nil, func(p *acme.Pass) error {
			n := NewOrder(a, "n", "n.example")
			n.Tallies = full
			_, _, err := s.NewOrder(ctx, p, n)
			return err
		}},
		"NewOrder, unless": {nil, func(p *acme.Pass) error {
			n := NewOrder(a, "n", "n.example")
			n.Unless = full
			_, _, err := s.NewOrder(ctx, p, n)
			return err
		}},
		"NewOrder, replaced": {acme.ErrReplaced, func(p *acme.Pass) error {
			n := NewOrder(a, "n", "n.example")
			n.Order.Replaces = "certificate"
			_, _, err := s.NewOrder(ctx, p, n)
			return err
		}},
	} {
		p := Pass(a)
		err := c.call(p)
		if c.want == nil {
			requireLimit(t, err, "things")
		} else {
			require.ErrorIs(t, err, c.want, name)
		}
		require.ErrorIs(t, s.Spend(ctx, p), acme.ErrSpent, name)
	}
}
