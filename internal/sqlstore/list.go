package sqlstore

import (
	"github.com/chancery-ca/chancery/authority"
)

// scanned is how many rows one page looks through at most.
const scanned = 5000

const selectSerial = selectRecord + " WHERE c.serial = ?"

// Certificate does what Store.Certificate says.
func Certificate(tx Tx, s authority.Serial) (*authority.Record, error) {
	serial, err := serialBytes(s)
	if err != nil {
		return nil, authority.ErrNotFound
	}
	var out *authority.Record
	err = tx.Query(selectSerial, func(r Row) error {
		out, err = readRecord(r)
		return err
	}, serial)
	if err == nil && out == nil {
		err = authority.ErrNotFound
	}
	return out, err
}

// List does what Store.List says. It looks through no more than a fixed number of rows.
func List(tx Tx, q authority.Query) (*authority.Page, error) {
	if q.Serial != "" {
		return single(tx, &q)
	}
	w, only, after, before := walkOf(&q)
	cursor := listWalk + w.id
	if q.NewestFirst {
		cursor |= backwards
	}
	if q.Cursor != "" {
		at, err := parseCursor(q.Cursor, cursor)
		switch {
		case err != nil:
			return nil, err
		case q.NewestFirst && at.less(before):
			before = at
		case !q.NewestFirst && after.less(at):
			after = at
		}
	}
	l := &lister{tx: tx, q: &q, w: w, only: only, after: after, before: before, cursor: cursor}
	return l.page()
}

// single is the list of one serial, which has one page.
func single(tx Tx, q *authority.Query) (*authority.Page, error) {
	if q.Cursor != "" {
		return nil, authority.ErrCursor
	}
	page := &authority.Page{}
	r, err := Certificate(tx, q.Serial)
	if err == authority.ErrNotFound {
		return page, nil
	}
	if err != nil {
		return nil, err
	}
	if q.Matches(r) {
		page.Records = append(page.Records, r)
	}
	return page, nil
}

// lister makes one page.
type lister struct {
	tx            Tx
	q             *authority.Query
	w             walk
	only          []any
	after, before place // what is left of the walk
	cursor        byte
}

func (l *lister) args(more ...any) []any {
	args := append(append([]any{}, l.only...), l.after.key, l.after.id, l.before.key, l.before.id)
	return append(args, more...)
}

func (l *lister) page() (*authority.Page, error) {
	end, more, err := l.ahead()
	if err != nil {
		return nil, err
	}
	limit := Limit(l.q.Limit)
	rows := limit + 1
	if l.q.Name != "" { // the one thing that the statement does not look at
		rows = max(rows, 200)
	}
	page := &authority.Page{}
	var at place
	n, full := 0, false
	err = l.tx.Query(l.w.list(l.q.NewestFirst), func(r Row) error {
		if n++; full {
			return nil
		}
		rec, err := readRecord(r)
		if err != nil {
			return err
		}
		if l.q.Matches(rec) {
			if full = len(page.Records) == limit; full {
				return nil
			}
			page.Records = append(page.Records, rec)
		}
		at = place{l.key(r), r.int(0)}
		return nil
	}, l.args(append(filterArgs(l.q), int64(rows))...)...)
	switch {
	case err != nil:
		return nil, err
	case full || n == rows:
		page.Next = at.cursor(l.cursor)
	case more:
		page.Next = end.cursor(l.cursor)
	}
	return page, nil
}

// key returns what the walk is ordered by.
func (l *lister) key(r Row) int64 {
	if l.w.id == walkEnds.id {
		return r.int(4)
	}
	return r.int(5)
}

// ahead looks for the last row that this page may look at, and ends the walk there.
func (l *lister) ahead() (end place, more bool, err error) {
	err = l.tx.Query(l.w.ahead(l.q.NewestFirst), func(r Row) error {
		end, more = place{r.int(0), r.int(1)}, true
		return nil
	}, l.args(int64(1), int64(scanned-1))...)
	switch {
	case err != nil || !more:
	case l.q.NewestFirst:
		l.after = place{end.key, end.id - 1}
	default:
		l.before = place{end.key, end.id + 1}
	}
	return end, more, err
}
