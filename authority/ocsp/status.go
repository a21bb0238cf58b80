package ocsp

import (
	"context"
	"errors"

	"github.com/chancery-ca/chancery/authority"
)

// Status is an OCSPResponseStatus that is no success (RFC 6960, section 4.2.1), and an error.
type Status int

// The statuses that a responder answers with.
const (
	MalformedRequest Status = 1
	InternalError    Status = 2
	TryLater         Status = 3
	Unauthorized     Status = 6
)

func (s Status) Error() string {
	switch s {
	case MalformedRequest:
		return "ocsp: malformed request"
	case TryLater:
		return "ocsp: try later"
	case Unauthorized:
		return "ocsp: unauthorized"
	}
	return "ocsp: internal error"
}

// der returns the OCSPResponse that says only this.
func (s Status) der() []byte { return []byte{0x30, 3, 0x0a, 1, byte(s)} }

// statusOf says to a client what went wrong here.
func statusOf(err error) Status {
	if s, ok := errors.AsType[Status](err); ok {
		return s
	}
	if errors.Is(err, authority.Unavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return TryLater
	}
	return InternalError
}
