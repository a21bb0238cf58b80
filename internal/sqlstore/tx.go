package sqlstore

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

// A Tx is what statements run on: an open transaction, or a connection that only reads. Statements are
// constants of this package with ? for each argument; arguments are int64, string, []byte or nil.
type Tx interface {
	// Exec returns how many rows it changed.
	Exec(query string, args ...any) (int64, error)

	// Insert adds one row and returns its id; ok is false if a conflict kept it out.
	Insert(query string, args ...any) (id int64, ok bool, err error)

	// Query calls row for each row. The Row is valid during the call; the []byte in it stay so.
	Query(query string, row func(Row) error, args ...any) error
}

// Row is a row of a result: int64, string, []byte or nil each.
type Row []any

func (r Row) int(i int) int64 {
	n, _ := r[i].(int64)
	return n
}

func (r Row) text(i int) string {
	switch v := r[i].(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

func (r Row) blob(i int) []byte {
	switch v := r[i].(type) {
	case []byte:
		return v
	case string:
		return []byte(v)
	}
	return nil
}

func (r Row) time(i int) time.Time { return time.UnixMicro(r.int(i)).UTC() }

// IsDomain reports whether err is an answer, after which a transaction may go on, and not a failure.
func IsDomain(err error) bool {
	for _, e := range []error{authority.ErrNotFound, authority.ErrExists, authority.ErrSpent, authority.ErrState, authority.ErrRevoked} {
		if err == e { // compared as it is: one that was wrapped came from elsewhere
			return true
		}
	}
	return false
}

const (
	insertSpent = "INSERT INTO spent (id, until) VALUES (?, ?) ON CONFLICT DO NOTHING"
	deleteSpent = "DELETE FROM spent WHERE id = ?"
)

// forever is the until of credentials that have none.
const forever = int64(1)<<62 - 1

type spent struct {
	id    []byte // nil: nothing is spent
	until int64
}

func newSpent(s provisioner.Spend) spent {
	if s.IsZero() {
		return spent{}
	}
	d := sha256.Sum256([]byte(s.ID))
	until := forever
	if !s.Until.IsZero() {
		until = s.Until.UnixMicro()
	}
	return spent{id: d[:20], until: until}
}

func (s spent) insert(tx Tx) error {
	if s.id == nil {
		return nil
	}
	n, err := tx.Exec(insertSpent, s.id, s.until)
	if err == nil && n == 0 {
		err = authority.ErrSpent
	}
	return err
}

func (s spent) undo(tx Tx) error {
	if s.id == nil {
		return nil
	}
	_, err := tx.Exec(deleteSpent, s.id)
	return err
}

// term is the digest by which exact searches find s. Rows that share it by chance are filtered by value.
func term(s string) int64 {
	d := sha256.Sum256([]byte(s))
	return int64(binary.BigEndian.Uint64(d[:8]) >> 1)
}

// serialBytes returns a serial as the database keeps it.
func serialBytes(s authority.Serial) ([]byte, error) {
	if len(s) == 0 || len(s) > 40 || s[0] == '0' {
		return nil, errSerial
	}
	b := make([]byte, (len(s)+1)/2)
	for i := range len(s) {
		c := s[len(s)-1-i]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		default:
			return nil, errSerial
		}
		b[len(b)-1-i/2] |= c << (4 * (i % 2))
	}
	return b, nil
}

func serialOf(b []byte) authority.Serial {
	s := hex.EncodeToString(b)
	if len(s) > 0 && s[0] == '0' {
		s = s[1:]
	}
	return authority.Serial(s)
}

var errSerial = errors.New("sqlstore: the record's serial is not one")
