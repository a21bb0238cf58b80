package authority

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"time"
)

// List implements [Store].
func (m *Memory) List(ctx context.Context, q Query) (*Page, error) {
	after, err := parseMemoryCursor(q.Cursor)
	if err != nil {
		return nil, err
	}
	return m.page(ctx, q, after)
}

// Ending implements [Store].
func (m *Memory) Ending(ctx context.Context, from, until time.Time, cursor string, limit int) (*Page, error) {
	after, err := parseMemoryCursor(cursor)
	if err != nil {
		return nil, err
	}
	no := false
	return m.page(ctx, Query{Status: Issued, Revoked: &no, NotAfterFrom: from, NotAfterUntil: until, Limit: limit}, after)
}

// page returns what q chooses behind a cursor.
func (m *Memory) page(ctx context.Context, q Query, after memoryCursor) (*Page, error) {
	p := &Page{}
	err := m.update(ctx, func() error {
		var found []*memoryRecord
		for _, r := range m.records {
			if q.Matches(&r.Record) {
				found = append(found, r)
			}
		}
		slices.SortFunc(found, q.order())
		if q.NewestFirst {
			slices.Reverse(found)
		}
		at := 0
		if after.id > 0 {
			at = q.behind(found, after)
		}
		for i, r := range found[at:] {
			if i == pageLimit(q.Limit) {
				last := found[at+i-1]
				p.Next = memoryCursor{last.id, last.ReservedAt.UnixMicro(), last.NotAfter.UnixMicro()}.String()
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

func byKnown(a, b *memoryRecord) int {
	return cmp.Or(a.ReservedAt.Compare(b.ReservedAt), cmp.Compare(a.id, b.id))
}

func byEnd(a, b *memoryRecord) int {
	return cmp.Or(a.NotAfter.Compare(b.NotAfter), cmp.Compare(a.id, b.id))
}

// order returns how the list of q is sorted, oldest first.
func (q *Query) order() func(a, b *memoryRecord) int {
	if q.ByEnd() {
		return byEnd
	}
	return byKnown
}

// behind returns where a list goes on after the record at a cursor, which may no longer be in it.
func (q *Query) behind(found []*memoryRecord, at memoryCursor) int {
	last := &memoryRecord{Record: Record{ReservedAt: time.UnixMicro(at.known), NotAfter: time.UnixMicro(at.end)}, id: at.id}
	order := q.order()
	i := slices.IndexFunc(found, func(r *memoryRecord) bool {
		n := order(r, last)
		return n != 0 && n > 0 != q.NewestFirst
	})
	if i < 0 {
		return len(found)
	}
	return i
}

// memoryCursor is the last record of a page. An id of zero is before all.
type memoryCursor struct{ id, known, end int64 }

func (c memoryCursor) String() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "memory:%d:%d:%d", c.id, c.known, c.end))
}

func parseMemoryCursor(s string) (c memoryCursor, _ error) {
	if s == "" {
		return c, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return c, ErrCursor
	}
	if _, err := fmt.Sscanf(string(b), "memory:%d:%d:%d", &c.id, &c.known, &c.end); err != nil || c.id <= 0 || c.String() != s {
		return memoryCursor{}, ErrCursor
	}
	return c, nil
}

// pageLimit applies the default and the ceiling of Query.Limit.
func pageLimit(n int) int {
	if n <= 0 {
		return 100
	}
	return min(n, 1000)
}
