package acme

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"
)

type memoryOrder struct {
	Order
	seq   int64
	key   string        // NewOrder.Key
	auths []*memoryAuth // one for each identifier
}

// NewOrder implements [Store].
func (m *Memory) NewOrder(ctx context.Context, p *Pass, n *NewOrder) (o *Order, auths []*Authorization, err error) {
	if err := n.Check(); err != nil {
		return nil, nil, err
	}
	err = m.update(ctx, p, func() error {
		kept := m.open[n.Key]
		if kept == nil || !kept.reusable(n.NotEndingBefore) {
			if err := m.mayOrder(n, kept); err != nil {
				return err
			}
			m.supersede(kept)
			m.count(n.Tallies)
			kept = m.record(n)
		}
		o, auths = kept.answer()
		return nil
	})
	return o, auths, err
}

// reusable reports whether o can be returned to whoever asks for the same again.
func (o *memoryOrder) reusable(end time.Time) bool {
	return !o.Expires.Before(end) && !slices.ContainsFunc(o.auths, func(a *memoryAuth) bool {
		return !a.Live() || a.Expires.Before(end)
	})
}

// mayOrder returns what keeps an order from being recorded. old is one of the same key, or nil.
func (m *Memory) mayOrder(n *NewOrder, old *memoryOrder) error {
	o := n.Order
	if m.orders[o.ID] != nil {
		return ErrExists
	}
	if other := m.replaces[memoryPair{o.Provisioner, o.Replaces}]; o.Replaces != "" && other != nil && other != old {
		return ErrReplaced
	}
	fresh := 0
	for _, a := range n.Authorizations {
		if m.usable(a, n.NotEndingBefore) == nil {
			if m.auths[a.ID] != nil {
				return ErrExists
			}
			fresh++
		}
	}
	if n.MaxPending > 0 && fresh > 0 {
		for a := range m.pending[o.Account] {
			if n.Now.Before(a.Expires) {
				fresh++
			}
		}
		if fresh > n.MaxPending {
			return n.tooMany()
		}
	}
	if err := m.full(n.Unless); err != nil {
		return err
	}
	return m.full(n.Tallies)
}

// supersede makes room for an order of the same key.
func (m *Memory) supersede(o *memoryOrder) {
	if o != nil {
		delete(m.open, o.key)
		m.giveUpReplaces(o)
	}
}

func (m *Memory) giveUpReplaces(o *memoryOrder) {
	if at := (memoryPair{o.Provisioner, o.Replaces}); m.replaces[at] == o {
		delete(m.replaces, at)
	}
}

func (m *Memory) record(n *NewOrder) *memoryOrder {
	m.seq++
	o := &memoryOrder{Order: *n.Order.clone(), seq: m.seq, key: n.Key}
	o.Version = 1
	for _, a := range n.Authorizations {
		kept := m.usable(a, n.NotEndingBefore)
		if kept == nil {
			kept = m.newAuth(a)
		}
		kept.orders++
		o.auths = append(o.auths, kept)
	}
	m.orders[o.ID], m.open[n.Key] = o, o
	m.list[o.Account] = append(m.list[o.Account], o)
	if o.Replaces != "" {
		m.replaces[memoryPair{o.Provisioner, o.Replaces}] = o
	}
	m.index(o)
	return o
}

// index has o where its status, serial and due are looked up.
func (m *Memory) index(o *memoryOrder) {
	if o.Status != Pending && m.open[o.key] == o {
		delete(m.open, o.key)
	}
	if o.Status == Invalid {
		m.giveUpReplaces(o)
	}
	if o.Serial != "" {
		m.serials[memoryPair{o.Provisioner, o.Serial}] = o
	}
	if delete(m.dueOrders, o); !o.Due.IsZero() {
		m.dueOrders[o] = struct{}{}
	}
}

func (o *memoryOrder) answer() (*Order, []*Authorization) {
	var auths []*Authorization
	for _, a := range o.auths {
		auths = append(auths, a.clone())
	}
	return o.clone(), auths
}

// Order implements [Store].
func (m *Memory) Order(ctx context.Context, p *Pass, id string) (o *Order, auths []*Authorization, err error) {
	err = m.update(ctx, p, func() error {
		kept := m.orders[id]
		if kept == nil {
			return ErrNotFound
		}
		o, auths = kept.answer()
		return nil
	})
	return o, auths, err
}

// OrderOf implements [Store].
func (m *Memory) OrderOf(ctx context.Context, provisioner, serial string) (o *Order, err error) {
	err = m.update(ctx, nil, func() error {
		kept := m.serials[memoryPair{provisioner, serial}]
		if kept == nil {
			return ErrNotFound
		}
		o = kept.clone()
		return nil
	})
	return o, err
}

// Orders implements [Store].
func (m *Memory) Orders(ctx context.Context, p *Pass, account string, now time.Time, cursor string, limit int) (ids []string, next string, err error) {
	err = m.update(ctx, p, func() error {
		all := m.list[account]
		at := len(all)
		if cursor != "" {
			seq, err := strconv.ParseInt(cursor, 10, 64)
			if err != nil || seq <= 0 || strconv.FormatInt(seq, 10) != cursor {
				return ErrNotFound
			}
			at, _ = slices.BinarySearchFunc(all, seq, func(o *memoryOrder, seq int64) int { return cmp.Compare(o.seq, seq) })
		}
		var last int64
		for _, o := range slices.Backward(all[:at]) {
			if o.Status == Invalid || !now.Before(o.Expires) {
				continue
			}
			if len(ids) == pageLimit(limit) {
				next = strconv.FormatInt(last, 10)
				break
			}
			ids, last = append(ids, o.ID), o.seq
		}
		return nil
	})
	return ids, next, err
}

// UpdateOrder implements [Store].
func (m *Memory) UpdateOrder(ctx context.Context, p *Pass, o *Order) error {
	return m.update(ctx, p, func() error {
		kept := m.orders[o.ID]
		if kept == nil {
			return ErrNotFound
		}
		if kept.Version != o.Version {
			return ErrConflict
		}
		if at := (memoryPair{kept.Provisioner, kept.Serial}); m.serials[at] == kept {
			delete(m.serials, at)
		}
		c := o.clone()
		kept.Status, kept.Error, kept.CSR, kept.Attempts, kept.Serial, kept.Due = c.Status, c.Error, c.CSR, c.Attempts, c.Serial, c.Due
		kept.Version++
		o.Version = kept.Version
		m.index(kept)
		return nil
	})
}

// DueOrders implements [Store].
func (m *Memory) DueOrders(ctx context.Context, provisioner string, now time.Time, limit int) (out []*Order, err error) {
	err = m.update(ctx, nil, func() error {
		for o := range m.dueOrders {
			if o.Provisioner == provisioner && !now.Before(o.Due) {
				out = append(out, o.clone())
			}
		}
		slices.SortFunc(out, func(a, b *Order) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID)) })
		out = out[:min(len(out), pageLimit(limit))]
		return nil
	})
	return out, err
}
