package authority

import (
	"context"
	"errors"
	"time"

	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/provisioner"
)

// Store is what an authority remembers: what it was about to sign, what it signed, which one-time
// credentials are spent, what is revoked, and which events are still to be delivered.
//
// Each method is one transaction, durable when it returns nil, and safe for concurrent use by several
// authorities, in several processes where the store allows it. An error means that nothing happened,
// except where the store could not tell (a lost connection): then it matches [ErrUnavailable], and the
// authority finds out by asking again. Package storetest holds the suite that says what this means.
//
// Nothing a caller passes or receives is shared with the store. Times are kept to the microsecond and
// come back in UTC; empty slices come back nil. A context that has ended when a method is called
// changes nothing.
type Store interface {
	// Reserve records r before it is signed, and spends the credential, in one transaction. Status, DER,
	// IssuedAt and Revocation of r are ignored. Serials are unique among all records that were not
	// pruned: a repeat is [ErrExists], and spends nothing. A credential that was spent before is
	// [ErrSpent], and nothing is recorded.
	Reserve(ctx context.Context, r *Record, spend provisioner.Spend) error

	// Commit makes a reserved record an issued one and puts posts in the outbox. Doing it again with the
	// same certificate changes nothing and is no error; a serial that is not reserved is [ErrState], one
	// that is unknown [ErrNotFound].
	Commit(ctx context.Context, s Serial, der []byte, at time.Time, posts []Post) error

	// Abandon ends a reservation whose certificate was not handed out. If release is true, the
	// credential it spent may be used again: say so only when nobody can have received a signature. A
	// serial that is not reserved is [ErrState].
	Abandon(ctx context.Context, s Serial, release bool, posts []Post) error

	// Reconcile abandons, without releasing anything, the reservations made before that moment, up to
	// limit of them (0 means 100; at most 1000), oldest first, and returns them as they are now. posts,
	// which may be nil, makes the events of each; it must not call the store.
	Reconcile(ctx context.Context, before time.Time, limit int, posts func(*Record) []Post) ([]*Record, error)

	// Certificate returns the record of a serial, or [ErrNotFound].
	Certificate(ctx context.Context, s Serial) (*Record, error)

	// List returns records in the order in which they became known to the store. A store may look
	// through a bounded number of records for one page, so a page can be short, or empty, and still have
	// a Next. A cursor that List did not make is [ErrCursor].
	List(ctx context.Context, q Query) (*Page, error)

	// Ending returns the issued records that are not revoked and end from that moment on and before the
	// other, by their ends. It costs what it returns, however many records there are. A cursor is
	// Page.Next of the page before, with the same moments; a limit is that of List.
	Ending(ctx context.Context, from, until time.Time, cursor string, limit int) (*Page, error)

	// Revoke records v, and spends the credential, in one transaction. If known is not nil and the store
	// has no record of the serial, it becomes the record: so a certificate that another program issued
	// under the same issuer can be revoked. A serial that is revoked already is [ErrRevoked]; one without
	// record [ErrNotFound]; both spend nothing. Records of every status can be revoked.
	Revoke(ctx context.Context, v *Revocation, known *Record, spend provisioner.Spend, posts []Post) error

	// Post puts events in the outbox by themselves.
	Post(ctx context.Context, posts []Post) error

	// Outbox returns up to limit (0 means 100; at most 1000) undelivered events of a sink with Seq above
	// after, oldest first.
	Outbox(ctx context.Context, sink string, after int64, limit int) ([]Posted, error)

	// Delivered forgets events that a sink has received. Unknown ones are ignored.
	Delivered(ctx context.Context, sink string, seqs []int64) error

	// Prune deletes what is no longer needed, up to the limit of p, oldest first, and tells how much. It
	// never deletes a reservation, which is to be reconciled first, nor an event that was not delivered.
	Prune(ctx context.Context, p Prune) (Pruned, error)
}

// What stores say; test with errors.Is.
var (
	ErrCursor      = errors.New("authority: cursor is not one of this list")
	ErrNotFound    = errors.New("authority: no such record")
	ErrExists      = errors.New("authority: serial exists")
	ErrSpent       = errors.New("authority: credential was used before")
	ErrState       = errors.New("authority: record is in another state")
	ErrRevoked     = errors.New("authority: already revoked")
	ErrUnavailable = errors.New("authority: store is unavailable") // retry; the next four are cases of it
)

// Cases of ErrUnavailable that a person has to mend.
var (
	ErrFull     error = storeError("authority: store has no space left")
	ErrReadOnly error = storeError("authority: store is read-only")
	ErrLocked   error = storeError("authority: store is open in another process")
	ErrClosed   error = storeError("authority: store is closed")
)

type storeError string

func (e storeError) Error() string        { return string(e) }
func (e storeError) Is(target error) bool { return target == ErrUnavailable }

func isRetryable(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// A Post is an event and the names of the sinks that must not miss it.
type Post struct {
	Event event.Event
	To    []string
}

// Posted is an event in the outbox of one sink. Seq rises in the order of commits, per store.
type Posted = event.Posted

// Query chooses records. Zero fields choose everything.
type Query struct {
	Status        Status
	Issuer        string
	Provisioner   string
	Subject       string
	Name          string // one of the names, exactly
	KeyID         string
	Revoked       *bool     // whether there is a Revocation; an abandoned record need not have one
	NotAfterFrom  time.Time // inclusive
	NotAfterUntil time.Time // exclusive
	Cursor        string    // Page.Next of the page before
	Limit         int       // 0 means 100; at most 1000
}

// Page is a part of a list. Next is empty on the last one, and only there.
type Page struct {
	Records []*Record
	Next    string
}

// Prune says what may go.
type Prune struct {
	Now          time.Time // credentials whose Until is before this are forgotten; zero means the present
	Certificates time.Time // records of certificates that ended before this are deleted; zero keeps all
	Limit        int       // rows in one call; 0 means 1000
}

// Pruned counts what Prune deleted. More is true when it reached the limit, so that more may be left.
type Pruned struct {
	Spent, Certificates int
	More                bool
}
