package acme

import (
	"bytes"
	"context"
	"sync"
	"time"
)

// Memory is a [Store] that forgets everything with the process: for tests and throwaway authorities. It starts no
// goroutine and needs no closing.
type Memory struct {
	mu       sync.Mutex
	accounts map[string]*Account
	byKey    map[memoryPair]*Account // by provisioner and thumbprint
	keys     map[memoryPair]*ExternalKey

	orders   map[string]*memoryOrder
	list     map[string][]*memoryOrder   // of an account, by rising seq
	open     map[string]*memoryOrder     // Pending, by NewOrder.Key
	replaces map[memoryPair]*memoryOrder // not Invalid, by provisioner and Replaces
	serials  map[memoryPair]*memoryOrder // by provisioner and serial

	auths   map[string]*memoryAuth
	live    map[memoryName]*memoryAuth              // the one that new orders rest on
	good    map[memoryName]map[*memoryAuth]struct{} // every Valid one
	pending map[string]map[*memoryAuth]struct{}     // of an account

	dueOrders map[*memoryOrder]struct{} // that have a Due
	dueAuths  map[*memoryAuth]struct{}

	nonces  map[string]time.Time
	tallies map[string]*memoryTally
	secrets map[string][]byte

	seq int64 // of the last order
}

// memoryPair is a provisioner and something that is unique in it.
type memoryPair struct{ provisioner, key string }

// memoryName is what an account proves.
type memoryName struct {
	account  string
	id       Identifier
	wildcard bool
}

type memoryTally struct {
	n     int
	until time.Time
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{
		accounts: map[string]*Account{}, byKey: map[memoryPair]*Account{}, keys: map[memoryPair]*ExternalKey{},
		orders: map[string]*memoryOrder{}, list: map[string][]*memoryOrder{}, open: map[string]*memoryOrder{},
		replaces: map[memoryPair]*memoryOrder{}, serials: map[memoryPair]*memoryOrder{},
		auths: map[string]*memoryAuth{}, live: map[memoryName]*memoryAuth{},
		good: map[memoryName]map[*memoryAuth]struct{}{}, pending: map[string]map[*memoryAuth]struct{}{},
		dueOrders: map[*memoryOrder]struct{}{}, dueAuths: map[*memoryAuth]struct{}{},
		nonces: map[string]time.Time{}, tallies: map[string]*memoryTally{}, secrets: map[string][]byte{},
	}
}

// Spend implements [Store].
func (m *Memory) Spend(ctx context.Context, p *Pass) error {
	return m.update(ctx, p, func() error { return nil })
}

// Count implements [Store].
func (m *Memory) Count(ctx context.Context, tallies ...Tally) error {
	return m.update(ctx, nil, func() error {
		if err := m.full(tallies); err != nil {
			return err
		}
		m.count(tallies)
		return nil
	})
}

// Full implements [Store].
func (m *Memory) Full(ctx context.Context, tallies ...Tally) error {
	return m.update(ctx, nil, func() error { return m.full(tallies) })
}

// Secret implements [Store].
func (m *Memory) Secret(ctx context.Context, name string, fresh []byte) (out []byte, err error) {
	err = m.update(ctx, nil, func() error {
		kept, ok := m.secrets[name]
		if !ok {
			kept = bytes.Clone(fresh)
			m.secrets[name] = kept
		}
		out = bytes.Clone(kept)
		return nil
	})
	return out, err
}

// update lets p in and runs f, alone. f changes nothing when it returns an error.
func (m *Memory) update(ctx context.Context, p *Pass, f func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if p != nil {
		if err := m.admit(p); err != nil {
			return err
		}
	}
	return f()
}

func (m *Memory) admit(p *Pass) error {
	if p.Account != "" {
		if a := m.accounts[p.Account]; a == nil || a.Status != Valid || a.Thumbprint != p.Thumbprint {
			return ErrAccount
		}
	}
	if _, spent := m.nonces[string(p.Nonce)]; spent {
		return ErrSpent
	}
	m.nonces[string(p.Nonce)] = p.Until
	return nil
}

func (m *Memory) full(tallies []Tally) error {
	for _, t := range tallies {
		n := 0
		if have := m.tallies[t.Key]; have != nil {
			n = have.n
		}
		if n >= t.Limit {
			return &LimitError{Tally: t}
		}
	}
	return nil
}

// count adds one to each, full or not. A key that is there twice is one tally.
func (m *Memory) count(tallies []Tally) {
	seen := make(map[string]bool, len(tallies))
	for _, t := range tallies {
		if seen[t.Key] {
			continue
		}
		seen[t.Key] = true
		if m.tallies[t.Key] == nil {
			m.tallies[t.Key] = &memoryTally{until: t.Until}
		}
		m.tallies[t.Key].n++
	}
}

// pageLimit applies the default of a limit.
func pageLimit(n int) int {
	if n <= 0 {
		return 100
	}
	return n
}
