package acmetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// past is a random history of a few accounts, in a store and in memory, which must say the same.
type past struct {
	t      *rapid.T
	stores [2]acme.Store // the one in memory, and the one that is tested
	run    int
	n      int // of the step

	accounts, orders, auths, keys []string
	passes                        []*acme.Pass
	pruned                        time.Time
}

// history does anything in any order.
func history(t *testing.T, s acme.Store) {
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		h := &past{t: t, stores: [2]acme.Store{acme.NewMemory(), s}, run: run}
		steps := map[string]func(*rapid.T){}
		for name, f := range map[string]func(){
			"account": h.newAccount, "change account": h.changeAccount, "key": h.putKey, "order": h.newOrder, "order again": h.newOrder,
			"change order": h.changeOrder, "change authorization": h.changeAuth, "prove": h.changeAuth, "count": h.count, "look": h.look, "prune": h.prune,
		} {
			steps[name] = func(t *rapid.T) { h.t, h.n = t, h.n+1; f() }
		}
		for more := true; more; { // what the run before has left
			var err error
			_, more, err = s.Prune(ctx, Start.AddDate(100, 0, 0), 0)
			require.NoError(t, err)
		}
		t.Repeat(steps)
	})
}

// both has the stores do the same, and returns how it went if they agree.
func (h *past) both(what string, f func(s acme.Store) (any, error)) string {
	h.t.Helper()
	var said [2]string
	for i, s := range h.stores {
		v, err := f(s)
		said[i] = outcome(v, err)
	}
	require.Equal(h.t, said[0], said[1], "%s: expected what the store in memory says", what)
	return said[0]
}

func outcome(v any, err error) string {
	if e, ok := errors.AsType[*acme.LimitError](err); ok {
		return "full: " + canon(e.Tally)
	}
	if err != nil {
		return err.Error()
	}
	return canon(v)
}

func (h *past) name(kind string, n int) string { return fmt.Sprintf("%s-%d-%d", kind, h.run, n) }

func (h *past) chance(one int) bool { return rapid.IntRange(1, one).Draw(h.t, "chance") == 1 }

func (h *past) soon(label string) time.Time {
	return Start.Add(time.Duration(rapid.IntRange(0, 6).Draw(h.t, label)) * 30 * time.Minute)
}

// one draws from those there are, or one that is not there.
func (h *past) one(all []string) string {
	if len(all) == 0 || h.chance(20) {
		return h.name("none", 0)
	}
	return rapid.SampledFrom(all).Draw(h.t, "one")
}

// pass is for an account's request: a fresh one, one from before, or none.
func (h *past) pass(account string) *acme.Pass {
	switch rapid.IntRange(0, 5).Draw(h.t, "pass") {
	case 0:
		return nil
	case 1:
		if len(h.passes) > 0 {
			return rapid.SampledFrom(h.passes).Draw(h.t, "old pass")
		}
	}
	p := Pass(nil)
	p.Until = h.soon("until")
	if p.Account = account; account != "" {
		if a, err := h.stores[0].Account(ctx, account); err == nil {
			p.Thumbprint = a.Thumbprint
		}
	}
	h.passes = append(h.passes, p)
	return p
}

func (h *past) tallies() (out []acme.Tally) {
	for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 4), 0, 3, rapid.ID[int]).Draw(h.t, "tallies") {
		out = append(out, acme.Tally{Key: h.name("tally", n), Limit: 3 * n, Until: Start.Add(time.Duration(n) * time.Hour), What: fmt.Sprint("tally ", n)})
	}
	return out
}

func (h *past) newAccount() {
	a := Account(h.n)
	a.ID, a.Provisioner, a.Thumbprint = h.name("account", h.n), h.name("p", 0), h.name("thumbprint", rapid.IntRange(0, 4).Draw(h.t, "key"))
	a.CreatedAt = h.soon("created")
	if h.chance(2) {
		a.Binding = h.one(h.keys)
	}
	p, tallies := h.pass(""), h.tallies()
	h.both("NewAccount", func(s acme.Store) (any, error) { c := *a; return nil, s.NewAccount(ctx, p, &c, tallies...) })
	h.accounts = append(h.accounts, a.ID)
}

func (h *past) changeAccount() {
	id := h.one(h.accounts)
	p, stale, rollover := h.pass(id), h.chance(8), h.chance(3)
	key := h.name("thumbprint", rapid.IntRange(0, 4).Draw(h.t, "key"))
	status := rapid.SampledFrom([]acme.Status{acme.Valid, acme.Valid, acme.Valid, acme.Deactivated, acme.Revoked}).Draw(h.t, "status")
	h.both("UpdateAccount", func(s acme.Store) (any, error) {
		a, err := s.Account(ctx, id)
		if err != nil {
			a = &acme.Account{ID: id, Status: status}
		}
		if a.Status == acme.Valid { // it does not become that again
			a.Status = status
		}
		if rollover {
			a.Thumbprint = key
		}
		if stale {
			a.Version += 3
		}
		a.Contacts = append(a.Contacts, fmt.Sprint(h.n))
		return nil, s.UpdateAccount(ctx, p, a)
	})
}

func (h *past) putKey() {
	id := h.name("key", rapid.IntRange(0, 3).Draw(h.t, "id"))
	reusable, ends, revoked, fresh := h.chance(3), h.chance(2), h.chance(3), h.chance(4)
	end := h.soon("end")
	h.both("PutExternalKey", func(s acme.Store) (any, error) {
		k, err := s.ExternalKey(ctx, h.name("p", 0), id)
		if err != nil {
			k = &acme.ExternalKey{ID: id, Provisioner: h.name("p", 0), Key: []byte(id), CreatedAt: Start}
		}
		if fresh {
			k.Version = 0
		}
		if k.Reusable = reusable; ends {
			k.Expires = end
		}
		if revoked {
			k.RevokedAt = end
		}
		return nil, s.PutExternalKey(ctx, k)
	})
	if !slices.Contains(h.keys, id) {
		h.keys = append(h.keys, id)
	}
}

func (h *past) newOrder() {
	a := Account(0)
	a.ID, a.Provisioner = h.one(h.accounts), h.name("p", 0)
	names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a.example", "b.example", "*.a.example", "c.example", "d.example"}), 1, 3, rapid.ID[string]).Draw(h.t, "names")
	n := NewOrder(a, h.name("order", h.n), names...)
	n.Order.Expires, n.NotEndingBefore, n.Now = h.soon("ends"), h.soon("not before"), h.soon("now")
	for _, z := range n.Authorizations {
		z.Expires = h.soon("authorization ends")
	}
	if h.chance(4) {
		n.Order.Replaces = h.name("certificate", rapid.IntRange(0, 1).Draw(h.t, "replaces"))
	}
	if h.chance(2) {
		n.MaxPending, n.Tallies, n.Unless = rapid.IntRange(0, 4).Draw(h.t, "pending"), h.tallies(), h.tallies()
	}
	p := h.pass(a.ID)
	h.both("NewOrder", func(s acme.Store) (any, error) {
		o, auths, err := s.NewOrder(ctx, p, n)
		return []any{o, auths}, err
	})
	h.orders = append(h.orders, n.Order.ID)
	for _, z := range n.Authorizations {
		h.auths = append(h.auths, z.ID)
	}
}

func (h *past) changeOrder() {
	id := h.one(h.orders)
	stale, due := h.chance(8), h.chance(2)
	status := rapid.SampledFrom([]acme.Status{acme.Processing, acme.Processing, acme.Valid, acme.Invalid}).Draw(h.t, "status")
	var p *acme.Pass
	if len(h.accounts) > 0 {
		p = h.pass(h.accounts[0])
	}
	h.both("UpdateOrder", func(s acme.Store) (any, error) {
		o, _, err := s.Order(ctx, nil, id)
		if err != nil {
			o = &acme.Order{ID: id, Status: status}
		}
		if stale {
			o.Version += 3
		}
		if o.Attempts++; o.Attempts > 1 {
			o.Status, o.Serial = status, id
		}
		if o.Due = (time.Time{}); due { // no two have the same
			o.Due = Start.Add(time.Duration(h.n) * time.Microsecond)
		}
		return nil, s.UpdateOrder(ctx, p, o)
	})
}

func (h *past) changeAuth() {
	id := h.one(h.auths)
	stale, due, end, tallies := h.chance(8), h.chance(2), h.soon("ends"), h.tallies()
	status := rapid.SampledFrom([]acme.Status{acme.Pending, acme.Valid, acme.Valid, acme.Invalid, acme.Deactivated, acme.Revoked}).Draw(h.t, "status")
	h.both("UpdateAuthorization", func(s acme.Store) (any, error) {
		z, err := s.Authorization(ctx, nil, id)
		if err != nil {
			z = &acme.Authorization{ID: id, Status: status}
		}
		if stale {
			z.Version += 3
		}
		if z.Live() {
			z.Status = status
		}
		if z.Expires, z.Due = end, (time.Time{}); due {
			z.Due = Start.Add(time.Duration(h.n) * time.Microsecond)
		}
		return nil, s.UpdateAuthorization(ctx, nil, z, tallies...)
	})
}
