package inventory

import (
	"context"
	"errors"
	"time"
)

// Inventory answers: what do we know about whoever this is? Lookup returns the entity that one of the
// identifiers names, trying them in order. No entity is [ErrNotFound]; an inventory that cannot answer
// returns another error, which the authority treats as a reason to stop and to be asked again. An
// entity that is not active is returned as it is: refusing it is the caller's decision.
//
// Lookup must be safe for concurrent use. The entity belongs to the caller: an implementation hands out
// copies.
type Inventory interface {
	Lookup(ctx context.Context, q Query) (*Entity, error)
}

// Directory is an inventory that can be written, listed and watched.
type Directory interface {
	Inventory
	// Put inserts the entity or replaces the one with its ID whole. An identifier that already names
	// another entity is [ErrConflict], an invalid entity [ErrInvalid]; either leaves everything as it was.
	Put(ctx context.Context, e *Entity) error
	// Delete removes the entity. Removing one that is not there is [ErrNotFound].
	Delete(ctx context.Context, id string) error
	Lister
	Watcher
}

// Lister is an inventory that can be listed. List returns entities in the order of their IDs, as bytes.
// An entity that stays as it is during a walk through the pages is seen exactly once.
type Lister interface {
	List(ctx context.Context, f Filter) (*Page, error)
}

// Watcher tells of changes. Watch calls fn for the changes made after the call began, in order per
// entity, until ctx ends, and returns ctx's error. fn runs in Watch's goroutine, and writers do not wait
// for it: several changes of one entity that fn has not been told of yet are joined into one, from what
// fn knew last to what is now, or into none.
type Watcher interface {
	Watch(ctx context.Context, fn func(Change)) error
}

// Errors that every implementation returns; test with errors.Is.
var (
	ErrNotFound = errors.New("inventory: not found")
	ErrConflict = errors.New("inventory: identifier names another entity")
	ErrInvalid  = errors.New("inventory: invalid entity")
)

// Query asks for one entity by what a credential said.
type Query struct {
	Identifiers []Identifier
}

// Filter chooses entities for List. Zero fields choose everything; what is given must all hold.
type Filter struct {
	Kind  Kind
	Group string // one of the entity's, exactly
	// Tag is key=value, or key alone for any value.
	Tag string
	// Active chooses by state; nil chooses both.
	Active *bool
	// Cursor is Page.Next of the page before.
	Cursor string
	// Limit is the most entities of a page; 0 means 100, and more than 1000 means 1000.
	Limit int
}

// Page is a part of a list. Next is empty on the last page.
type Page struct {
	Entities []*Entity
	Next     string
}

// Change is one thing that happened to an entity. Old is nil when it was created, New when deleted.
type Change struct {
	Old, New *Entity
	Time     time.Time
}

// As finds the first T in i's chain of Unwrap() Inventory.
func As[T any](i Inventory) (T, bool) {
	for i != nil {
		if t, ok := i.(T); ok {
			return t, true
		}
		u, ok := i.(interface{ Unwrap() Inventory })
		if !ok {
			break
		}
		i = u.Unwrap()
	}
	var zero T
	return zero, false
}
