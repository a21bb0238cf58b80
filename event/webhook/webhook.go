package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/event"
)

// Sink posts events. Make it with New. It is safe for concurrent use.
type Sink struct {
	private   func() (url string, headers http.Header) // a function, so that printing s shows neither
	host      string
	mode      Mode
	secrets   []Secret
	client    *http.Client
	own       bool // client is the sink's
	timeout   time.Duration
	permanent func(int) bool
}

// New returns a sink. It connects to nothing yet. The error names every fault of c.
func New(c Config) (*Sink, error) {
	u, err := c.check()
	if err != nil {
		return nil, err
	}
	to, headers := u.String(), c.Headers.Clone()
	s := &Sink{
		private: func() (string, http.Header) { return to, headers },
		host:    u.Host, mode: c.Mode, secrets: slices.Clone(c.Secrets),
		client: c.client(), own: c.Client == nil, timeout: c.Timeout, permanent: c.Permanent,
	}
	if s.timeout <= 0 {
		s.timeout = defaultTimeout
	}
	if s.permanent == nil {
		s.permanent = func(status int) bool {
			return status == http.StatusRequestEntityTooLarge || status == http.StatusUnprocessableEntity
		}
	}
	return s, nil
}

// Close closes idle connections of the sink's own client. The sink can still be used.
func (s *Sink) Close() error {
	if s.own {
		s.client.CloseIdleConnections()
	}
	return nil
}

// String names the host that s posts to, and nothing secret.
func (s *Sink) String() string { return "webhook to " + s.host }

// Format implements fmt.Formatter: as String, whatever the verb.
func (s *Sink) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// StatusError is an answer that is not 2xx.
type StatusError struct{ Status int }

func (e *StatusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("webhook: the answer was %d %s", e.Status, http.StatusText(e.Status)))
}

// Publish posts e once. Nil means that the receiver answered 2xx. Errors hold neither the body of the answer
// nor more of the URL than its host; one of an answer is a *[StatusError], and event.Permanent or
// event.Later where the package comment says so.
func (s *Sink) Publish(ctx context.Context, e event.Event) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	req, err := s.request(ctx, e)
	if err != nil {
		return event.Permanent(err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		var u *url.Error // says the whole URL
		for errors.As(err, &u) {
			err = u.Err
		}
		return &postError{s.host, err}
	}
	// Read, so that the connection can be used again; what has no end is cut off.
	io.CopyN(io.Discard, resp.Body, maxAnswer)
	resp.Body.Close()
	return s.verdict(resp, time.Now())
}

func (s *Sink) verdict(resp *http.Response, now time.Time) error {
	if resp.StatusCode/100 == 2 {
		return nil
	}
	err := error(&StatusError{resp.StatusCode})
	switch {
	case s.permanent(resp.StatusCode):
		return event.Permanent(err)
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable:
		if wait, ok := retryAfter(resp.Header.Get("Retry-After"), now); ok {
			return event.Later(err, wait)
		}
	}
	return err
}

// postError is a request without an answer. Its text is bounded, as net/http quotes what it cannot parse.
type postError struct {
	host string
	err  error
}

const maxText = 200 // bytes

func (e *postError) Error() string {
	text := e.err.Error()
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	return "webhook: posting to " + e.host + ": " + text
}

func (e *postError) Unwrap() error { return e.err }
