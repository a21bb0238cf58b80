package sqlstore

import (
	"math"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// A walk is the tree whose order a list follows: the smallest one that holds all that is asked for, and
// is in the order that is asked for.
type walk struct {
	id   byte   // in cursors
	from string // the table, and what is joined to it
	only string // what chooses the part of the tree; one argument per question mark
	key  string // what orders it: the moment that a record became known, or its end
	row  string // the id of the certificate
	tree string // the table alone, for looking ahead
}

const (
	fromCertificates = " FROM certificates c" + withRevocation
	fromTerms        = " FROM terms t JOIN certificates c ON c.id = t.certificate" + withRevocation
	fromRevocations  = " FROM revocations v JOIN certificates c ON c.id = v.certificate"
)

var (
	walkAll         = walk{0, fromCertificates, "", "c.reserved_at", "c.id", " FROM certificates c"}
	walkIssuer      = walk{1, fromCertificates, "c.issuer = ? AND ", "c.reserved_at", "c.id", " FROM certificates c"}
	walkProvisioner = walk{2, fromCertificates, "c.provisioner = ? AND ", "c.reserved_at", "c.id", " FROM certificates c"}
	walkEnds        = walk{3, fromCertificates, "", "c.not_after", "c.id", " FROM certificates c"}
	walkTerm        = walk{4, fromTerms, "t.term = ? AND ", "t.reserved_at", "t.certificate", " FROM terms t"}
	walkRevoked     = walk{5, fromRevocations, "v.kind = 0 AND ", "v.reserved_at", "v.certificate", " FROM revocations v"}
)

// filters is what a row must meet beyond the walk. It is the same for every query, and nothing in it can
// be looked up in an index: the walk has chosen the one to use.
const filters = ` AND c.issuer = COALESCE(NULLIF(?, ''), c.issuer) AND c.provisioner = COALESCE(NULLIF(?, ''), c.provisioner)
	AND c.profile = COALESCE(NULLIF(?, ''), c.profile) AND c.subject = COALESCE(NULLIF(?, ''), c.subject)
	AND c.key_id = COALESCE(NULLIF(?, ''), c.key_id) AND c.entity = COALESCE(NULLIF(?, ''), c.entity)
	AND c.status + 0 >= ? AND c.status + 0 <= ?
	AND CASE WHEN v.certificate IS NULL THEN 0 ELSE 1 END >= ? AND CASE WHEN v.certificate IS NULL THEN 0 ELSE 1 END <= ?
	AND c.reserved_at + 0 >= ? AND c.reserved_at + 0 < ? AND c.not_before + 0 >= ? AND c.not_before + 0 < ?
	AND c.not_after + 0 >= ? AND c.not_after + 0 < ?`

func filterArgs(q *authority.Query) []any {
	status, most := int64(0), int64(len(statusOf)-1)
	if q.Status != "" {
		status = statusCode(q.Status)
		most = status
	}
	isRevoked, atMost := int64(0), int64(1)
	if q.Revoked != nil {
		isRevoked = flag(*q.Revoked)
		atMost = isRevoked
	}
	args := []any{q.Issuer, q.Provisioner, q.Profile, q.Subject, q.KeyID, q.Entity, status, most, isRevoked, atMost}
	for _, r := range [...][2]time.Time{{q.KnownFrom, q.KnownUntil}, {q.NotBeforeFrom, q.NotBeforeUntil}, {q.NotAfterFrom, q.NotAfterUntil}} {
		from, until := bounds(r[0], r[1])
		args = append(args, from, until)
	}
	return args
}

// bounds returns a range of microseconds: from inclusive, until exclusive, zero without end.
func bounds(from, until time.Time) (int64, int64) {
	a, b := int64(math.MinInt64), int64(math.MaxInt64)
	if !from.IsZero() {
		a = ceilMicro(from)
	}
	if !until.IsZero() {
		b = ceilMicro(until)
	}
	return a, b
}

// ceilMicro rounds up, so that comparing with whole microseconds says the same.
func ceilMicro(t time.Time) int64 {
	n := t.UnixMicro()
	if t.Nanosecond()%1000 != 0 {
		n++
	}
	return n
}

// walkOf chooses the walk, its argument, and the part of its order that the query asks for: both places
// are outside of it.
func walkOf(q *authority.Query) (w walk, args []any, after, before place) {
	from, until := bounds(q.KnownFrom, q.KnownUntil)
	switch {
	case q.ByEnd():
		w = walkEnds
		from, until = bounds(q.NotAfterFrom, q.NotAfterUntil)
	case q.KeyID != "":
		w, args = walkTerm, []any{term(q.KeyID)}
	case q.Name != "":
		w, args = walkTerm, []any{term(q.Name)}
	case q.Entity != "":
		w, args = walkTerm, []any{term(q.Entity)}
	case q.Subject != "":
		w, args = walkTerm, []any{term(q.Subject)}
	case q.Revoked != nil && *q.Revoked:
		w = walkRevoked
	case q.Provisioner != "":
		w, args = walkProvisioner, []any{q.Provisioner}
	case q.Issuer != "":
		w, args = walkIssuer, []any{q.Issuer}
	default:
		w = walkAll
	}
	return w, args, place{from, 0}, place{until, 0} // ids begin at 1
}

// order returns the walk's order, from one place to another, both outside of it.
func (w *walk) order(desc bool) (between, by string) {
	between = "(" + w.key + ", " + w.row + ") > (?, ?) AND (" + w.key + ", " + w.row + ") < (?, ?)"
	if desc {
		return between, " ORDER BY " + w.key + " DESC, " + w.row + " DESC LIMIT ?"
	}
	return between, " ORDER BY " + w.key + ", " + w.row + " LIMIT ?"
}

// ahead returns the statement for the row at which a page stops looking: only, after, before, 1, offset.
func (w *walk) ahead(desc bool) string {
	between, by := w.order(desc)
	return "SELECT " + w.key + ", " + w.row + w.tree + " WHERE " + w.only + between + by + " OFFSET ?"
}

// list returns the statement for the records: only, after, before, filterArgs, limit.
func (w *walk) list(desc bool) string {
	between, by := w.order(desc)
	return recordColumns + w.from + " WHERE " + w.only + between + filters + by
}
