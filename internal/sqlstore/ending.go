package sqlstore

import (
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

const selectEnding = "SELECT " + recordColumns + ` WHERE (c.not_after, c.id) > (?, ?) AND c.not_after < ?
	AND +c.status = 1 AND v.certificate IS NULL ORDER BY c.not_after, c.id LIMIT ?`

// Ending does what Store.Ending says. Its cursor is the end and the id of the last row.
func Ending(tx Tx, from, until time.Time, cursor string, limit int) (*authority.Page, error) {
	end, id := ceilMicro(from), int64(0) // ids begin at 1
	if cursor != "" {
		b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
		if err != nil || len(b) != 17 || b[0] != endingVersion || b[9]&0x80 != 0 {
			return nil, authority.ErrCursor
		}
		end, id = int64(binary.BigEndian.Uint64(b[1:9])), int64(binary.BigEndian.Uint64(b[9:]))
	}
	limit = Limit(limit)
	page := &authority.Page{}
	err := tx.Query(selectEnding, func(r Row) error {
		if len(page.Records) == limit {
			b := binary.BigEndian.AppendUint64([]byte{endingVersion}, uint64(end))
			page.Next = base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(b, uint64(id)))
			return nil
		}
		rec, err := readRecord(r)
		if err != nil {
			return err
		}
		page.Records, id, end = append(page.Records, rec), r.int(0), r.int(4)
		return nil
	}, end, id, ceilMicro(until), int64(limit+1))
	if err != nil {
		return nil, err
	}
	return page, nil
}

// endingVersion keeps these cursors apart from those of List.
const endingVersion = 0xe1
