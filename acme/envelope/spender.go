package envelope

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrSpent is what a [Spender] says of an id that it has seen.
var ErrSpent = errors.New("envelope: spent before")

// A Spender remembers which nonces were used.
//
// Spend records id, 24 bytes that no other nonce has, and returns nil; for one that is recorded it returns an error that is
// [ErrSpent]. Of several calls with one id, at the same time or on several nodes, exactly one returns nil. When it does,
// the id is as durable as what the request may go on to record: a unique key, inserted in a transaction of its own or of a
// group, is enough. After another error the id may be recorded or not.
//
// Rows may be forgotten once until has passed, in batches and late: there is one for each request that was verified since.
// Spend must be safe for concurrent use.
type Spender interface {
	Spend(ctx context.Context, id []byte, until time.Time) error
}

// Memory is a [Spender] for tests and for authorities that live in one process and forget all else with it, too. It is
// bounded: full of ids that must be remembered, it refuses to take another.
type Memory struct {
	mu   sync.Mutex
	max  int
	seen map[string]struct{}
	ends ends // the same ids
}

// NewMemory makes a Memory of at most max ids; 0 means 100,000.
func NewMemory(max int) *Memory {
	if max <= 0 {
		max = 100_000
	}
	return &Memory{max: max, seen: map[string]struct{}{}}
}

// Spend does what [Spender] says.
func (m *Memory) Spend(ctx context.Context, id []byte, until time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for now := time.Now(); len(m.ends) > 0 && m.ends[0].until.Before(now); {
		delete(m.seen, heap.Pop(&m.ends).(end).id)
	}
	if _, ok := m.seen[string(id)]; ok {
		return ErrSpent
	}
	if len(m.ends) >= m.max {
		return fmt.Errorf("envelope: %d nonces were used lately, and no more can be remembered", m.max)
	}
	m.seen[string(id)] = struct{}{}
	heap.Push(&m.ends, end{string(id), until})
	return nil
}

// Len returns how many ids are remembered.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.ends)
}

type end struct {
	id    string
	until time.Time
}

// ends is a heap whose first one ends first.
type ends []end

func (e ends) Len() int           { return len(e) }
func (e ends) Less(i, j int) bool { return e[i].until.Before(e[j].until) }
func (e ends) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *ends) Push(x any)        { *e = append(*e, x.(end)) }
func (e *ends) Pop() any {
	old := *e
	last := len(old) - 1
	x := old[last]
	old[last] = end{}
	*e = old[:last]
	return x
}
