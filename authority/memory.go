package authority

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
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
	id, seq  int64                   // the last ones given
}

type memoryRecord struct {
	Record
	id    int64
	spend string // the credential that the reservation used up
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{
		bySerial: map[Serial]*memoryRecord{}, reserved: map[int64]*memoryRecord{},
		spent: map[string]time.Time{}, outbox: map[string][]Posted{},
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
func (m *Memory) Abandon(ctx context.Context, s Serial, release bool, posts []Post) error {
	return m.update(ctx, func() error {
		r := m.bySerial[s]
		if r == nil {
			return ErrNotFound
		}
		if r.Status != Reserved {
			return ErrState
		}
		if release {
			delete(m.spent, r.spend)
		}
		m.abandon(r)
		m.post(posts)
		return nil
	})
}

// Reconcile implements [Store].
func (m *Memory) Reconcile(ctx context.Context, before time.Time, limit int, posts func(*Record) []Post) ([]*Record, error) {
	var out []*Record
	err := m.update(ctx, func() error {
		for _, id := range slices.Sorted(maps.Keys(m.reserved)) {
			r := m.reserved[id]
			if !r.ReservedAt.Before(micro(before)) {
				continue
			}
			if len(out) == pageLimit(limit) {
				break
			}
			m.abandon(r)
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

// List implements [Store].
func (m *Memory) List(ctx context.Context, q Query) (*Page, error) {
	after, err := parseMemoryCursor(q.Cursor)
	if err != nil {
		return nil, err
	}
	p := &Page{}
	err = m.update(ctx, func() error {
		at, _ := slices.BinarySearchFunc(m.records, after+1, func(r *memoryRecord, id int64) int { return cmp.Compare(r.id, id) })
		last := int64(0)
		for _, r := range m.records[at:] {
			if !q.matches(&r.Record) {
				continue
			}
			if len(p.Records) == pageLimit(q.Limit) {
				p.Next = memoryCursor(last)
				break
			}
			p.Records, last = append(p.Records, r.clone()), r.id
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Ending implements [Store].
func (m *Memory) Ending(ctx context.Context, from, until time.Time, cursor string, limit int) (*Page, error) {
	after, err := parseMemoryCursor(cursor)
	if err != nil {
		return nil, err
	}
	p := &Page{}
	err = m.update(ctx, func() error {
		no := false
		q := Query{Status: Issued, Revoked: &no, NotAfterFrom: from, NotAfterUntil: until}
		var found []*memoryRecord
		for _, r := range m.records {
			if q.matches(&r.Record) {
				found = append(found, r)
			}
		}
		slices.SortStableFunc(found, func(a, b *memoryRecord) int { return a.NotAfter.Compare(b.NotAfter) })
		at := slices.IndexFunc(found, func(r *memoryRecord) bool { return r.id == after }) + 1
		for i, r := range found[at:] {
			if i == pageLimit(limit) {
				p.Next = memoryCursor(found[at+i-1].id)
				break
			}
			p.Records = append(p.Records, r.clone())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Revoke implements [Store].
func (m *Memory) Revoke(ctx context.Context, v *Revocation, known *Record, spend provisioner.Spend, posts []Post) error {
	if known != nil {
		if known.Serial != v.Serial {
			return errors.New("authority: revoking one serial with the record of another")
		}
		if err := checkSerial(v.Serial); err != nil {
			return err
		}
	}
	return m.update(ctx, func() error {
		r := m.bySerial[v.Serial]
		switch {
		case r == nil && known == nil:
			return ErrNotFound
		case r != nil && r.Revocation != nil:
			return ErrRevoked
		case m.isSpent(spend):
			return ErrSpent
		}
		if r == nil {
			c := known.clone()
			c.Status = Issued
			r = m.insert(c, "")
		}
		c := *v
		c.RevokedAt = micro(c.RevokedAt)
		r.Revocation = &c
		m.spend(spend)
		m.post(posts)
		return nil
	})
}

// Post implements [Store].
func (m *Memory) Post(ctx context.Context, posts []Post) error {
	return m.update(ctx, func() error { m.post(posts); return nil })
}

// Outbox implements [Store].
func (m *Memory) Outbox(ctx context.Context, sink string, after int64, limit int) ([]Posted, error) {
	var out []Posted
	err := m.update(ctx, func() error {
		for _, p := range m.outbox[sink] {
			if len(out) == pageLimit(limit) {
				break
			}
			if p.Seq > after {
				out = append(out, p)
			}
		}
		return nil
	})
	return out, err
}

// Delivered implements [Store].
func (m *Memory) Delivered(ctx context.Context, sink string, seqs []int64) error {
	return m.update(ctx, func() error {
		gone := make(map[int64]bool, len(seqs))
		for _, s := range seqs {
			gone[s] = true
		}
		m.outbox[sink] = slices.DeleteFunc(m.outbox[sink], func(p Posted) bool { return gone[p.Seq] })
		return nil
	})
}

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
				left, out.Certificates = left-1, out.Certificates+1
			}
		}
		m.records = slices.DeleteFunc(m.records, func(r *memoryRecord) bool { return gone[r] })
		out.More = left == 0
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

func (m *Memory) post(posts []Post) {
	for _, p := range posts {
		e := p.Event
		e.Time = e.Time.UTC()
		for _, sink := range p.To {
			m.seq++
			m.outbox[sink] = append(m.outbox[sink], Posted{Seq: m.seq, Event: e})
		}
	}
}

func memoryCursor(id int64) string {
	return base64.RawURLEncoding.EncodeToString([]byte("memory:" + strconv.FormatInt(id, 10)))
}

func parseMemoryCursor(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	digits, ok := strings.CutPrefix(string(b), "memory:")
	id, perr := strconv.ParseInt(digits, 10, 64)
	if err != nil || !ok || perr != nil || id <= 0 || memoryCursor(id) != s {
		return 0, ErrCursor
	}
	return id, nil
}

// pageLimit applies the default and the ceiling of Query.Limit.
func pageLimit(n int) int {
	if n <= 0 {
		return 100
	}
	return min(n, 1000)
}
