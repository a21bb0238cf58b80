package authority

import (
	"context"
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

// tell publishes events that belong to no transaction, and puts them in the outbox if anybody reads it.
func (a *Authority) tell(ctx context.Context, s *snapshot, posts ...Post) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settling)
	defer cancel()
	if len(s.durable) > 0 {
		if err := a.store.Post(ctx, posts); err != nil {
			s.log().WarnContext(ctx, "event not recorded", "error", err)
		}
	}
	a.publish(ctx, s, posts...)
}
