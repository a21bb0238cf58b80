package authority

import (
	"context"
	"time"

	"github.com/chancery-ca/chancery/provisioner"
)

// RevokeAllRequest asks for the end of many certificates. Only this program itself can ask.
type RevokeAllRequest struct {
	// Query chooses them: by key, provisioner, entity, time and so on. Status and Revoked are ignored:
	// what is issued or about to be, and has not ended, is revoked, holds included unless ReasonCode is
	// one. A query that chooses everything is refused; say an Issuer at least.
	Query Query

	ReasonCode int // RFC 5280, section 5.3.1
	Reason     string
	By         string // who asked the program, for the records
	RequestID  string

	// DryRun counts, and revokes nothing.
	DryRun bool
}

// RevokedAll counts what a RevokeAllRequest met.
type RevokedAll struct {
	Matched int // that the query chose and that can be revoked
	Revoked int // 0 in a dry run
}

// RevokeAll revokes each certificate that the query chooses, in a transaction and with an event of its own.
// It goes on until all are done or something fails; then the counts say how far it got, and doing it again
// goes on from there. Whatever the chosen ones are renewed into meanwhile is chosen only if it is in the
// list by then, so ask again until nothing matches.
func (a *Authority) RevokeAll(ctx context.Context, r *RevokeAllRequest) (RevokedAll, error) {
	var done RevokedAll
	s, err := a.begin()
	if err != nil {
		return done, err
	}
	if err := checkReason(r.ReasonCode); err != nil {
		return done, err
	}
	q := r.Query
	q.Status, q.Revoked, q.Cursor, q.Limit, q.NewestFirst = "", nil, "", slice, false
	if choosesAll(q) {
		return done, refuse(BadRequest, StepDecide, "query", "the query chooses every certificate there is")
	}
	for {
		page, err := a.store.List(ctx, q)
		if err != nil {
			return done, fault(StepDecide, "looking up certificates", err)
		}
		for _, record := range page.Records {
			if !a.ends(s, record, r.ReasonCode) {
				continue
			}
			done.Matched++
			if r.DryRun {
				continue
			}
			v := &Revocation{Serial: record.Serial, ReasonCode: r.ReasonCode, Reason: r.Reason, RevokedAt: time.Now(), By: r.By}
			switch err := a.end(ctx, s, v, record, nil, provisioner.Spend{}, r.RequestID, unwatched{}); {
			case err == nil:
				done.Revoked++
			case err.Kind != Conflict: // which is somebody else's having revoked it
				return done, err
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return done, nil
		}
	}
}

// ends reports whether there is something to be ended.
func (a *Authority) ends(s *snapshot, r *Record, reason int) bool {
	revoked := r.Revocation != nil && (!r.Revocation.Hold() || reason == ReasonCertificateHold)
	return r.Status != Abandoned && !revoked && r.NotAfter.After(time.Now()) && s.owns(r)
}

func choosesAll(q Query) bool {
	for _, t := range []*time.Time{&q.KnownFrom, &q.KnownUntil, &q.NotBeforeFrom, &q.NotBeforeUntil, &q.NotAfterFrom, &q.NotAfterUntil} {
		if t.IsZero() { // in whatever zone
			*t = time.Time{}
		}
	}
	q.Limit = 0
	return q == Query{}
}
