package authority

import (
	"context"
	"time"

	"github.com/chancery-ca/chancery/event"
)

// ReleaseRequest asks for the end of a hold. Only this program itself can ask.
type ReleaseRequest struct {
	Serial    Serial
	Reason    string
	By        string // who asked the program, for the event
	RequestID string
}

// Release ends a hold: the certificate is good again. A serial that is not on hold is a [Conflict], one
// without record [NotFound].
func (a *Authority) Release(ctx context.Context, r *ReleaseRequest) error {
	s, err := a.begin()
	if err != nil {
		return err
	}
	record, err := a.store.Certificate(ctx, r.Serial)
	switch {
	case err != nil:
		return fault(StepDecide, "looking up the certificate", err)
	case !s.owns(record):
		return refuse(NotFound, StepDecide, "serial", "there is no certificate with serial %s", r.Serial.Decimal())
	case !record.Revocation.Hold():
		return refuse(Conflict, StepDecide, "not-on-hold", "the certificate is not on hold")
	}
	now := time.Now()
	v := &Revocation{Serial: r.Serial, ReasonCode: ReasonRemoveFromCRL, Reason: r.Reason, RevokedAt: now, By: r.By}
	posts := []Post{a.post(s, event.CertificateReleased, string(r.Serial), revocationData(v, record, r.RequestID))}
	if err := a.store.Release(ctx, r.Serial, now, posts); err != nil {
		return fault(StepCommit, "the certificate is not released", err)
	}
	a.publish(ctx, s, posts...)
	return nil
}
