package event

import (
	"context"
	"encoding/json"
	"time"
)

// Event is something that happened in an authority. The envelope is that of CloudEvents 1.0.
type Event struct {
	ID      string    // unique: the idempotency key of whoever receives it
	Type    Type      // what happened
	Source  string    // the authority, a URI reference
	Subject string    // what it happened to: a certificate's serial, an issuer, a token's subject
	Time    time.Time // when
	Data    Data      // one of the structs of this package, as a value
}

// Data is what an event says beyond its envelope: one of the structs of this package, each of which
// belongs to one or more types. It never holds a token, a secret or a CSR.
type Data interface{ data() }

// Type names what happened, in the past tense. The string is what CloudEvents carries.
type Type string

// A Sink is told of events. Publish returns an error when the event may not have arrived; a sink that
// reads from the outbox is then told again, so it must expect repeats of an ID. It must be safe for
// concurrent use.
type Sink interface {
	Publish(ctx context.Context, e Event) error
}

// SinkFunc makes a Sink of a function.
type SinkFunc func(ctx context.Context, e Event) error

// Publish calls f.
func (f SinkFunc) Publish(ctx context.Context, e Event) error { return f(ctx, e) }

// cloudEvent is the JSON event format of CloudEvents 1.0, section 3.
type cloudEvent struct {
	SpecVersion     string          `json:"specversion"`
	ID              string          `json:"id"`
	Source          string          `json:"source"`
	Type            Type            `json:"type"`
	Subject         string          `json:"subject,omitempty"`
	Time            time.Time       `json:"time"`
	DataContentType string          `json:"datacontenttype,omitempty"`
	Data            json.RawMessage `json:"data,omitempty"`
}

// MarshalJSON renders e in the structured JSON format of CloudEvents 1.0.
func (e Event) MarshalJSON() ([]byte, error) {
	c := cloudEvent{SpecVersion: "1.0", ID: e.ID, Source: e.Source, Type: e.Type, Subject: e.Subject, Time: e.Time.UTC()}
	if e.Data != nil {
		b, err := json.Marshal(e.Data)
		if err != nil {
			return nil, err
		}
		c.DataContentType, c.Data = "application/json", b
	}
	return json.Marshal(c)
}
