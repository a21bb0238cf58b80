package inventory

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Memory is a Directory in memory.
type Memory struct {
	mu       sync.RWMutex
	byID     map[string]*Entity // canonical, and never changed once it is in here
	byName   map[Identifier]*Entity
	ids      []string // sorted
	watchers map[*watcher]struct{}
}

var _ Directory = (*Memory)(nil)

// NewMemory returns a Memory with copies of entities. One that is not valid is [ErrInvalid], an ID or
// identifier given twice [ErrConflict]; every fault is reported at once.
func NewMemory(entities ...*Entity) (*Memory, error) {
	m := &Memory{watchers: map[*watcher]struct{}{}}
	if err := m.replace(entities); err != nil {
		return nil, err
	}
	return m, nil
}

// Lookup returns the first entity that one of the identifiers names.
func (m *Memory) Lookup(ctx context.Context, q Query) (*Entity, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	for _, i := range q.Identifiers {
		if e, ok := m.byName[i.Canonical()]; ok {
			return e.Clone(), nil
		}
	}
	return nil, ErrNotFound
}

// Put inserts or replaces an entity.
func (m *Memory) Put(ctx context.Context, e *Entity) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := Canonical(e)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, i := range c.Identifiers {
		if o, ok := m.byName[i]; ok && o.ID != c.ID {
			return conflict(i, c, o)
		}
	}
	old := m.byID[c.ID]
	if old == nil {
		at, _ := slices.BinarySearch(m.ids, c.ID)
		m.ids = slices.Insert(m.ids, at, c.ID)
	} else {
		m.forget(old)
	}
	m.byID[c.ID] = c
	for _, i := range c.Identifiers {
		m.byName[i] = c
	}
	m.tell(old, c)
	return nil
}

// Delete removes an entity.
func (m *Memory) Delete(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old, ok := m.byID[id]
	if !ok {
		return ErrNotFound
	}
	m.forget(old)
	delete(m.byID, id)
	if at, ok := slices.BinarySearch(m.ids, id); ok {
		m.ids = slices.Delete(m.ids, at, at+1)
	}
	m.tell(old, nil)
	return nil
}

// List returns a page of entities.
func (m *Memory) List(ctx context.Context, f Filter) (*Page, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	at := 0
	if f.Cursor != "" { // the last ID of the page before, which may be gone
		i, ok := slices.BinarySearch(m.ids, f.Cursor)
		if at = i; ok {
			at++
		}
	}
	p, size := new(Page), f.Size()
	for _, id := range m.ids[at:] {
		e := m.byID[id]
		if !f.Match(e) {
			continue
		}
		if len(p.Entities) == size { // there is one more
			p.Next = p.Entities[size-1].ID
			break
		}
		p.Entities = append(p.Entities, e.Clone())
	}
	return p, nil
}

// Watch tells fn of changes until ctx ends.
func (m *Memory) Watch(ctx context.Context, fn func(Change)) error {
	w := newWatcher()
	m.mu.Lock()
	m.watchers[w] = struct{}{}
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		delete(m.watchers, w)
		m.mu.Unlock()
	}()
	return w.run(ctx, fn)
}

// replace swaps everything, or changes nothing.
func (m *Memory) replace(entities []*Entity) error {
	byID, byName := make(map[string]*Entity, len(entities)), make(map[Identifier]*Entity, len(entities))
	ids := make([]string, 0, len(entities))
	var faults []error
	for _, e := range entities {
		c, err := Canonical(e)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if _, ok := byID[c.ID]; ok {
			faults = append(faults, fmt.Errorf("%w: id %s twice", ErrConflict, c.ID))
			continue
		}
		for _, i := range c.Identifiers {
			if o, ok := byName[i]; ok {
				faults = append(faults, conflict(i, c, o))
				continue
			}
			byName[i] = c
		}
		byID[c.ID] = c
		ids = append(ids, c.ID)
	}
	if len(faults) > 0 {
		return joined(faults)
	}
	slices.SortFunc(ids, strings.Compare)

	m.mu.Lock()
	defer m.mu.Unlock()
	was := m.byID
	m.byID, m.byName, m.ids = byID, byName, ids
	if len(m.watchers) == 0 {
		return nil
	}
	for id, old := range was {
		if n := byID[id]; n == nil || !same(old, n) {
			m.tell(old, n)
		}
	}
	for _, id := range ids {
		if was[id] == nil {
			m.tell(nil, byID[id])
		}
	}
	return nil
}

// forget takes e's identifiers away. m.mu is held.
func (m *Memory) forget(e *Entity) {
	for _, i := range e.Identifiers {
		delete(m.byName, i)
	}
}

// tell hands a change to every watcher. m.mu is held, which keeps the changes in order.
func (m *Memory) tell(old, now *Entity) {
	if len(m.watchers) == 0 {
		return
	}
	at := time.Now()
	for w := range m.watchers {
		w.add(Change{Old: old, New: now, Time: at})
	}
}

func conflict(i Identifier, e, o *Entity) error {
	return fmt.Errorf("%w: %s %.60q of %s belongs to %s", ErrConflict, i.Kind, i.Value, e.ID, o.ID)
}
