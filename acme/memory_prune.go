package acme

import (
	"context"
	"slices"
	"time"
)

// Prune implements [Store].
func (m *Memory) Prune(ctx context.Context, now time.Time, limit int) (n int, more bool, err error) {
	if limit <= 0 {
		limit = 1000
	}
	err = m.update(ctx, nil, func() error {
		gone := func(end time.Time) bool {
			if n == limit || now.Before(end) {
				return false
			}
			n++
			return true
		}
		for id, until := range m.nonces {
			if gone(until) {
				delete(m.nonces, id)
			}
		}
		for key, t := range m.tallies {
			if gone(t.until) {
				delete(m.tallies, key)
			}
		}
		for at, k := range m.keys {
			if !k.Expires.IsZero() && gone(k.Expires) {
				delete(m.keys, at)
			}
		}
		for _, o := range m.orders {
			if gone(o.Expires.Add(Kept)) {
				m.forget(o)
			}
		}
		has := map[string]bool{} // accounts with authorizations
		for id, a := range m.auths {
			if a.orders == 0 && gone(a.Expires.Add(Kept)) {
				a.Status, a.Due = Expired, time.Time{} // out of every index
				m.indexAuth(a)
				delete(m.auths, id)
				continue
			}
			has[a.Account] = true
		}
		for id, a := range m.accounts {
			if a.Status != Valid && !has[id] && m.list[id] == nil && gone(now) {
				delete(m.byKey, memoryPair{a.Provisioner, a.Thumbprint})
				delete(m.accounts, id)
			}
		}
		more = n == limit
		return nil
	})
	return n, more, err
}

func (m *Memory) forget(o *memoryOrder) {
	o.Status, o.Due = Invalid, time.Time{} // out of every index
	m.index(o)
	if at := (memoryPair{o.Provisioner, o.Serial}); m.serials[at] == o {
		delete(m.serials, at)
	}
	delete(m.orders, o.ID)
	left := slices.DeleteFunc(m.list[o.Account], func(x *memoryOrder) bool { return x == o })
	if m.list[o.Account] = left; len(left) == 0 {
		delete(m.list, o.Account)
	}
	for _, a := range o.auths {
		a.orders--
	}
}
