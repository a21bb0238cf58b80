package acme

import (
	"cmp"
	"context"
	"slices"
)

// Account implements [Store].
func (m *Memory) Account(ctx context.Context, id string) (*Account, error) {
	return m.account(ctx, func() *Account { return m.accounts[id] })
}

// AccountByKey implements [Store].
func (m *Memory) AccountByKey(ctx context.Context, provisioner, thumbprint string) (*Account, error) {
	return m.account(ctx, func() *Account { return m.byKey[memoryPair{provisioner, thumbprint}] })
}

func (m *Memory) account(ctx context.Context, find func() *Account) (out *Account, err error) {
	err = m.update(ctx, nil, func() error {
		a := find()
		if a == nil {
			return ErrNotFound
		}
		out = a.clone()
		return nil
	})
	return out, err
}

// NewAccount implements [Store].
func (m *Memory) NewAccount(ctx context.Context, p *Pass, a *Account, tallies ...Tally) error {
	return m.update(ctx, p, func() error {
		key := memoryPair{a.Provisioner, a.Thumbprint}
		if m.byKey[key] != nil || m.accounts[a.ID] != nil {
			return ErrExists
		}
		external := m.keys[memoryPair{a.Provisioner, a.Binding}]
		if a.Binding != "" && (external == nil || !external.Usable(a.CreatedAt)) {
			return ErrKey
		}
		if err := m.full(tallies); err != nil {
			return err
		}
		m.count(tallies)
		if a.Binding != "" {
			external.UsedAt, external.Account = micro(a.CreatedAt), a.ID
			external.Version++
		}
		a.Version = 1
		kept := a.clone()
		m.accounts[a.ID], m.byKey[key] = kept, kept
		return nil
	})
}

// UpdateAccount implements [Store].
func (m *Memory) UpdateAccount(ctx context.Context, p *Pass, a *Account) error {
	return m.update(ctx, p, func() error {
		kept := m.accounts[a.ID]
		if kept == nil {
			return ErrNotFound
		}
		if kept.Version != a.Version {
			return ErrConflict
		}
		key := memoryPair{kept.Provisioner, a.Thumbprint}
		if other := m.byKey[key]; other != nil && other != kept {
			return ErrExists
		}
		delete(m.byKey, memoryPair{kept.Provisioner, kept.Thumbprint})
		m.byKey[key] = kept
		c := a.clone()
		kept.Key, kept.Thumbprint, kept.Status, kept.Contacts, kept.Agreed = c.Key, c.Thumbprint, c.Status, c.Contacts, c.Agreed
		kept.Version++
		a.Version = kept.Version
		return nil
	})
}

// PutExternalKey implements [Store].
func (m *Memory) PutExternalKey(ctx context.Context, k *ExternalKey) error {
	return m.update(ctx, nil, func() error {
		at := memoryPair{k.Provisioner, k.ID}
		switch have := m.keys[at]; {
		case have != nil && k.Version == 0:
			return ErrExists
		case have == nil && k.Version != 0:
			return ErrNotFound
		case have != nil && have.Version != k.Version:
			return ErrConflict
		}
		k.Version++
		m.keys[at] = k.clone()
		return nil
	})
}

// ExternalKey implements [Store].
func (m *Memory) ExternalKey(ctx context.Context, provisioner, id string) (out *ExternalKey, err error) {
	err = m.update(ctx, nil, func() error {
		k := m.keys[memoryPair{provisioner, id}]
		if k == nil {
			return ErrNotFound
		}
		out = k.clone()
		return nil
	})
	return out, err
}

// ExternalKeys implements [Store].
func (m *Memory) ExternalKeys(ctx context.Context, provisioner, after string, limit int) (out []*ExternalKey, err error) {
	err = m.update(ctx, nil, func() error {
		for at, k := range m.keys {
			if at.provisioner == provisioner && k.ID > after {
				out = append(out, k)
			}
		}
		slices.SortFunc(out, func(a, b *ExternalKey) int { return cmp.Compare(a.ID, b.ID) })
		out = out[:min(len(out), pageLimit(limit))]
		for i, k := range out {
			out[i] = k.clone()
		}
		return nil
	})
	return out, err
}
