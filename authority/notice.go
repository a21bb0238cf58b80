package authority

import (
	"context"
	"time"

	"github.com/chancery-ca/chancery/event"
)

// Issuers are announced this long before they end, once a day.
const issuerNotice = 30 * 24 * time.Hour

// overlap is how far before its own start Run looks for ends that nobody may have announced. What an
// earlier process announced already is announced again, under the same ID.
const overlap = time.Hour

func (a *Authority) noticeIssuers(ctx context.Context) {
	s := a.snapshot.Load()
	for _, i := range s.issuers {
		if left := time.Until(i.notAfter); i.State != Retired && left < issuerNotice {
			s.log().WarnContext(ctx, "issuer is about to expire", "issuer", i.Name, "notAfter", i.notAfter)
			a.tell(ctx, s, a.post(s, event.IssuerExpiring, i.Name, event.Issuer{Name: i.Name, Subject: i.cert.Subject.String(), NotAfter: i.notAfter}))
		}
	}
}

// noticeCertificates announces the certificates whose notice or end came after from and not after to.
// It returns where the next call has to begin: to, or from again when the store did not answer.
func (a *Authority) noticeCertificates(ctx context.Context, from, to time.Time) time.Time {
	s := a.snapshot.Load()
	if s.ExpiryNotice <= 0 {
		return to
	}
	for _, n := range []struct {
		what event.Type
		lead time.Duration
	}{{event.CertificateExpiring, s.ExpiryNotice}, {event.CertificateExpired, 0}} {
		for cursor := ""; ; {
			page, err := a.store.Ending(ctx, from.Add(n.lead), to.Add(n.lead), cursor, slice)
			if err != nil {
				s.log().ErrorContext(ctx, "ends of certificates not looked up", "error", err)
				return from
			}
			var posts []Post
			for _, r := range page.Records {
				p := a.post(s, n.what, string(r.Serial), certificateData(r, r.Subject))
				p.Event.ID = string(r.Serial) + "." + string(n.what) // the same whoever announces it
				posts = append(posts, p)
			}
			if !a.tell(ctx, s, posts...) {
				return from
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
	}
	return to
}
