package sqlstore

import (
	"math"

	"github.com/chancery-ca/chancery/authority"
)

const (
	changeColumns = "SELECT certificate, serial, shard, reason_code, at, not_after, revision FROM revocations"

	// Everything is walked by the ends of certificates, which do not change while it is.
	selectEntries = changeColumns + ` WHERE kind < 2 AND issuer = ? AND (not_after, certificate) > (?, ?)
		ORDER BY not_after, certificate LIMIT ?`
	selectShard = changeColumns + ` WHERE kind < 2 AND issuer = ? AND shard = ? AND (not_after, certificate) > (?, ?)
		ORDER BY not_after, certificate LIMIT ?`

	// What is new is few, whatever the shard.
	selectAbove = changeColumns + ` WHERE issuer = ? AND (revision, certificate) > (?, ?)
		AND not_after + 0 >= ? AND shard + 0 >= ? AND shard + 0 <= ? ORDER BY revision, certificate LIMIT ?`
)

// Changes does what Store.Changes says. A change that is replaced by another one while its list is read
// with Above moves to the end of that list.
func Changes(tx Tx, q authority.ChangeQuery) (*authority.ChangePage, error) {
	list, at := listChanges, place{math.MinInt64, 0}
	if !q.NotAfter.IsZero() {
		at.key = ceilMicro(q.NotAfter)
	}
	if q.Above > 0 {
		list, at = listAbove, place{q.Above, math.MaxInt64}
	}
	if q.Cursor != "" {
		var err error
		if at, err = parseCursor(q.Cursor, list); err != nil {
			return nil, err
		}
	}
	limit := min(q.Limit, 10000)
	if limit <= 0 {
		limit = 1000
	}
	page := &authority.ChangePage{}
	query, args := changesOf(&q, at)
	err := tx.Query(query, func(r Row) error {
		if len(page.Changes) == limit {
			page.Next = at.cursor(list)
			return nil
		}
		page.Changes = append(page.Changes, authority.Change{
			Serial: serialOf(r.blob(1)), Shard: int(r.int(2)), ReasonCode: int(r.int(3)), At: r.time(4), NotAfter: r.time(5), Revision: r.int(6),
		})
		at = place{r.int(5), r.int(0)}
		if list == listAbove {
			at.key = r.int(6)
		}
		return nil
	}, append(args, int64(limit+1))...)
	if err != nil {
		return nil, err
	}
	return page, nil
}

// changesOf returns the statement of a query, and its arguments but for the limit.
func changesOf(q *authority.ChangeQuery, at place) (string, []any) {
	switch {
	case q.Above <= 0 && q.Shard == 0:
		return selectEntries, []any{q.Issuer, at.key, at.id}
	case q.Above <= 0:
		return selectShard, []any{q.Issuer, int64(q.Shard), at.key, at.id}
	}
	ends, shards, most := int64(math.MinInt64), int64(math.MinInt32), int64(math.MaxInt32)
	if !q.NotAfter.IsZero() {
		ends = ceilMicro(q.NotAfter)
	}
	if q.Shard != 0 {
		shards = int64(q.Shard)
		most = shards
	}
	return selectAbove, []any{q.Issuer, at.key, at.id, ends, shards, most}
}
