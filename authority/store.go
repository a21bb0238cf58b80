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
	Ledger
	RevocationStore
	OutboxStore
	Upkeep
}

// Ledger is the part of a [Store] that holds the records of certificates.
type Ledger interface {
	// Reserve records r before it is signed, and spends the credential, in one transaction. Status, DER,
	// IssuedAt and Revocation of r are ignored. Serials are unique among all records that were not
	// pruned: a repeat is [ErrExists], and spends nothing. A credential that was spent before is
	// [ErrSpent], and nothing is recorded.
	Reserve(ctx context.Context, r *Record, spend provisioner.Spend) error

	// Commit makes a reserved record an issued one and puts posts in the outbox. Doing it again with the
	// same certificate changes nothing and is no error; a serial that is not reserved is [ErrState], one
	// that is unknown [ErrNotFound].
	Commit(ctx context.Context, s Serial, der []byte, at time.Time, posts []Post) error

	// Abandon ends a reservation whose certificate was not handed out, at that moment. If release is
	// true, the credential it spent may be used again: say so only when nobody can have received a
	// signature. A serial that is not reserved is [ErrState].
	Abandon(ctx context.Context, s Serial, release bool, at time.Time, posts []Post) error

	// Reconcile abandons, at the moment at and without releasing anything, the reservations made before
	// the moment before, up to limit of them (0 means 100; at most 1000), oldest first, and returns them
	// as they are now. posts, which may be nil, makes the events of each; it must not call the store.
	Reconcile(ctx context.Context, before, at time.Time, limit int, posts func(*Record) []Post) ([]*Record, error)

	// Certificate returns the record of a serial, or [ErrNotFound].
	Certificate(ctx context.Context, s Serial) (*Record, error)

	// List returns records in the order that [Query] says. A store may look through a bounded number of
	// records for one page, so a page can be short, or empty, and still have a Next. Records that are
	// there when the first page is read are returned once each, whatever is added meanwhile. A cursor
	// that List did not make for this query is [ErrCursor], or begins somewhere else in the list.
	List(ctx context.Context, q Query) (*Page, error)

	// Ending returns the issued records that are not revoked and end from that moment on and before the
	// other, by their ends. It costs what it returns, however many records there are. A cursor is
	// Page.Next of the page before, with the same moments; a limit is that of List.
	Ending(ctx context.Context, from, until time.Time, cursor string, limit int) (*Page, error)
}

// OutboxStore is the part of a [Store] that holds events for the sinks that must not miss one.
type OutboxStore interface {
	// Post puts events in the outbox by themselves.
	Post(ctx context.Context, posts []Post) error

	// Outbox returns up to limit (0 means 100; at most 1000) undelivered events of a sink with Seq above
	// after, oldest first. Once an event has been returned, none with a lower Seq appears any more.
	Outbox(ctx context.Context, sink string, after int64, limit int) ([]Posted, error)

	// Delivered forgets events that a sink has received, dead letters included. Unknown ones are ignored.
	Delivered(ctx context.Context, sink string, seqs []int64) error

	// Bury makes an undelivered event of a sink a dead letter: Outbox no longer returns it. An unknown
	// one is ignored, and so is one that is dead already.
	Bury(ctx context.Context, sink string, seq int64, reason string, at time.Time) error

	// Buried returns a sink's dead letters with Seq above after, as Outbox does events.
	Buried(ctx context.Context, sink string, after int64, limit int) ([]DeadLetter, error)

	// Backlog tells how far behind a sink is, events that Outbox does not return yet included.
	Backlog(ctx context.Context, sink string) (Backlog, error)

	// Replay puts dead letters back into the outbox, with new Seqs in the order of the old ones. Unknown
	// ones are ignored.
	Replay(ctx context.Context, sink string, seqs []int64) error
}

// Upkeep is the part of a [Store] that keeps it small and its users out of each other's way.
type Upkeep interface {
	// Prune deletes what is no longer needed, up to the limit of p, oldest first, and tells how much. It
	// never deletes a reservation, which is to be reconciled first.
	Prune(ctx context.Context, p Prune) (Pruned, error)

	// Mark returns the moment that was last remembered under a name; the zero time if there is none.
	Mark(ctx context.Context, name string) (time.Time, error)

	// SetMark remembers a moment under a name.
	SetMark(ctx context.Context, name string, at time.Time) error

	// Lease makes the caller the only one among all who use the store to hold a name, until it calls
	// release, or its process dies, or the store can no longer vouch for it: then the context that Lease
	// returned ends, which is derived from ctx. If somebody else holds the name, it is [ErrHeld]. release
	// may be called more than once.
	Lease(ctx context.Context, name string) (held context.Context, release func(), err error)
}

// What stores say; test with errors.Is.
var (
	ErrCursor      = errors.New("authority: cursor is not one of this list")
	ErrHeld        = errors.New("authority: lease is held by another")
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

// DeadLetter is an event that a sink would not accept.
type DeadLetter = event.DeadLetter

// Backlog is when the oldest thing happened that a sink has not been told of; zero where there is none.
type Backlog struct {
	Waiting time.Time // of the events that are to be delivered
	Dead    time.Time // of the dead letters
}

// Prune says what may go.
type Prune struct {
	Now          time.Time // credentials whose Until is before this are forgotten; zero means the present
	Certificates time.Time // records of certificates that ended before this are deleted; zero keeps all

	// Events keeps dead letters, and the events of sinks that are not in Sinks, from that moment on. The
	// zero time keeps all. An undelivered event of a sink in Sinks is kept whatever its age, and so is a
	// dead letter of one in Mandatory.
	Events           time.Time
	Sinks, Mandatory []string

	Limit int // rows in one call; 0 means 1000
}

// Pruned counts what Prune deleted. More is true when it reached the limit, so that more may be left.
type Pruned struct {
	Spent, Certificates, Events int
	More                        bool
}
