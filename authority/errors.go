package authority

import (
	"errors"
	"fmt"

	"github.com/chancery-ca/chancery/provisioner"
)

// Kind sorts what went wrong by what a caller can do about it. Each kind is an error, so
// errors.Is(err, authority.Denied) works on whatever the authority returns.
type Kind string

// The kinds of errors. Statuses and problem types are derived from them at the edges, in one table each.
const (
	BadRequest      Kind = "bad request"     // the request makes no sense; change it
	Unauthenticated Kind = "unauthenticated" // the credential is not accepted
	Denied          Kind = "denied"          // who asks is known, and may not have this
	NotFound        Kind = "not found"       // there is no such thing
	Conflict        Kind = "conflict"        // the thing is in a state that forbids it
	Unsupported     Kind = "unsupported"     // this authority was not built to do it
	Unavailable     Kind = "unavailable"     // try the same again later
	Internal        Kind = "internal"        // a fault of ours
)

func (k Kind) Error() string { return "authority: " + string(k) }

// Kinds lists every kind, for the tables at the edges.
func Kinds() []Kind {
	return []Kind{BadRequest, Unauthenticated, Denied, NotFound, Conflict, Unsupported, Unavailable, Internal}
}

// Error is what every method of an Authority returns when it fails.
type Error struct {
	Kind   Kind
	Step   Step   // of the pipeline; empty outside it
	Code   string // stable and machine-readable: "expired", "policy-dns", "rsa-too-short", …
	Reason string // one sentence without secrets; shown to callers unless Kind is Unauthenticated or Internal
	Err    error
}

func (e *Error) Error() string {
	s := "authority: "
	if e.Step != "" {
		s += string(e.Step) + ": "
	}
	s += e.Reason
	if e.Err != nil && e.Err.Error() != e.Reason {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap makes kind and cause visible to errors.Is and errors.As.
func (e *Error) Unwrap() []error {
	if e.Err != nil {
		return []error{e.Kind, e.Err}
	}
	return []error{e.Kind}
}

// KindOf returns the kind of err: Internal for an error that has none, and no kind for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

func refuse(k Kind, step Step, code, format string, args ...any) *Error {
	return &Error{Kind: k, Step: step, Code: code, Reason: provisioner.Shorten(fmt.Sprintf(format, args...))}
}

// fault wraps an error of a part that the authority was given.
func fault(step Step, what string, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	e := &Error{Kind: Internal, Step: step, Code: "internal", Reason: what, Err: err}
	switch {
	case errors.Is(err, ErrSpent):
		e.Kind, e.Code, e.Reason = Unauthenticated, "spent", "the credential was used before"
	case errors.Is(err, ErrNotFound):
		e.Kind, e.Code = NotFound, "not-found"
	case errors.Is(err, ErrCursor):
		e.Kind, e.Code = BadRequest, "cursor"
	case errors.Is(err, ErrRevoked), errors.Is(err, ErrExists), errors.Is(err, ErrState):
		e.Kind, e.Code = Conflict, "conflict"
	case isRetryable(err):
		e.Kind, e.Code = Unavailable, "unavailable"
	}
	return e
}

var kindOfRefusal = map[provisioner.Kind]Kind{
	provisioner.Unauthenticated: Unauthenticated,
	provisioner.NotAllowed:      Denied,
	provisioner.BadRequest:      BadRequest,
	provisioner.Unavailable:     Unavailable,
}

// refusedBy turns what a provisioner returned into an Error. An error that is no refusal does not tell
// yes from no, so it is no.
func refusedBy(err error) *Error {
	r, ok := errors.AsType[*provisioner.Refusal](err)
	if !ok {
		return fault(StepAuthenticate, "the provisioner failed", err)
	}
	k, ok := kindOfRefusal[r.Kind]
	if !ok {
		k = Unauthenticated
	}
	return &Error{Kind: k, Step: StepAuthenticate, Code: r.Code, Reason: r.Reason, Err: r.Err}
}
