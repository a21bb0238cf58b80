package sqlite

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// ledger is the journal of an open store. It is the writer's.
type ledger struct {
	path  string
	f     *os.File
	id    int64
	begin int64 // where the lines of changes do
	end   int64 // where the next one goes
	last  int64 // the last number given
	torn  bool  // something is behind end that may have to go
	next  place // where end and last will be, once the transaction that runs is in the database
	small int64 // its size when it was last rid of what no longer matters

	highest int64 // id of a certificate in the database
	taken   int64 // number of the last change in the database
	buf     []byte
}

type place struct{ end, last int64 }

// ledgerError says that the journal could not be written. What is in no need of it can go on.
type ledgerError struct{ err error }

func (e *ledgerError) Error() string { return "the journal: " + e.err.Error() }
func (e *ledgerError) Unwrap() error { return e.err }

func ledgerFault(err error) error {
	kind := translate(err)
	if !errors.Is(kind, authority.ErrUnavailable) {
		kind = fmt.Errorf("%w: %w", authority.ErrUnavailable, err)
	}
	return &ledgerError{kind}
}

// append writes changes and returns the number of the last when they are on the disk, or an error, and then
// none is there.
func (l *ledger) append(all []line) (last int64, err error) {
	if l.torn {
		if err := l.cut(); err != nil {
			return 0, ledgerFault(err)
		}
	}
	b := l.buf[:0]
	last = l.last
	for i := range all {
		last++
		all[i].N, all[i].Batch = last, l.last+1
		if b, err = all[i].frame(b); err != nil {
			return 0, err
		}
	}
	if l.buf = b; cap(b) > 1<<20 {
		l.buf = nil
	}
	l.torn = true
	if _, err = l.f.WriteAt(b, l.end); err == nil {
		err = l.f.Sync()
	}
	if err != nil {
		l.cut()
		return 0, ledgerFault(err)
	}
	l.next = place{l.end + int64(len(b)), last}
	return last, nil
}

// took says that the transaction with the changes of the last append is in the database.
func (l *ledger) took() {
	if l.next != (place{}) {
		l.end, l.last, l.taken = l.next.end, l.next.last, l.next.last
		l.next, l.torn = place{}, false
	}
}

// cut removes what append has written for a transaction that came to nothing. If it fails, the next append
// begins with it, or the next start.
func (l *ledger) cut() error {
	l.next = place{}
	err := l.f.Truncate(l.end)
	if err == nil {
		err = l.f.Sync()
	}
	l.torn = err != nil
	return err
}

// note says how far the database has got, as well as it can: the transaction is in the database already,
// and what is lost is no more than the knowledge how many certificates an older copy lacks.
func (l *ledger) note() {
	m := mark{Certificates: l.highest, Taken: l.taken, At: time.Now().UnixMicro()}
	var space [markSize]byte
	if b, err := frame(space[:0], &m, markSize); err == nil {
		l.f.WriteAt(b, l.begin-markSize)
	}
}

func (l *ledger) close() error { return l.f.Close() }
