package sqlstore

import (
	"time"

	"github.com/chancery-ca/chancery/authority"
)

const selectEnding = selectRecord + ` WHERE (c.not_after, c.id) > (?, ?) AND c.not_after < ?
	AND c.status + 0 = 1 AND v.certificate IS NULL ORDER BY c.not_after, c.id LIMIT ?`

// Ending does what Store.Ending says.
func Ending(tx Tx, from, until time.Time, cursor string, limit int) (*authority.Page, error) {
	at := place{ceilMicro(from), 0} // ids begin at 1
	if cursor != "" {
		var err error
		if at, err = parseCursor(cursor, listEnding); err != nil {
			return nil, err
		}
	}
	limit = Limit(limit)
	page := &authority.Page{}
	err := tx.Query(selectEnding, func(r Row) error {
		if len(page.Records) == limit {
			page.Next = at.cursor(listEnding)
			return nil
		}
		rec, err := readRecord(r)
		if err != nil {
			return err
		}
		page.Records, at = append(page.Records, rec), place{r.int(4), r.int(0)}
		return nil
	}, at.key, at.id, ceilMicro(until), int64(limit+1))
	if err != nil {
		return nil, err
	}
	return page, nil
}
