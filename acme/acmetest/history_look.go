package acmetest

import (
	"time"

	"github.com/chancery-ca/chancery/acme"
)

func (h *past) count() {
	tallies := h.tallies()
	h.both("Count", func(s acme.Store) (any, error) { return nil, s.Count(ctx, tallies...) })
	h.both("Full", func(s acme.Store) (any, error) { return nil, s.Full(ctx, tallies...) })
}

// look compares whatever can be seen.
func (h *past) look() {
	now, p := h.soon("now"), h.name("p", 0)
	for _, id := range h.accounts {
		h.both("Account", func(s acme.Store) (any, error) { return s.Account(ctx, id) })
		h.both("Orders", func(s acme.Store) (any, error) {
			var all []string
			for cursor := ""; ; {
				ids, next, err := s.Orders(ctx, nil, id, now, cursor, 3)
				if all = append(all, ids...); err != nil || next == "" {
					return all, err
				}
				cursor = next
			}
		})
		for _, names := range [][]string{{"a.example"}, {"*.a.example"}, {"b.example", "c.example"}} {
			var ids []acme.Identifier
			for _, n := range names {
				ids = append(ids, acme.Identifier{Type: acme.DNS, Value: n})
			}
			h.both("Holds", func(s acme.Store) (any, error) { return s.Holds(ctx, id, ids, now) })
		}
	}
	for n := range 5 {
		h.both("AccountByKey", func(s acme.Store) (any, error) { return s.AccountByKey(ctx, p, h.name("thumbprint", n)) })
	}
	for _, id := range h.orders {
		h.both("Order", func(s acme.Store) (any, error) { o, auths, err := s.Order(ctx, nil, id); return []any{o, auths}, err })
		h.both("OrderOf", func(s acme.Store) (any, error) { return s.OrderOf(ctx, p, id) })
	}
	for _, id := range h.auths {
		h.both("Authorization", func(s acme.Store) (any, error) { return s.Authorization(ctx, nil, id) })
	}
	h.both("DueOrders", func(s acme.Store) (any, error) { return s.DueOrders(ctx, p, Start.Add(time.Minute), 0) })
	h.both("DueAuthorizations", func(s acme.Store) (any, error) { return s.DueAuthorizations(ctx, p, Start.Add(time.Minute), 0) })
	h.both("ExternalKeys", func(s acme.Store) (any, error) { return s.ExternalKeys(ctx, p, "", 0) })
}

func (h *past) prune() {
	now := h.soon("now")
	if h.chance(3) {
		now = now.Add(acme.Kept)
	}
	if now.Before(h.pruned) { // time does not go back
		now = h.pruned
	}
	h.pruned = now
	h.both("Prune", func(s acme.Store) (any, error) { n, more, err := s.Prune(ctx, now, 0); return []any{n, more}, err })
}
