package authority

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/chancery-ca/chancery/provisioner"
)

// Memory is a Store that forgets everything with the process: for tests and throwaway authorities. It
// starts no goroutine and needs no closing.
type Memory struct {
	mu       sync.Mutex
	records  []*memoryRecord // by rising id
	bySerial map[Serial]*memoryRecord
	reserved map[int64]*memoryRecord // those whose status is Reserved
	spent    map[string]time.Time    // until when; zero means for ever
	outbox   map[string][]Posted     // by sink, by rising Seq
	dead     map[string][]DeadLetter // by sink, by rising Seq
	changed  map[Serial]*Change
	crls     map[CRLScope]*CRL
	marks    map[string]time.Time
	leases   map[string]bool

	id, seq, revision int64 // the last ones given
}

type memoryRecord struct {
	Record
	id    int64
	spend string // the credential that the reservation used up

	dropped *time.Time // when it was abandoned with its credential kept; nil otherwise
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{
		bySerial: map[Serial]*memoryRecord{}, reserved: map[int64]*memoryRecord{},
		spent: map[string]time.Time{}, outbox: map[string][]Posted{}, dead: map[string][]DeadLetter{},
		changed: map[Serial]*Change{}, crls: map[CRLScope]*CRL{}, marks: map[string]time.Time{}, leases: map[string]bool{},
	}
}

// Reserve implements [Store].
func (m *Memory) Reserve(ctx context.Context, r *Record, spend provisioner.Spend) error {
	if err := checkSerial(r.Serial); err != nil {
		return err
	}
	return m.update(ctx, func() error {
		if m.isSpent(spend) {
			return ErrSpent
		}
		if m.bySerial[r.Serial] != nil {
			return ErrExists
		}
		c := r.clone()
		c.Status, c.DER, c.IssuedAt, c.Revocation = Reserved, nil, time.Time{}, nil
		m.spend(spend)
		mr := m.insert(c, spend.ID)
		m.reserved[mr.id] = mr
		return nil
	})
}

// Commit implements [Store].
func (m *Memory) Commit(ctx context.Context, s Serial, der []byte, at time.Time, posts []Post) error {
	if len(der) == 0 {
		return errors.New("authority: committing without a certificate")
	}
	return m.update(ctx, func() error {
		r := m.bySerial[s]
		switch {
		case r == nil:
			return ErrNotFound
		case r.Status == Issued && bytes.Equal(r.DER, der):
			return nil
		case r.Status != Reserved:
			return ErrState
		}
		r.Status, r.DER, r.IssuedAt = Issued, bytes.Clone(der), micro(at)
		delete(m.reserved, r.id)
		m.post(posts)
		return nil
	})
}

// Abandon implements [Store].
func (m *Memory) Abandon(ctx context.Context, s Serial, release bool, at time.Time, posts []Post) error {
	return m.update(ctx, func() error {
		r := m.bySerial[s]
		if r == nil {
			return ErrNotFound
		}
		if r.Status != Reserved {
			return ErrState
		}
		m.abandon(r)
		if release {
			delete(m.spent, r.spend)
		} else {
			m.drop(r, at)
		}
		m.post(posts)
		return nil
	})
}

// Reconcile implements [Store].
func (m *Memory) Reconcile(ctx context.Context, before, at time.Time, limit int, posts func(*Record) []Post) ([]*Record, error) {
	var out []*Record
	err := m.update(ctx, func() error {
		for _, r := range slices.SortedFunc(maps.Values(m.reserved), byKnown) {
			if !r.ReservedAt.Before(micro(before)) {
				continue
			}
			if len(out) == pageLimit(limit) {
				break
			}
			m.abandon(r)
			m.drop(r, at)
			out = append(out, r.clone())
			if posts != nil {
				m.post(posts(r.clone()))
			}
		}
		return nil
	})
	return out, err
}

// Certificate implements [Store].
func (m *Memory) Certificate(ctx context.Context, s Serial) (*Record, error) {
	var out *Record
	err := m.update(ctx, func() error {
		r := m.bySerial[s]
		if r == nil {
			return ErrNotFound
		}
		out = r.clone()
		return nil
	})
	return out, err
}

// update runs f alone. f changes nothing when it returns an error.
func (m *Memory) update(ctx context.Context, f func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	return f()
}

func (m *Memory) insert(r *Record, spend string) *memoryRecord {
	m.id++
	mr := &memoryRecord{Record: *r, id: m.id, spend: spend}
	m.records = append(m.records, mr)
	m.bySerial[r.Serial] = mr
	return mr
}

func (m *Memory) abandon(r *memoryRecord) {
	r.Status = Abandoned
	delete(m.reserved, r.id)
}

func (m *Memory) isSpent(s provisioner.Spend) bool {
	_, ok := m.spent[s.ID]
	return ok
}

func (m *Memory) spend(s provisioner.Spend) {
	if !s.IsZero() {
		m.spent[s.ID] = s.Until
	}
}
