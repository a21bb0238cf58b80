package sqlstore

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// scanned is how many rows one page looks through at most.
const scanned = 5000

const selectSerial = "SELECT " + recordColumns + " WHERE c.serial = ?"

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

// A walk is the tree whose order a list follows: the smallest one that holds all that is asked for.
type walk struct {
	end  string // statement for the id at which a page stops looking: after, offset
	list string // statement up to the filters: after, end
	sort string // statement after them: limit
	args []any  // before all those
}

var (
	walkAll = walk{
		end:  "SELECT id FROM certificates WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?",
		list: "SELECT " + recordColumns + " WHERE c.id > ? AND c.id <= ?",
		sort: " ORDER BY c.id LIMIT ?",
	}
	walkRevoked = walk{
		end: "SELECT certificate FROM revocations WHERE certificate > ? ORDER BY certificate LIMIT 1 OFFSET ?",
		list: "SELECT " + strings.Replace(recordColumns, "FROM certificates c LEFT JOIN revocations v ON v.certificate = c.id",
			"FROM revocations v CROSS JOIN certificates c ON c.id = v.certificate", 1) + " WHERE v.certificate > ? AND v.certificate <= ?",
		sort: " ORDER BY v.certificate LIMIT ?",
	}
	walkTerm = walk{
		end: "SELECT certificate FROM terms WHERE term = ? AND certificate > ? ORDER BY certificate LIMIT 1 OFFSET ?",
		list: "SELECT " + strings.Replace(recordColumns, "FROM certificates c",
			"FROM terms t CROSS JOIN certificates c ON c.id = t.certificate", 1) + " WHERE t.term = ? AND t.certificate > ? AND t.certificate <= ?",
		sort: " ORDER BY t.certificate LIMIT ?",
	}
)

func walkOf(q *authority.Query) walk {
	for _, s := range []string{q.Name, q.Subject} {
		if s != "" {
			w := walkTerm
			w.args = []any{term(s)}
			return w
		}
	}
	if q.Revoked != nil && *q.Revoked {
		return walkRevoked
	}
	return walkAll
}

// List does what Store.List says. It looks through no more than a fixed number of rows.
func List(tx Tx, q authority.Query) (*authority.Page, error) {
	after, err := parseCursor(q.Cursor)
	if err != nil {
		return nil, err
	}
	w := walkOf(&q)
	end, more := int64(math.MaxInt64), false
	err = tx.Query(w.end, func(r Row) error {
		end, more = r.int(0), true
		return nil
	}, append(append([]any{}, w.args...), after, int64(scanned-1))...)
	if err != nil {
		return nil, err
	}
	limit := Limit(q.Limit)
	where, args := filters(&q)
	args = append(append(append([]any{}, w.args...), after, end), args...)
	page, last := &authority.Page{}, int64(0)
	err = tx.Query(w.list+where+w.sort, func(r Row) error {
		if len(page.Records) == limit {
			page.Next = formatCursor(last)
			return nil
		}
		rec, err := readRecord(r)
		if err != nil {
			return err
		}
		page.Records, last = append(page.Records, rec), r.int(0)
		return nil
	}, append(args, int64(limit+1))...)
	if err != nil {
		return nil, err
	}
	if page.Next == "" && more {
		page.Next = formatCursor(end)
	}
	return page, nil
}

func filters(q *authority.Query) (string, []any) {
	var where strings.Builder
	var args []any
	and := func(cond string, a ...any) {
		where.WriteString(" AND " + cond)
		args = append(args, a...)
	}
	if q.Status != "" {
		and("c.status = ?", statusCode(q.Status))
	}
	for _, f := range [...]struct{ column, value string }{
		{"c.issuer", q.Issuer}, {"c.provisioner", q.Provisioner}, {"c.subject", q.Subject}, {"c.key_id", q.KeyID},
	} {
		if f.value != "" {
			and(f.column+" = ?", f.value)
		}
	}
	if q.Name != "" {
		and("EXISTS (SELECT 1 FROM json_each(c.more, '$.names') n WHERE n.value = ?)", q.Name)
	}
	if q.Revoked != nil {
		if *q.Revoked {
			and("v.certificate IS NOT NULL")
		} else {
			and("v.certificate IS NULL")
		}
	}
	// The plus keeps these out of the choice of an index: the walk has made it.
	for _, f := range [...]struct {
		cond string
		t    time.Time
	}{{"+c.not_after >= ?", q.NotAfterFrom}, {"+c.not_after < ?", q.NotAfterUntil}} {
		if !f.t.IsZero() {
			and(f.cond, ceilMicro(f.t))
		}
	}
	return where.String(), args
}

// ceilMicro rounds up, so that comparing with whole microseconds says the same.
func ceilMicro(t time.Time) int64 {
	n := t.UnixMicro()
	if t.Nanosecond()%1000 != 0 {
		n++
	}
	return n
}

// A cursor is a version, the id of the last row, and the complement of its lowest octet, against cursors
// that were made elsewhere or damaged.
const cursorVersion = 0xc1

func formatCursor(id int64) string {
	b := binary.BigEndian.AppendUint64([]byte{cursorVersion}, uint64(id))
	return base64.RawURLEncoding.EncodeToString(append(b, ^byte(id)))
}

func parseCursor(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != 10 || b[0] != cursorVersion || b[9] != ^b[8] || b[1]&0x80 != 0 {
		return 0, authority.ErrCursor
	}
	return int64(binary.BigEndian.Uint64(b[1:9])), nil
}
