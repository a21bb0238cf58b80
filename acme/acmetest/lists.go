package acmetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/stretchr/testify/require"
)

func ordersPages(t *testing.T, s acme.Store) {
	a, b := account(t, s, 1), account(t, s, 2)
	pages := func(limit int) (all []string) {
		for cursor := ""; ; {
			ids, next, err := s.Orders(ctx, Pass(a), a.ID, Start, cursor, limit)
			require.NoError(t, err)
			if want := 100; limit == 0 {
				require.LessOrEqual(t, len(ids), want)
			} else {
				require.LessOrEqual(t, len(ids), limit)
			}
			if all = append(all, ids...); next == "" {
				return all
			}
			require.NotEmpty(t, ids)
			cursor = next
		}
	}
	require.Empty(t, pages(0))
	var want []string
	for n := range 105 {
		id := fmt.Sprintf("order-%d", n)
		order(t, s, NewOrder(a, id, fmt.Sprintf("%d.example", n)))
		want = append(want, id)
	}
	order(t, s, NewOrder(b, "other", "0.example"))
	slices.Reverse(want)
	require.Equal(t, want, pages(0))
	require.Equal(t, want, pages(1))
	require.Equal(t, want, pages(7))
	require.Equal(t, want, pages(105))
	ids, next, err := s.Orders(ctx, nil, a.ID, Start, "", 105)
	require.NoError(t, err)
	require.Len(t, ids, 105)
	require.Empty(t, next, "there is no page after the last")

	_, next, err = s.Orders(ctx, nil, a.ID, Start, "", 10)
	require.NoError(t, err)
	order(t, s, NewOrder(a, "new", "new.example"))
	finish(t, s, want[9], acme.Invalid)
	ids, _, err = s.Orders(ctx, nil, a.ID, Start, next, 10)
	require.NoError(t, err)
	require.Equal(t, want[10:20], ids, "a page goes on where the last one ended, whatever has become of that")
	for _, bad := range []string{"x", " ", next + " ", "0" + next, "-1"} {
		_, _, err = s.Orders(ctx, nil, a.ID, Start, bad, 10)
		require.ErrorIs(t, err, acme.ErrNotFound, bad)
	}
	ids, next, err = s.Orders(ctx, nil, "nobody", Start, "", 0)
	require.NoError(t, err)
	require.Empty(t, ids)
	require.Empty(t, next)
}

func ordersWhich(t *testing.T, s acme.Store) {
	a := account(t, s, 1)
	for i, status := range []acme.Status{acme.Pending, acme.Processing, acme.Valid, acme.Invalid} {
		n := NewOrder(a, string(status), fmt.Sprintf("%d.example", i))
		n.Order.Expires = Start.Add(time.Duration(i+1) * time.Hour)
		order(t, s, n)
		finish(t, s, string(status), status)
	}
	for hours, want := range [][]string{
		{"valid", "processing", "pending"}, {"valid", "processing"}, {"valid"}, nil, nil,
	} {
		ids, next, err := s.Orders(ctx, nil, a.ID, Start.Add(time.Duration(hours)*time.Hour), "", 0)
		require.NoError(t, err)
		require.Empty(t, next)
		require.Equal(t, want, ids)
	}
}

func dueOrders(t *testing.T, s acme.Store) {
	a := account(t, s, 1)
	ids := func(provisioner string, now time.Time, limit int) (out []string) {
		all, err := s.DueOrders(ctx, provisioner, now, limit)
		require.NoError(t, err)
		for _, o := range all {
			got, _ := load(t, s, o.ID)
			require.Equal(t, got, o)
			out = append(out, o.ID)
		}
		return out
	}
	for i, minutes := range []int{5, 1, 3, 0} {
		o, _ := order(t, s, NewOrder(a, fmt.Sprint("o", i), fmt.Sprintf("%d.example", i)))
		o.Status = acme.Processing
		if minutes > 0 {
			o.Due = Start.Add(time.Duration(minutes) * time.Minute)
		}
		require.NoError(t, s.UpdateOrder(ctx, nil, o))
	}
	require.Empty(t, ids(Provisioner, Start, 0))
	require.Equal(t, []string{"o1"}, ids(Provisioner, Start.Add(time.Minute), 0))
	require.Equal(t, []string{"o1", "o2", "o0"}, ids(Provisioner, Start.Add(time.Hour), 0))
	require.Equal(t, []string{"o1", "o2"}, ids(Provisioner, Start.Add(time.Hour), 2))
	require.Empty(t, ids("other", Start.Add(time.Hour), 0))
	o, _ := load(t, s, "o1")
	o.Due = Start.Add(10 * time.Minute)
	require.NoError(t, s.UpdateOrder(ctx, nil, o))
	require.Equal(t, []string{"o2", "o0"}, ids(Provisioner, Start.Add(9*time.Minute), 0))
	require.Equal(t, []string{"o2", "o0", "o1"}, ids(Provisioner, Start.Add(10*time.Minute), 0))
	o.Due = time.Time{}
	require.NoError(t, s.UpdateOrder(ctx, nil, o))
	require.Equal(t, []string{"o2", "o0"}, ids(Provisioner, Start.Add(time.Hour), 0))
}

func dueAuthorizations(t *testing.T, s acme.Store) {
	a := account(t, s, 1)
	ids := func(provisioner string, now time.Time, limit int) (out []string) {
		all, err := s.DueAuthorizations(ctx, provisioner, now, limit)
		require.NoError(t, err)
		for _, z := range all {
			require.Equal(t, loadAuth(t, s, z.ID), z)
			out = append(out, z.ID)
		}
		return out
	}
	for i, minutes := range []int{5, 1, 3, 0} {
		_, auths := order(t, s, NewOrder(a, fmt.Sprint("o", i), fmt.Sprintf("%d.example", i)))
		if minutes > 0 {
			auths[0].Due = Start.Add(time.Duration(minutes) * time.Minute)
			require.NoError(t, s.UpdateAuthorization(ctx, nil, auths[0]))
		}
	}
	require.Empty(t, ids(Provisioner, Start, 0))
	require.Equal(t, []string{"o1-0"}, ids(Provisioner, Start.Add(time.Minute), 0))
	require.Equal(t, []string{"o1-0", "o2-0", "o0-0"}, ids(Provisioner, Start.Add(time.Hour), 0))
	require.Equal(t, []string{"o1-0", "o2-0"}, ids(Provisioner, Start.Add(time.Hour), 2))
	require.Empty(t, ids("other", Start.Add(time.Hour), 0))
	z := loadAuth(t, s, "o1-0")
	z.Due = time.Time{}
	require.NoError(t, s.UpdateAuthorization(ctx, nil, z))
	require.Equal(t, []string{"o2-0", "o0-0"}, ids(Provisioner, Start.Add(time.Hour), 0))
}
