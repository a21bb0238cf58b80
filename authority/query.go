package authority

import (
	"slices"
	"time"
)

// Query chooses records. Zero fields choose everything; those that are set must all be met.
//
// Records come in the order of ReservedAt, those of one moment in the order in which the store got them. If the query has a range of NotAfter
// and none of the fields that choose exactly (Serial, Subject, Name, KeyID, Entity), they come in the
// order of their ends instead.
type Query struct {
	Serial      Serial
	Status      Status
	Issuer      string
	Provisioner string
	Profile     string
	Subject     string // who asked, exactly
	Name        string // one of the names (SAN or principal), exactly
	KeyID       string
	Entity      string
	Revoked     *bool // whether there is a Revocation; an abandoned record need not have one

	// Ranges, from inclusive, until exclusive. Known is ReservedAt: when the record came into being.
	KnownFrom, KnownUntil         time.Time
	NotBeforeFrom, NotBeforeUntil time.Time
	NotAfterFrom, NotAfterUntil   time.Time

	NewestFirst bool   // reverses the order
	Cursor      string // Page.Next of the page before
	Limit       int    // 0 means 100; at most 1000
}

// Page is a part of a list. Next is empty on the last one, and only there.
type Page struct {
	Records []*Record
	Next    string
}

// ByEnd reports whether the list is in the order of NotAfter. Stores use it.
func (q *Query) ByEnd() bool {
	exact := q.Serial != "" || q.Subject != "" || q.Name != "" || q.KeyID != "" || q.Entity != ""
	return !exact && (!q.NotAfterFrom.IsZero() || !q.NotAfterUntil.IsZero())
}

// Matches reports whether q chooses r. Stores use it, and whoever has records at hand.
func (q *Query) Matches(r *Record) bool {
	is := func(want, have string) bool { return want == "" || want == have }
	in := func(from, until, t time.Time) bool {
		return (from.IsZero() || !t.Before(from)) && (until.IsZero() || t.Before(until))
	}
	return is(string(q.Serial), string(r.Serial)) && is(string(q.Status), string(r.Status)) && is(q.Issuer, r.Issuer) &&
		is(q.Provisioner, r.Provisioner) && is(q.Profile, r.Profile) && is(q.Subject, r.Subject) && is(q.KeyID, r.KeyID) &&
		is(q.Entity, r.Entity) && (q.Name == "" || slices.Contains(r.Names, q.Name)) &&
		(q.Revoked == nil || *q.Revoked == (r.Revocation != nil)) &&
		in(q.KnownFrom, q.KnownUntil, r.ReservedAt) && in(q.NotBeforeFrom, q.NotBeforeUntil, r.NotBefore) &&
		in(q.NotAfterFrom, q.NotAfterUntil, r.NotAfter)
}
