package sqlstore

import (
	"encoding/base64"
	"encoding/binary"

	"github.com/chancery-ca/chancery/authority"
)

// place is where a list stands: what it is ordered by, and the id of the row among those that share it.
type place struct{ key, id int64 }

func (p place) less(q place) bool { return p.key < q.key || p.key == q.key && p.id < q.id }

// A cursor is a version, the list it is of, a place, and the complement of its lowest octet, against
// those that were made elsewhere or damaged.
const cursorVersion = 0xc2

// The lists that have cursors. Those of walks follow; with the bit backwards, newest first.
const (
	listEnding byte = iota
	listChanges
	listAbove
	listWalk

	backwards = 0x80
)

func (p place) cursor(list byte) string {
	b := binary.BigEndian.AppendUint64([]byte{cursorVersion, list}, uint64(p.key))
	b = binary.BigEndian.AppendUint64(b, uint64(p.id))
	return base64.RawURLEncoding.EncodeToString(append(b, ^byte(p.id)))
}

// parseCursor returns the place of a cursor of that list.
func parseCursor(s string, list byte) (place, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != 19 || b[0] != cursorVersion || b[1] != list || b[18] != ^b[17] || b[10]&0x80 != 0 {
		return place{}, authority.ErrCursor
	}
	return place{int64(binary.BigEndian.Uint64(b[2:10])), int64(binary.BigEndian.Uint64(b[10:18]))}, nil
}
