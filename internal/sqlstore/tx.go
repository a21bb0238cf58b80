package sqlstore

import (
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/authority"
)

// A Tx is what statements run on: an open transaction, or a connection that only reads. Statements are
// constants of this package with ? for each argument; arguments are int64, string, []byte or nil.
//
// A SELECT that ends in the comment /*lock*/ reads rows of its table c that the transaction goes on to
// change, or that guard others it changes. A database that lets several write at a time locks them: FOR
// UPDATE OF c. Each statement must see what was committed before it began (read committed).
type Tx interface {
	// Exec returns how many rows it changed.
	Exec(query string, args ...any) (int64, error)

	// Insert adds one row of certificates and returns its id; ok is false if a conflict kept it out.
	Insert(query string, args ...any) (id int64, ok bool, err error)

	// Query calls row for each row. The Row is valid during the call; the []byte in it stay so.
	Query(query string, row func(Row) error, args ...any) error

	// Run runs a script: each step sees what those before it did, and gets its N. It is a transaction by itself where
	// there is none around it, and then costs one trip to a database that is elsewhere.
	Run(steps []*Step) error

	// NextSeq returns the first of n new numbers, one after the other, for rows of the outbox. None is
	// given twice, also not after its row was deleted.
	NextSeq(n int) (int64, error)

	// Seqs returns a number above all numbers whose rows may be read: rows that are still to be
	// committed have that one or a higher one.
	Seqs() (int64, error)

	// NextRevision returns a new number, never given before, for a change that this transaction makes.
	NextRevision() (int64, error)

	// Revision returns what Store.Revision does.
	Revision() (int64, error)
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
	for _, e := range [...]error{
		authority.ErrNotFound, authority.ErrExists, authority.ErrSpent, authority.ErrState, authority.ErrRevoked,
		acme.ErrNotFound, acme.ErrExists, acme.ErrConflict, acme.ErrSpent, acme.ErrAccount, acme.ErrKey, acme.ErrReplaced,
	} {
		if err == e { // compared as it is: one that was wrapped came from elsewhere
			return true
		}
	}
	_, full := err.(*acme.LimitError)
	return full
}
