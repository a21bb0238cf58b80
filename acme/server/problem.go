package server

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/authority"
)

// problem makes a problem document; status 0 is the type's.
func problem(t acme.ProblemType, status int, format string, args ...any) *acme.Problem {
	return &acme.Problem{Type: t, Status: status, Detail: fmt.Sprintf(format, args...)}
}

// kinds is the one table from what an authority says to what an ACME client is told.
var kinds = map[authority.Kind]acme.Problem{
	authority.BadRequest:      {Type: acme.Malformed},
	authority.Unauthenticated: {Type: acme.Unauthorized, Detail: "the authority does not accept the order"},
	authority.Denied:          {Type: acme.RejectedIdentifier},
	authority.NotFound:        {Type: acme.Malformed, Status: http.StatusNotFound},
	authority.Conflict:        {Type: acme.Malformed, Status: http.StatusConflict},
	authority.Unsupported:     {Type: acme.Malformed, Status: http.StatusNotImplemented},
	authority.Unavailable:     {Type: acme.ServerInternal, Status: http.StatusServiceUnavailable, Detail: "try again later", RetryAfter: 5 * time.Second},
	authority.Internal:        {Type: acme.ServerInternal, Detail: "a fault of this side"},
}

// problemOf makes a problem of any error. What it does not know says nothing.
func problemOf(err error) *acme.Problem {
	if p, ok := errors.AsType[*acme.Problem](err); ok {
		return p
	}
	if l, ok := errors.AsType[*acme.LimitError](err); ok {
		wait := time.Minute
		if !l.Tally.Until.IsZero() {
			wait = max(time.Second, time.Until(l.Tally.Until))
		}
		return &acme.Problem{Type: acme.RateLimited, Detail: "too many " + l.Tally.What, RetryAfter: wait, Cause: err}
	}
	if errors.Is(err, acme.ErrNotFound) {
		return problem(acme.Malformed, http.StatusNotFound, "there is no such resource")
	}
	if e, ok := errors.AsType[*authority.Error](err); ok {
		p := kinds[e.Kind]
		if p.Type == "" {
			p = kinds[authority.Internal]
		}
		if p.Detail == "" {
			p.Detail = e.Reason
		}
		p.Cause = err
		return &p
	}
	if errors.Is(err, authority.ErrUnavailable) {
		p := kinds[authority.Unavailable]
		p.Cause = err
		return &p
	}
	if errors.Is(err, acme.ErrConflict) {
		return &acme.Problem{Type: acme.ServerInternal, Status: http.StatusServiceUnavailable, Detail: "somebody else changed it at the same time", RetryAfter: time.Second, Cause: err}
	}
	return &acme.Problem{Type: acme.ServerInternal, Detail: "a fault of this side", Cause: err}
}
