package authority

import (
	"context"
	"fmt"
	"time"

	"github.com/chancery-ca/chancery/event"
)

const (
	issuerNotice = 30 * 24 * time.Hour // the default of Config.IssuerNotice
	issuerEvery  = 24 * time.Hour
	overlap      = time.Hour // how far a store that has no mark is looked back
)

// notice announces what is about to end. How far each announcement got is a mark in the store, so that none
// is missed however long nobody looked. What a crash repeats has the same ID.
func (a *Authority) notice(ctx context.Context) {
	s := a.snapshot.Load()
	now := time.Now()
	a.noticeIssuers(ctx, s, now)
	if len(s.ExpiryNotices) == 0 {
		return
	}
	for _, lead := range s.ExpiryNotices {
		a.noticeCertificates(ctx, s, event.CertificateExpiring, lead, now)
	}
	a.noticeCertificates(ctx, s, event.CertificateExpired, 0, now)
}

func (a *Authority) noticeIssuers(ctx context.Context, s *snapshot, now time.Time) {
	mark := "notice/" + s.Name + "/issuers"
	last, err := a.store.Mark(ctx, mark)
	if err != nil || now.Sub(last) < issuerEvery && now.After(last) {
		return
	}
	early := s.IssuerNotice
	if early <= 0 {
		early = issuerNotice
	}
	var posts []Post
	tell := func(name, subject string, end time.Time) {
		if end.Sub(now) >= early {
			return
		}
		s.log().WarnContext(ctx, "issuer is about to expire", "issuer", name, "notAfter", end)
		posts = append(posts, a.post(s, event.IssuerExpiring, name, event.Issuer{Name: name, Subject: subject, NotAfter: end}))
	}
	for _, i := range s.issuers {
		if i.State != Retired {
			tell(i.Name, i.cert.Subject.String(), i.notAfter)
		}
	}
	for _, r := range s.Roots {
		tell("root", r.Subject.String(), r.NotAfter)
	}
	if a.tell(ctx, s, posts...) {
		a.remember(ctx, s, mark, now)
	}
}

// noticeCertificates announces the certificates that came to be within lead of their end since the mark.
func (a *Authority) noticeCertificates(ctx context.Context, s *snapshot, what event.Type, lead time.Duration, now time.Time) {
	mark := fmt.Sprintf("notice/%s/%s/%s", s.Name, what, lead)
	from, err := a.store.Mark(ctx, mark)
	if err != nil {
		s.log().ErrorContext(ctx, "ends of certificates not looked up", "error", err)
		return
	}
	if from.IsZero() {
		from = a.started.Add(-overlap)
	}
	for cursor := ""; ; {
		page, err := a.store.Ending(ctx, from.Add(lead), now.Add(lead), cursor, slice)
		if err != nil {
			s.log().ErrorContext(ctx, "ends of certificates not looked up", "error", err)
			return
		}
		var posts []Post
		for _, r := range page.Records {
			p := a.post(s, what, string(r.Serial), certificateData(r, r.Subject))
			p.Event.ID = string(r.Serial) + "-expired" // the same whoever announces it
			if lead > 0 {
				p.Event.ID = fmt.Sprintf("%s-expiring-%d", r.Serial, lead/time.Second)
			}
			posts = append(posts, p)
		}
		if !a.tell(ctx, s, posts...) {
			return
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	a.remember(ctx, s, mark, now)
}

func (a *Authority) remember(ctx context.Context, s *snapshot, mark string, at time.Time) {
	if err := a.store.SetMark(ctx, mark, at); err != nil {
		s.log().WarnContext(ctx, "announcements will be repeated", "error", err)
	}
}
