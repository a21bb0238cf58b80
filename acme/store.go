package acme

import (
	"context"
	"errors"
	"time"
)

// Store is what an ACME server remembers. Package acmetest holds the suite that says what this means.
//
// Each method is one transaction, durable when it returns nil, and safe for concurrent use by several servers, in
// several processes where the store allows it. An error means that nothing happened, except where the store could
// not tell (a lost connection).
//
// Nothing a caller passes or receives is shared with the store. Times are kept to the microsecond and come back in
// UTC. Objects have a Version, which the store sets: whatever updates one names the version that it has seen, and
// fails with [ErrConflict] if the row has another by now; on success the Version in the argument is the new one.
//
// Where a method takes a [Pass], it first does what [Store.Spend] does, in the same transaction. A nil Pass asks for
// nothing.
type Store interface {
	AccountStore
	OrderStore
	KeyStore

	// Spend lets one request of a client in. A nonce that was spent before is [ErrSpent]; an account that is not
	// valid, or has another key by now, is [ErrAccount], and then the nonce is not spent. What comes after may fail
	// for other reasons, ErrConflict among them: the nonce stays spent then.
	Spend(ctx context.Context, p *Pass) error

	// Count adds one to each of the tallies, or to none, and returns a [*LimitError] for the first that is full.
	Count(ctx context.Context, tallies ...Tally) error

	// Full returns a [*LimitError] for the first tally that is full, and adds nothing.
	Full(ctx context.Context, tallies ...Tally) error

	// Secret returns what is kept under a name, which is fresh if nothing was: the same bytes on every node from
	// then on.
	Secret(ctx context.Context, name string, fresh []byte) ([]byte, error)

	// Prune deletes what is no longer needed at that moment, at most limit rows (0 means 1000): spent nonces, tallies
	// and external account keys past their end, orders and authorizations that ended a week ago, and accounts that
	// are not valid and have neither. more is true when it reached the limit.
	Prune(ctx context.Context, now time.Time, limit int) (n int, more bool, err error)
}

// Kept is how long orders and authorizations are kept after their end.
const Kept = 7 * 24 * time.Hour

// Pass is what lets a request of a client in, once.
type Pass struct {
	Nonce []byte    // 24 bytes that no other nonce has
	Until time.Time // it may be forgotten from then on

	Account    string // ID; empty for a request that brings its own key
	Thumbprint string // of the key that signed the request
}

// Tally counts something up to a limit, until it ends. Key says what is counted, and in which span of time; the
// others are the same whenever Key is.
type Tally struct {
	Key   string
	Limit int
	Until time.Time
	What  string // for people: "new orders"
}

// LimitError says that a tally is full.
type LimitError struct{ Tally Tally }

func (e *LimitError) Error() string { return "acme: too many " + e.Tally.What }

// AccountStore is the part of a [Store] that holds accounts.
type AccountStore interface {
	Account(ctx context.Context, id string) (*Account, error)                           // ErrNotFound
	AccountByKey(ctx context.Context, provisioner, thumbprint string) (*Account, error) // ErrNotFound

	// NewAccount records a, counts the tallies, and uses up the external key that a.Binding names: one that is not
	// usable at a.CreatedAt is [ErrKey]. If the provisioner has an account with that key already, it is [ErrExists], and
	// nothing is counted or used.
	NewAccount(ctx context.Context, p *Pass, a *Account, tallies ...Tally) error

	// UpdateAccount changes Key, Thumbprint, Status, Contacts and Agreed. A key that another account of the
	// provisioner has is [ErrExists].
	UpdateAccount(ctx context.Context, p *Pass, a *Account) error
}

// OrderStore is the part of a [Store] that holds orders and authorizations.
type OrderStore interface {
	// NewOrder records an order, or returns one that is there already: see [NewOrder]. An order that replaces what
	// another one of the provisioner replaces is [ErrReplaced], unless that one is Invalid, or Pending with the same
	// Key: it makes room then.
	NewOrder(ctx context.Context, p *Pass, n *NewOrder) (*Order, []*Authorization, error)

	// Order returns an order and its authorizations, in the order of its identifiers; or ErrNotFound.
	Order(ctx context.Context, p *Pass, id string) (*Order, []*Authorization, error)

	// OrderOf returns the order that a certificate of that serial was issued for, or ErrNotFound.
	OrderOf(ctx context.Context, provisioner, serial string) (*Order, error)

	// Orders returns the IDs of an account's orders that are not Invalid and end after now, newest first, those that
	// come after a cursor; limit 0 means 100. next is empty after the last. What is no cursor is ErrNotFound.
	Orders(ctx context.Context, p *Pass, account string, now time.Time, cursor string, limit int) (ids []string, next string, err error)

	// UpdateOrder changes Status, Error, CSR, Attempts, Serial and Due. An order that is no longer Pending makes room
	// for another of the same key ([NewOrder.Key]), an Invalid one for another with the same Replaces.
	UpdateOrder(ctx context.Context, p *Pass, o *Order) error

	Authorization(ctx context.Context, p *Pass, id string) (*Authorization, error) // ErrNotFound

	// UpdateAuthorization changes Status, Expires, Challenges and Due, and counts the tallies, full or not.
	UpdateAuthorization(ctx context.Context, p *Pass, a *Authorization, tallies ...Tally) error

	// Holds reports whether an account has valid authorizations for all of the identifiers at that moment. A wildcard
	// needs one for it.
	Holds(ctx context.Context, account string, ids []Identifier, now time.Time) (bool, error)

	// DueOrders returns orders of a provisioner whose Due has come, the longest due first.
	DueOrders(ctx context.Context, provisioner string, now time.Time, limit int) ([]*Order, error)

	// DueAuthorizations returns authorizations of a provisioner whose Due has come, the longest due first.
	DueAuthorizations(ctx context.Context, provisioner string, now time.Time, limit int) ([]*Authorization, error)
}

// NewOrder is an order to be recorded: see [NewOrder.Check].
//
// If there is a Pending order of the same Key, on authorizations that are all live, none of which nor itself ends
// before NotEndingBefore, that one is returned, and nothing is recorded or counted.
//
// Otherwise each identifier rests on the account's live authorization for it, if that does not end before
// NotEndingBefore, or else on the one in Authorizations: so there is at most one for an account, identifier and
// wildcard that new orders can rest on.
type NewOrder struct {
	Order          *Order
	Key            string           // digest of account and of what is asked for
	Authorizations []*Authorization // one for each identifier, in their order, all Pending

	NotEndingBefore time.Time
	Now             time.Time

	// MaxPending is how many authorizations that are Pending and end after Now the account may have, the new ones
	// included; one more is a [*LimitError]. 0: any number.
	MaxPending int
	Tallies    []Tally // counted if the order is a new one; a full one is a [*LimitError], and nothing is recorded
	Unless     []Tally // not counted: one that is full is a [*LimitError], as with Tallies
}

// KeyStore is the part of a [Store] that holds external account keys.
type KeyStore interface {
	PutExternalKey(ctx context.Context, k *ExternalKey) error // a new one with Version 0, or ErrExists; else an update

	ExternalKey(ctx context.Context, provisioner, id string) (*ExternalKey, error) // ErrNotFound

	// ExternalKeys lists the keys of a provisioner by ID, those after one; limit 0 means 100.
	ExternalKeys(ctx context.Context, provisioner, after string, limit int) ([]*ExternalKey, error)
}

// What stores say; test with errors.Is.
var (
	ErrNotFound = errors.New("acme: there is no such thing")
	ErrExists   = errors.New("acme: there is one already")
	ErrConflict = errors.New("acme: it was changed meanwhile")
	ErrSpent    = errors.New("acme: nonce was used before")
	ErrAccount  = errors.New("acme: account is not valid, or has another key")
	ErrKey      = errors.New("acme: external account key cannot be used")
	ErrReplaced = errors.New("acme: certificate was replaced by another order")
)
