package natssink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/chancery-ca/chancery/event"
)

// Config says where events go.
type Config struct {
	JetStream jetstream.JetStream // required; never closed

	// Prefix begins every subject, as tokens: with "ca.prod" an issued certificate is told on
	// "ca.prod.io.chancery.certificate.issued". Empty is the type alone.
	Prefix string
	// Subject makes the subject of an event after Prefix, instead of its type. What it returns must be
	// tokens that are no wildcards, or the event is never acceptable: see [Token] for text from outside.
	Subject func(e event.Event) string
	// Stream is the name of the stream that must have stored the event. Empty is any that listens.
	Stream string

	Timeout time.Duration // for one acknowledgement; default 10s
}

// Sink publishes events. Make it with New. It is safe for concurrent use.
type Sink struct {
	js      jetstream.JetStream
	prefix  string
	subject func(event.Event) string
	options []jetstream.PublishOpt
	timeout time.Duration
}

const (
	defaultTimeout = 10 * time.Second
	maxSubject     = 1024 // bytes
	maxID          = 256
)

// ErrNotConnected is the state of the connection. It is tried again, as all is that is not the event's
// fault.
var ErrNotConnected = errors.New("natssink: not connected")

// New returns a sink. It does not look at the server. The error names every fault of c.
func New(c Config) (*Sink, error) {
	var faults []error
	if c.JetStream == nil {
		faults = append(faults, errors.New("natssink: no JetStream"))
	}
	if c.Prefix != "" && !isSubject(c.Prefix) {
		faults = append(faults, fmt.Errorf("natssink: Prefix %q is not made of tokens", c.Prefix))
	}
	if c.Stream != "" && (!isSubject(c.Stream) || strings.Contains(c.Stream, ".")) {
		faults = append(faults, fmt.Errorf("natssink: Stream %q is not a name", c.Stream))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	s := &Sink{js: c.JetStream, subject: c.Subject, timeout: c.Timeout}
	if c.Prefix != "" {
		s.prefix = c.Prefix + "."
	}
	if s.subject == nil {
		s.subject = func(e event.Event) string { return string(e.Type) }
	}
	if c.Stream != "" {
		s.options = append(s.options, jetstream.WithExpectStream(c.Stream))
	}
	if s.timeout <= 0 {
		s.timeout = defaultTimeout
	}
	return s, nil
}

// Publish stores e in the stream and waits for the acknowledgement. Events larger than the server or the
// stream takes are never acceptable (event.Permanent). That no stream listens is an error that is tried
// again, jetstream.ErrNoStreamResponse.
func (s *Sink) Publish(ctx context.Context, e event.Event) error {
	m, err := s.message(e)
	if err != nil {
		return event.Permanent(err)
	}
	// While it reconnects, a connection keeps messages to send them some day: long after they were given
	// up here, and perhaps repeated.
	if c := s.js.Conn(); c != nil && !c.IsConnected() {
		return ErrNotConnected
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err = s.js.PublishMsg(ctx, m, append([]jetstream.PublishOpt{jetstream.WithMsgID(e.ID)}, s.options...)...)
	if err == nil {
		return nil
	}
	var api *jetstream.APIError
	tooLarge := errors.Is(err, nats.ErrMaxPayload) || errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamMessageExceedsMaximum
	err = fmt.Errorf("natssink: publishing on %s: %w", m.Subject, err)
	if tooLarge {
		return event.Permanent(err)
	}
	return err
}

// message renders e. Its errors are the event's fault.
func (s *Sink) message(e event.Event) (*nats.Msg, error) {
	if e.ID == "" || len(e.ID) > maxID || strings.ContainsFunc(e.ID, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, errors.New("natssink: the event's ID is not one of 1 to 256 visible ASCII characters")
	}
	m := nats.NewMsg(s.prefix + s.subject(e))
	if !isSubject(m.Subject) {
		return nil, fmt.Errorf("natssink: the subject %.100q is not made of tokens", m.Subject)
	}
	b, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("natssink: %w", err)
	}
	// CloudEvents NATS protocol binding, section 3.2: structured mode.
	m.Header.Set("Content-Type", "application/cloudevents+json; charset=utf-8")
	m.Data = b
	return m, nil
}
