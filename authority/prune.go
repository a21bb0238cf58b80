package authority

import (
	"context"
	"time"
)

// givenUp is how long a CRL must have lapsed before records are no longer kept for the next one.
const givenUp = 30 * 24 * time.Hour

// prune forgets in slices, so that issuing goes on between them.
func (a *Authority) prune(ctx context.Context) {
	s := a.snapshot.Load()
	now := time.Now()
	keep := s.EventRetention
	if keep <= 0 {
		keep = 30 * 24 * time.Hour
	}
	p := Prune{Now: now.Add(-spentMargin), Events: now.Add(-keep), Sinks: s.durable, Mandatory: s.mandatory, Limit: slice}
	if s.Retention > 0 {
		before, err := a.endedBefore(ctx, s, now.Add(-s.Retention))
		if err != nil {
			s.log().ErrorContext(ctx, "store not pruned", "error", err)
			return
		}
		p.Certificates = before
	}
	for ctx.Err() == nil {
		done, err := a.store.Prune(ctx, p)
		if err != nil {
			s.log().ErrorContext(ctx, "store not pruned", "error", err)
			return
		}
		if !done.More {
			return
		}
	}
}

// endedBefore moves a moment back as far as CRLs need records: an entry leaves a CRL when it was on one that
// was made after its certificate's end (RFC 5280, section 3.3).
func (a *Authority) endedBefore(ctx context.Context, s *snapshot, t time.Time) (time.Time, error) {
	for _, i := range s.issuers {
		if i.State == Retired {
			continue
		}
		all, err := a.store.CRLs(ctx, i.Name)
		if err != nil {
			return t, err
		}
		for _, c := range all {
			given := time.Since(c.NextUpdate) > givenUp // nobody makes it any more
			if !c.Delta && !given && c.ThisUpdate.Before(t) {
				t = c.ThisUpdate
			}
		}
	}
	return t, nil
}
