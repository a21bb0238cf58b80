package acmetest

import (
	"context"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/stretchr/testify/require"
)

func spoilAccount(a *acme.Account) {
	a.Key[2]++
	a.Contacts[0], a.Status, a.Thumbprint = "changed", acme.Revoked, "changed"
}

func spoilOrder(o *acme.Order) {
	o.Identifiers[0].Value, o.Status, o.Serial = "changed", acme.Invalid, "changed"
	if o.CSR != nil {
		o.CSR[0]++
		o.Error.Detail, o.Error.Identifier.Value, o.Error.Algorithms[0], o.Error.Subproblems[0].Detail = "changed", "changed", "changed", "changed"
	}
}

func spoilAuth(z *acme.Authorization) {
	z.Status, z.Identifier.Value, z.Challenges[0].Token = acme.Revoked, "changed", "changed"
	if c := &z.Challenges[0]; c.Payload != nil {
		c.Payload[0]++
		c.Data["deep"].(map[string]any)["x"], c.Data["list"].([]any)[0] = "changed", "changed"
		c.Error.Detail = "changed"
	}
}

// copies changes everything that was passed or received.
func copies(t *testing.T, s acme.Store) {
	a := account(t, s, 1)
	spoilAccount(a)
	n := NewOrder(Account(1), "o", "a.example")
	o, auths, err := s.NewOrder(ctx, nil, n)
	require.NoError(t, err)
	wantAccount, err := s.Account(ctx, a.ID)
	require.NoError(t, err)
	look := func() string {
		got, err := s.Account(ctx, a.ID)
		require.NoError(t, err)
		byKey, err := s.AccountByKey(ctx, Provisioner, wantAccount.Thumbprint)
		require.NoError(t, err)
		o, auths := load(t, s, "o")
		z := loadAuth(t, s, "o-0")
		n := NewOrder(Account(1), "p", "a.example")
		p, more, err := s.NewOrder(ctx, nil, n)
		require.NoError(t, err)
		due, err := s.DueOrders(ctx, Provisioner, Start.AddDate(1, 0, 0), 0)
		require.NoError(t, err)
		dueAuths, err := s.DueAuthorizations(ctx, Provisioner, Start.AddDate(1, 0, 0), 0)
		require.NoError(t, err)
		seen := canon([]any{got, byKey, o, auths, z, p, more, due, dueAuths})
		spoilAccount(got)
		spoilAccount(byKey)
		spoilOrder(o)
		spoilOrder(p)
		for _, all := range [][]*acme.Authorization{auths, {z}, more, dueAuths} {
			for _, z := range all {
				spoilAuth(z)
			}
		}
		for _, o := range due {
			spoilOrder(o)
		}
		return seen
	}
	before := look()
	spoilOrder(n.Order)
	spoilAuth(n.Authorizations[0])
	spoilOrder(o)
	spoilAuth(auths[0])
	require.Equal(t, before, look())

	c := *wantAccount
	require.NoError(t, s.UpdateAccount(ctx, nil, &c))
	z := loadAuth(t, s, "o-0")
	z.Due = Start
	z.Challenges[0].Payload, z.Challenges[0].Error = []byte("{}"), &acme.Problem{Type: acme.CAA}
	z.Challenges[0].Data = map[string]any{"deep": map[string]any{"x": "y"}, "list": []any{"a"}}
	require.NoError(t, s.UpdateAuthorization(ctx, nil, z))
	o, _ = load(t, s, "o")
	o.CSR, o.Due = []byte{1}, Start
	o.Error = &acme.Problem{Type: acme.CAA, Identifier: &acme.Identifier{Type: acme.DNS, Value: "x"}, Algorithms: []string{"x"}, Subproblems: []*acme.Problem{{Type: acme.CAA}}}
	require.NoError(t, s.UpdateOrder(ctx, nil, o))
	before = look()
	spoilAccount(&c)
	spoilAuth(z)
	spoilOrder(o)
	require.Equal(t, before, look())

	k := externalKey(t, s, "k", nil)
	k.Key[0]++
	for range 2 {
		got := loadKey(t, s, "k")
		require.EqualValues(t, '0', got.Key[0])
		got.Key[0]++
		all, err := s.ExternalKeys(ctx, Provisioner, "", 0)
		require.NoError(t, err)
		all[0].Key[0]++
	}
}

func contextEnded(t *testing.T, s acme.Store) {
	a := account(t, s, 1)
	o, auths := order(t, s, NewOrder(a, "o", "a.example"))
	k := externalKey(t, s, "k", nil)
	before := everything(t, s, a)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	p := Pass(a)
	changedAccount, changedOrder, changedAuth, changedKey := *a, *o, *auths[0], *k
	changedAccount.Agreed, changedOrder.Attempts, changedAuth.Status, changedKey.Name = false, 9, acme.Valid, "changed"
	for name, call := range map[string]func() error{
		"Spend":               func() error { return s.Spend(gone, p) },
		"Count":               func() error { return s.Count(gone, tally("t", 1)) },
		"Full":                func() error { return s.Full(gone, tally("t", 1)) },
		"Secret":              func() error { _, err := s.Secret(gone, "secret", []byte("gone")); return err },
		"Prune":               func() error { _, _, err := s.Prune(gone, Start.AddDate(1, 0, 0), 0); return err },
		"Account":             func() error { _, err := s.Account(gone, a.ID); return err },
		"AccountByKey":        func() error { _, err := s.AccountByKey(gone, Provisioner, a.Thumbprint); return err },
		"NewAccount":          func() error { return s.NewAccount(gone, p, Account(50), tally("t", 1)) },
		"UpdateAccount":       func() error { return s.UpdateAccount(gone, p, &changedAccount) },
		"NewOrder":            func() error { _, _, err := s.NewOrder(gone, p, NewOrder(a, "n", "n.example")); return err },
		"Order":               func() error { _, _, err := s.Order(gone, p, "o"); return err },
		"OrderOf":             func() error { _, err := s.OrderOf(gone, Provisioner, "1f"); return err },
		"Orders":              func() error { _, _, err := s.Orders(gone, p, a.ID, Start, "", 0); return err },
		"UpdateOrder":         func() error { return s.UpdateOrder(gone, p, &changedOrder) },
		"Authorization":       func() error { _, err := s.Authorization(gone, p, "o-0"); return err },
		"UpdateAuthorization": func() error { return s.UpdateAuthorization(gone, p, &changedAuth, tally("t", 1)) },
		"Holds": func() error {
			_, err := s.Holds(gone, a.ID, []acme.Identifier{{Type: acme.DNS, Value: "a.example"}}, Start)
			return err
		},
		"DueOrders":         func() error { _, err := s.DueOrders(gone, Provisioner, Start, 0); return err },
		"DueAuthorizations": func() error { _, err := s.DueAuthorizations(gone, Provisioner, Start, 0); return err },
		"PutExternalKey":    func() error { return s.PutExternalKey(gone, &changedKey) },
		"ExternalKey":       func() error { _, err := s.ExternalKey(gone, Provisioner, "k"); return err },
		"ExternalKeys":      func() error { _, err := s.ExternalKeys(gone, Provisioner, "", 0); return err },
	} {
		require.ErrorIs(t, call(), context.Canceled, name)
	}
	require.Equal(t, before, everything(t, s, a))
	require.Equal(t, k, loadKey(t, s, "k"))
	require.NoError(t, s.Spend(ctx, p))
	got, err := s.Secret(ctx, "secret", []byte("fresh"))
	require.NoError(t, err)
	require.Equal(t, "fresh", string(got))
	require.Equal(t, []int64{a.Version, o.Version, auths[0].Version}, []int64{changedAccount.Version, changedOrder.Version, changedAuth.Version})
	late, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Hour))
	defer cancel()
	require.ErrorIs(t, s.Spend(late, Pass(nil)), context.DeadlineExceeded)
}
