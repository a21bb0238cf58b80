package acme

import (
	"cmp"
	"context"
	"slices"
	"time"
)

type memoryAuth struct {
	Authorization
	orders int // that rest on it
}

func nameOf(a *Authorization) memoryName { return memoryName{a.Account, a.Identifier, a.Wildcard} }

// usable returns the authorization that an order can rest on in place of a, or nil.
func (m *Memory) usable(a *Authorization, end time.Time) *memoryAuth {
	kept := m.live[nameOf(a)]
	if kept == nil || kept.Expires.Before(end) {
		return nil
	}
	return kept
}

func (m *Memory) newAuth(a *Authorization) *memoryAuth {
	kept := &memoryAuth{Authorization: *a.clone()}
	kept.Version = 1
	m.auths[a.ID], m.live[nameOf(a)] = kept, kept
	m.indexAuth(kept)
	return kept
}

// indexAuth has a where its status and due are looked up.
func (m *Memory) indexAuth(a *memoryAuth) {
	name := nameOf(&a.Authorization)
	if !a.Live() && m.live[name] == a {
		delete(m.live, name)
	}
	put(m.good, name, a, a.Status == Valid)
	put(m.pending, a.Account, a, a.Status == Pending)
	if delete(m.dueAuths, a); !a.Due.IsZero() {
		m.dueAuths[a] = struct{}{}
	}
}

// put has a in the set of a key, or not.
func put[K comparable](sets map[K]map[*memoryAuth]struct{}, key K, a *memoryAuth, in bool) {
	if in && sets[key] == nil {
		sets[key] = map[*memoryAuth]struct{}{}
	}
	if in {
		sets[key][a] = struct{}{}
		return
	}
	if delete(sets[key], a); len(sets[key]) == 0 {
		delete(sets, key)
	}
}

// Authorization implements [Store].
func (m *Memory) Authorization(ctx context.Context, p *Pass, id string) (out *Authorization, err error) {
	err = m.update(ctx, p, func() error {
		kept := m.auths[id]
		if kept == nil {
			return ErrNotFound
		}
		out = kept.clone()
		return nil
	})
	return out, err
}

// UpdateAuthorization implements [Store].
func (m *Memory) UpdateAuthorization(ctx context.Context, p *Pass, a *Authorization, tallies ...Tally) error {
	if err := a.storable(); err != nil {
		return err
	}
	return m.update(ctx, p, func() error {
		kept := m.auths[a.ID]
		if kept == nil {
			return ErrNotFound
		}
		if kept.Version != a.Version {
			return ErrConflict
		}
		c := a.clone()
		kept.Status, kept.Expires, kept.Challenges, kept.Due = c.Status, c.Expires, c.Challenges, c.Due
		kept.Version++
		a.Version = kept.Version
		m.indexAuth(kept)
		m.count(tallies)
		return nil
	})
}

// Holds implements [Store].
func (m *Memory) Holds(ctx context.Context, account string, ids []Identifier, now time.Time) (all bool, err error) {
	err = m.update(ctx, nil, func() error {
		all = !slices.ContainsFunc(ids, func(id Identifier) bool {
			for a := range m.good[memoryName{account, id.Base(), id.Wildcard()}] {
				if now.Before(a.Expires) {
					return false
				}
			}
			return true
		})
		return nil
	})
	return all, err
}

// DueAuthorizations implements [Store].
func (m *Memory) DueAuthorizations(ctx context.Context, provisioner string, now time.Time, limit int) (out []*Authorization, err error) {
	err = m.update(ctx, nil, func() error {
		for a := range m.dueAuths {
			if a.Provisioner == provisioner && !now.Before(a.Due) {
				out = append(out, a.clone())
			}
		}
		slices.SortFunc(out, func(a, b *Authorization) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID)) })
		out = out[:min(len(out), pageLimit(limit))]
		return nil
	})
	return out, err
}
