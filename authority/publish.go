package authority

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/chancery-ca/chancery/event"
)

// post makes an event, addressed to every sink that must not miss one.
func (a *Authority) post(s *snapshot, t event.Type, subject string, data event.Data) Post {
	return Post{
		Event: event.Event{ID: event.NewID(), Type: t, Source: s.Name, Subject: subject, Time: time.Now(), Data: data},
		To:    s.durable,
	}
}

// publish tells the sinks in this process, after the fact. Whatever they do undoes nothing.
func (a *Authority) publish(ctx context.Context, s *snapshot, posts ...Post) {
	for _, p := range posts {
		for _, sink := range s.Sinks {
			if err := event.Publish(ctx, sink, p.Event); err != nil {
				s.log().WarnContext(ctx, "event sink failed", "event", p.Event.ID, "type", p.Event.Type, "error", err)
			}
		}
	}
}

// telling bounds how long events that belong to no transaction may hold up an answer.
const telling = 5 * time.Second

// tell publishes events that belong to no transaction, and puts them in the outbox if anybody reads it.
// It reports whether nothing was lost.
func (a *Authority) tell(ctx context.Context, s *snapshot, posts ...Post) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), telling)
	defer cancel()
	if len(s.durable) > 0 && len(posts) > 0 {
		if err := a.store.Post(ctx, posts); err != nil {
			s.log().WarnContext(ctx, "event not recorded", "error", err)
			return false
		}
	}
	a.publish(ctx, s, posts...)
	return true
}

// Tell publishes an event about something that a provisioner's protocol knows of and the pipeline does not. It
// waits for no sink that reads from the outbox. Errors are logged: what has happened has happened.
func (a *Authority) Tell(ctx context.Context, t event.Type, subject string, data event.Data) {
	s := a.snapshot.Load()
	a.tell(ctx, s, a.post(s, t, subject, data))
}

// Mention tells the sinks in this process of something that anybody can cause. Those that read from an outbox
// are not told: otherwise whoever can reach us could fill the disk.
func (a *Authority) Mention(ctx context.Context, t event.Type, subject string, data event.Data) {
	s := a.snapshot.Load()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), telling)
	defer cancel()
	a.publish(ctx, s, a.post(s, t, subject, data))
}

// tellRefusal tells of a request that was refused. Those without a credential that anybody accepted cost
// no row in the outbox: otherwise whoever can reach us could fill the disk.
func (a *Authority) tellRefusal(ctx context.Context, s *snapshot, e *Error, p Post) {
	if e.Step != StepAuthenticate {
		a.tell(ctx, s, p)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), telling)
	defer cancel()
	a.publish(ctx, s, p)
}

func crlData(c *CRL) event.CRL {
	sum := sha256.Sum256(c.DER)
	d := event.CRL{
		Issuer: c.Issuer, Number: strconv.FormatInt(c.Number, 10), Shard: c.Shard, Delta: c.Delta, ThisUpdate: c.ThisUpdate,
		NextUpdate: c.NextUpdate, Entries: c.Entries, Fingerprint: hex.EncodeToString(sum[:]),
	}
	if c.Delta {
		d.Base = strconv.FormatInt(c.Base, 10)
	}
	return d
}
