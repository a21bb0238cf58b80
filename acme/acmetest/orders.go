package acmetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/stretchr/testify/require"
)

func orderRoundTrip(t *testing.T, s acme.Store) {
	a := account(t, s, 1)
	n := NewOrder(a, "o", "b.example", "a.example", "*.a.example")
	zone := time.FixedZone("somewhere", -7200)
	n.Order.NotBefore, n.Order.NotAfter, n.Order.CreatedAt = Start.Add(time.Hour).In(zone), Start.Add(2*time.Hour+999), Start.In(zone)
	n.Order.Replaces = "certificate"
	o, auths, err := s.NewOrder(ctx, Pass(a), n)
	require.NoError(t, err)
	want := *NewOrder(a, "o", "b.example", "a.example", "*.a.example").Order
	want.NotBefore, want.NotAfter, want.Replaces, want.Version = Start.Add(time.Hour), Start.Add(2*time.Hour), "certificate", o.Version
	require.Equal(t, &want, o)
	require.NotZero(t, o.Version)
	require.Zero(t, n.Order.Version, "it stays the caller's")
	require.Len(t, auths, 3)
	for i, z := range auths {
		want := *n.Authorizations[i]
		require.NotZero(t, z.Version)
		want.Version = z.Version
		require.Equal(t, &want, z)
		require.Equal(t, &want, loadAuth(t, s, z.ID))
	}
	got, gotAuths := load(t, s, "o")
	require.Equal(t, o, got)
	require.Equal(t, auths, gotAuths)
	_, _, err = s.Order(ctx, nil, "none")
	require.ErrorIs(t, err, acme.ErrNotFound)
}

func orderReused(t *testing.T, s acme.Store) {
	a, b := account(t, s, 1), account(t, s, 2)
	n := NewOrder(a, "o", "a.example", "b.example")
	o, auths := order(t, s, n)
	got, gotAuths := again(t, s, NewOrder(a, "p", "a.example", "b.example"), "o")
	require.Equal(t, o, got)
	require.Equal(t, auths, gotAuths)
	order(t, s, NewOrder(b, "other", "a.example", "b.example"))

	set(t, s, auths[0].ID, acme.Valid, Start.Add(time.Hour))
	got, gotAuths = again(t, s, NewOrder(a, "p", "a.example", "b.example"), "o")
	require.Equal(t, o, got)
	require.Equal(t, acme.Valid, gotAuths[0].Status)
	got.Attempts = 3
	require.NoError(t, s.UpdateOrder(ctx, nil, got))
	got, _ = again(t, s, NewOrder(a, "p", "a.example", "b.example"), "o")
	require.Equal(t, 3, got.Attempts)

	n = NewOrder(a, "p", "a.example", "b.example")
	n.NotEndingBefore = Start.Add(time.Hour)
	again(t, s, n, "o") // both end then, and not before
}

func orderNotReused(t *testing.T, s acme.Store) {
	for i, change := range []func(id string, n *acme.NewOrder){
		func(id string, n *acme.NewOrder) { n.NotEndingBefore = n.Order.Expires.Add(1) },
		func(id string, _ *acme.NewOrder) {
			set(t, s, id+"-0", acme.Valid, Start.Add(time.Hour-time.Microsecond))
		},
		func(id string, _ *acme.NewOrder) { set(t, s, id+"-1", acme.Invalid, Start.AddDate(0, 0, 7)) },
		func(id string, _ *acme.NewOrder) { set(t, s, id+"-1", acme.Deactivated, Start.AddDate(0, 0, 7)) },
		func(id string, _ *acme.NewOrder) { set(t, s, id+"-0", acme.Revoked, Start.AddDate(0, 0, 7)) },
		func(id string, _ *acme.NewOrder) { finish(t, s, id, acme.Processing) },
		func(id string, _ *acme.NewOrder) { finish(t, s, id, acme.Valid) },
		func(id string, _ *acme.NewOrder) { finish(t, s, id, acme.Invalid) },
	} {
		a := account(t, s, i)
		id := fmt.Sprintf("old-%d", i)
		order(t, s, NewOrder(a, id, "a.example", "b.example"))
		n := NewOrder(a, fmt.Sprintf("new-%d", i), "a.example", "b.example")
		change(id, n)
		order(t, s, n)
		again(t, s, NewOrder(a, "third", "a.example", "b.example"), n.Order.ID)
		_, auths := load(t, s, id)
		require.Equal(t, []string{id + "-0", id + "-1"}, authIDs(auths), "the old one stays as it was")
	}
}

func orderReplaces(t *testing.T, s acme.Store) {
	a, b := account(t, s, 1), account(t, s, 2)
	replacing := func(a *acme.Account, id string, names ...string) *acme.NewOrder {
		n := NewOrder(a, id, names...)
		n.Order.Replaces = "certificate"
		return n
	}
	order(t, s, replacing(a, "first", "a.example"))
	refused := func(why string) {
		t.Helper()
		for _, n := range []*acme.NewOrder{replacing(a, "second", "a.example", "b.example"), replacing(b, "second", "a.example")} {
			_, _, err := s.NewOrder(ctx, nil, n)
			require.ErrorIs(t, err, acme.ErrReplaced, why)
			_, _, err = s.Order(ctx, nil, "second")
			require.ErrorIs(t, err, acme.ErrNotFound)
			_, err = s.Authorization(ctx, nil, "second-0")
			require.ErrorIs(t, err, acme.ErrNotFound)
		}
	}
	refused("pending")
	again(t, s, replacing(a, "second", "a.example"), "first")
	set(t, s, "first-0", acme.Invalid, Start.AddDate(0, 0, 7))
	refused("its authorization cannot be valid any more, and it could be")
	order(t, s, replacing(a, "third", "a.example"))
	refused("the third has taken over")
	finish(t, s, "first", acme.Invalid)
	refused("the first has nothing to give")
	finish(t, s, "third", acme.Processing)
	refused("processing")
	_, _, err := s.NewOrder(ctx, nil, replacing(a, "second", "a.example"))
	require.ErrorIs(t, err, acme.ErrReplaced, "of the same key, and not pending")
	finish(t, s, "third", acme.Valid)
	refused("valid")

	elsewhere := Account(3)
	elsewhere.Provisioner = "other"
	require.NoError(t, s.NewAccount(ctx, nil, elsewhere))
	order(t, s, replacing(elsewhere, "elsewhere", "a.example"))
	order(t, s, NewOrder(a, "another", "c.example"))
	n := NewOrder(b, "more", "c.example")
	n.Order.Replaces = "another certificate"
	order(t, s, n)
	finish(t, s, "more", acme.Invalid)
	n = NewOrder(a, "most", "d.example")
	n.Order.Replaces = "another certificate"
	order(t, s, n)
}

func orderUpdate(t *testing.T, s acme.Store) {
	a := account(t, s, 1)
	o, auths := order(t, s, NewOrder(a, "o", "a.example"))
	first := *o
	want := *o
	want.Status, want.CSR, want.Attempts, want.Serial, want.Due = acme.Processing, []byte{1, 2, 3}, 2, "1f", Start.Add(time.Hour)
	want.Error = &acme.Problem{Type: acme.Unauthorized, Status: 403, Detail: "no", Algorithms: []string{"ES256"}, Instance: "https://ca.internal/terms",
		Identifier: &acme.Identifier{Type: acme.DNS, Value: "a.example"}, Subproblems: []*acme.Problem{{Type: acme.CAA, Status: 403, Detail: "forbidden"}}}
	changed := want
	changed.Due = want.Due.In(time.FixedZone("somewhere", 60)).Add(3)
	changed.Account, changed.Provisioner, changed.Identifiers, changed.Profile, changed.Replaces = "x", "x", nil, "x", "x"
	changed.CreatedAt, changed.Expires, changed.NotBefore = Start.Add(1), Start.Add(2), Start.Add(3)
	require.NoError(t, s.UpdateOrder(ctx, Pass(a), &changed))
	require.NotEqual(t, o.Version, changed.Version)
	want.Version = changed.Version
	got, gotAuths := load(t, s, "o")
	require.Equal(t, &want, got, "what may change, and nothing else")
	require.Equal(t, auths, gotAuths)

	require.ErrorIs(t, s.UpdateOrder(ctx, nil, &first), acme.ErrConflict)
	require.Equal(t, o.Version, first.Version)
	none := *got
	none.ID = "none"
	require.ErrorIs(t, s.UpdateOrder(ctx, nil, &none), acme.ErrNotFound)
	want.Status, want.Error, want.CSR, want.Serial, want.Due = acme.Invalid, nil, nil, "", time.Time{}
	changed = want
	require.NoError(t, s.UpdateOrder(ctx, nil, &changed))
	want.Version = changed.Version
	got, _ = load(t, s, "o")
	require.Equal(t, &want, got)
}

func orderUnfit(t *testing.T, s acme.Store) {
	a := account(t, s, 1)
	for name, change := range map[string]func(*acme.NewOrder){
		"no key":         func(n *acme.NewOrder) { n.Key = "" },
		"no identifiers": func(n *acme.NewOrder) { n.Order.Identifiers, n.Authorizations = nil, nil },
		"missing":        func(n *acme.NewOrder) { n.Authorizations = n.Authorizations[:1] },
		"in another order": func(n *acme.NewOrder) {
			n.Order.Identifiers[0], n.Order.Identifiers[1] = n.Order.Identifiers[1], n.Order.Identifiers[0]
		},
		"twice": func(n *acme.NewOrder) {
			n.Order.Identifiers[1], n.Authorizations[1].Identifier = n.Order.Identifiers[0], n.Order.Identifiers[0]
		},
		"of another": func(n *acme.NewOrder) { n.Authorizations[1].Account = "x" },
		"wildcard":   func(n *acme.NewOrder) { n.Authorizations[1].Wildcard = true },
		"valid":      func(n *acme.NewOrder) { n.Authorizations[1].Status = acme.Valid },
		"processing": func(n *acme.NewOrder) { n.Order.Status = acme.Processing },
	} {
		n := NewOrder(a, "o", "a.example", "b.example")
		change(n)
		p := Pass(a)
		_, _, err := s.NewOrder(ctx, p, n)
		require.Error(t, err, name)
		require.NoError(t, s.Spend(ctx, p), name)
	}
	order(t, s, NewOrder(a, "o", "a.example"))
	_, _, err := s.NewOrder(ctx, nil, NewOrder(a, "o", "b.example"))
	require.ErrorIs(t, err, acme.ErrExists)
	_, _, err = s.NewOrder(ctx, nil, NewOrder(a, "o", "a.example", "b.example"))
	require.ErrorIs(t, err, acme.ErrExists)
	_, auths := load(t, s, "o")
	require.Equal(t, []string{"o-0"}, authIDs(auths))
	n := NewOrder(a, "p", "b.example")
	n.Authorizations[0].ID = "o-0"
	_, _, err = s.NewOrder(ctx, nil, n)
	require.ErrorIs(t, err, acme.ErrExists)
	_, _, err = s.Order(ctx, nil, "p")
	require.ErrorIs(t, err, acme.ErrNotFound)
}

func orderWide(t *testing.T, s acme.Store) {
	a := account(t, s, 1)
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("host-%d.example", 1000-i*7%100))
	}
	for _, n := range []int{1, 2, 3, 5, 17, 100} {
		o, auths := order(t, s, NewOrder(a, fmt.Sprint("o", n), names[:n]...))
		got, gotAuths := load(t, s, o.ID)
		require.Equal(t, o, got)
		require.Equal(t, auths, gotAuths)
		require.Len(t, auths, n)
		for i, z := range auths {
			require.Equal(t, o.Identifiers[i], z.Identifier)
			require.Equal(t, authIDs(auths)[i], authIDs(gotAuths)[i])
		}
		again(t, s, NewOrder(a, "again", names[:n]...), o.ID)
	}
}

func orderOf(t *testing.T, s acme.Store) {
	a := account(t, s, 1)
	o, _ := order(t, s, NewOrder(a, "o", "a.example"))
	order(t, s, NewOrder(a, "p", "b.example"))
	_, err := s.OrderOf(ctx, Provisioner, "1f")
	require.ErrorIs(t, err, acme.ErrNotFound)
	_, err = s.OrderOf(ctx, Provisioner, "")
	require.ErrorIs(t, err, acme.ErrNotFound)
	o.Status, o.Serial = acme.Valid, "1f"
	require.NoError(t, s.UpdateOrder(ctx, nil, o))
	got, err := s.OrderOf(ctx, Provisioner, "1f")
	require.NoError(t, err)
	require.Equal(t, o, got)
	for _, c := range [][2]string{{"other", "1f"}, {Provisioner, "1"}, {Provisioner, ""}} {
		_, err := s.OrderOf(ctx, c[0], c[1])
		require.ErrorIs(t, err, acme.ErrNotFound)
	}
	o.Serial = "2f"
	require.NoError(t, s.UpdateOrder(ctx, nil, o))
	_, err = s.OrderOf(ctx, Provisioner, "1f")
	require.ErrorIs(t, err, acme.ErrNotFound)
	_, err = s.OrderOf(ctx, Provisioner, "2f")
	require.NoError(t, err)
}
