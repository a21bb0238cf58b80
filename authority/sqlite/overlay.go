package sqlite

import (
	"cmp"
	"context"
	"slices"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/internal/sqlstore"
)

// overlay is what the journal of a restored database has to add to what is read from it. It does not change.
type overlay struct {
	id, last  int64 // a database that has taken this change needs no overlay any more
	standings map[authority.Serial]*sqlstore.Standing
	numbers   map[authority.CRLScope]int64 // of CRLs that were published
	revision  int64
	err       error // where adding is not enough
}

func overlayOf(v *finding) *overlay {
	o := &overlay{
		id: v.journal.ID, last: v.journal.last, err: v.gap().err(),
		standings: map[authority.Serial]*sqlstore.Standing{}, numbers: map[authority.CRLScope]int64{},
	}
	for _, l := range v.missing {
		switch {
		case l.Standing != nil:
			o.standings[l.Standing.Serial] = l.Standing
			o.revision = max(o.revision, l.Standing.Revision)
		case l.CRL.Kind != sqlstore.BareNumber:
			scope := authority.CRLScope{Issuer: l.CRL.Issuer, Shard: int(l.CRL.Shard), Delta: l.CRL.Kind == sqlstore.DeltaNumber}
			o.numbers[scope] = max(o.numbers[scope], l.CRL.Number)
		}
	}
	return o
}

// overlay returns what is to be added to what is read, or nil. A store that was opened to be read sees when
// another one has replayed the journal.
func (s *Store) overlay(tx sqlstore.Tx) (*overlay, error) {
	if s.over == nil || !s.readOnly {
		return s.over, nil
	}
	at, err := positionOf(tx)
	if err != nil || at.id == s.over.id && at.taken >= s.over.last {
		return nil, err
	}
	return s.over, nil
}

// lay returns what plain returns, or what over does when there is something to be added.
func lay[T any](ctx context.Context, s *Store, plain func(sqlstore.Tx) (T, error), over func(sqlstore.Tx, *overlay) (T, error)) (T, error) {
	return read(ctx, s, func(tx sqlstore.Tx) (out T, err error) {
		o, err := s.overlay(tx)
		switch {
		case err != nil:
			return out, err
		case o != nil:
			return over(tx, o)
		}
		return plain(tx)
	})
}

func (o *overlay) certificate(tx sqlstore.Tx, n authority.Serial) (*authority.Record, error) {
	r, err := sqlstore.Certificate(tx, n)
	s := o.standings[n]
	switch {
	case s == nil:
	case err == authority.ErrNotFound:
		return s.Record(), nil
	case err == nil:
		s.Amend(r)
	}
	return r, err
}

// list looks through all records that could match, for what the database says of revocations is not to be
// relied on. Records that are lost are found by their serial only.
func (o *overlay) list(tx sqlstore.Tx, q authority.Query) (*authority.Page, error) {
	wide := q
	wide.Revoked, wide.Status, wide.Serial = nil, "", ""
	var page *authority.Page
	var err error
	if q.Serial == "" {
		page, err = sqlstore.List(tx, wide)
	} else if page, err = sqlstore.List(tx, authority.Query{Serial: q.Serial, Cursor: q.Cursor}); err == nil && len(page.Records) == 0 {
		if s := o.standings[q.Serial]; s != nil {
			page.Records = []*authority.Record{s.Record()}
		}
	}
	if err != nil {
		return nil, err
	}
	return o.keep(page, q.Matches), nil
}

// keep leaves those records of a page that match as they really are.
func (o *overlay) keep(page *authority.Page, matches func(*authority.Record) bool) *authority.Page {
	page.Records = slices.DeleteFunc(page.Records, func(r *authority.Record) bool {
		if s := o.standings[r.Serial]; s != nil {
			s.Amend(r)
		}
		return !matches(r)
	})
	if len(page.Records) == 0 {
		page.Records = nil
	}
	return page
}

func isGood(r *authority.Record) bool { return r.Status == authority.Issued && r.Revocation == nil }

// changes adds what is missing to the last page, which can be longer than the limit for it.
func (o *overlay) changes(tx sqlstore.Tx, q authority.ChangeQuery) (*authority.ChangePage, error) {
	page, err := sqlstore.Changes(tx, q)
	if err != nil {
		return nil, err
	}
	page.Changes = slices.DeleteFunc(page.Changes, func(c authority.Change) bool { return o.standings[c.Serial] != nil })
	if page.Next != "" {
		return page, nil
	}
	var more []authority.Change
	for _, s := range o.standings {
		if c, ok := s.Change(&q); ok {
			more = append(more, c)
		}
	}
	slices.SortFunc(more, func(a, b authority.Change) int { return cmp.Compare(a.Revision, b.Revision) })
	page.Changes = append(page.Changes, more...)
	return page, nil
}

// crl refuses to hand out a CRL when a newer one was published.
func (o *overlay) crl(tx sqlstore.Tx, scope authority.CRLScope, above int64) (*authority.CRL, error) {
	c, err := sqlstore.CRL(tx, scope, above)
	if n := o.numbers[scope]; n > above && (err == authority.ErrNotFound || err == nil && c.Number < n) {
		return nil, o.err
	}
	return c, err
}

func (o *overlay) crls(tx sqlstore.Tx, issuer string) ([]*authority.CRL, error) {
	all, err := sqlstore.CRLs(tx, issuer)
	if err != nil {
		return nil, err
	}
	have := map[authority.CRLScope]int64{}
	for _, c := range all {
		have[c.CRLScope] = c.Number
	}
	for scope, n := range o.numbers {
		if scope.Issuer == issuer && have[scope] < n {
			return nil, o.err
		}
	}
	return all, nil
}
