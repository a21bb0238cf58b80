package authority

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// Prune implements [Store].
func (m *Memory) Prune(ctx context.Context, p Prune) (Pruned, error) {
	var out Pruned
	if p.Now.IsZero() {
		p.Now = time.Now()
	}
	left := p.Limit
	if left <= 0 {
		left = 1000
	}
	err := m.update(ctx, func() error {
		ids := slices.SortedFunc(maps.Keys(m.spent), func(a, b string) int { return m.spent[a].Compare(m.spent[b]) })
		for _, id := range ids {
			if u := m.spent[id]; left > 0 && !u.IsZero() && u.Before(p.Now) {
				delete(m.spent, id)
				left, out.Spent = left-1, out.Spent+1
			}
		}
		ended := slices.Clone(m.records)
		slices.SortStableFunc(ended, func(a, b *memoryRecord) int { return a.NotAfter.Compare(b.NotAfter) })
		gone := map[*memoryRecord]bool{}
		for _, r := range ended {
			if left > 0 && r.Status != Reserved && r.NotAfter.Before(p.Certificates) {
				gone[r] = true
				delete(m.bySerial, r.Serial)
				delete(m.changed, r.Serial)
				left, out.Certificates = left-1, out.Certificates+1
			}
		}
		m.records = slices.DeleteFunc(m.records, func(r *memoryRecord) bool { return gone[r] })
		out.Events = m.pruneEvents(p, left)
		out.More = left == out.Events
		return nil
	})
	return out, err
}

func (m *Memory) pruneEvents(p Prune, left int) (n int) {
	gone := func(at time.Time) bool {
		if n == left || !at.Before(p.Events) {
			return false
		}
		n++
		return true
	}
	for sink, all := range m.dead {
		if slices.Contains(p.Mandatory, sink) {
			continue
		}
		m.dead[sink] = slices.DeleteFunc(all, func(d DeadLetter) bool { return gone(d.BuriedAt) })
	}
	for sink, all := range m.outbox {
		if !slices.Contains(p.Sinks, sink) {
			m.outbox[sink] = slices.DeleteFunc(all, func(e Posted) bool { return gone(e.Event.Time) })
		}
	}
	return n
}

// Mark implements [Store].
func (m *Memory) Mark(ctx context.Context, name string) (at time.Time, err error) {
	err = m.update(ctx, func() error { at = m.marks[name]; return nil })
	return at, err
}

// SetMark implements [Store].
func (m *Memory) SetMark(ctx context.Context, name string, at time.Time) error {
	return m.update(ctx, func() error { m.marks[name] = micro(at); return nil })
}

// Lease implements [Store].
func (m *Memory) Lease(ctx context.Context, name string) (context.Context, func(), error) {
	err := m.update(ctx, func() error {
		if m.leases[name] {
			return ErrHeld
		}
		m.leases[name] = true
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	held, cancel := context.WithCancel(ctx)
	var once sync.Once
	return held, func() {
		once.Do(func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			delete(m.leases, name)
		})
		cancel()
	}, nil
}
