package provisioner

import (
	"fmt"
	"strings"
)

// Kind sorts refusals. Each kind is an error, so errors.Is(err, provisioner.Unauthenticated) works.
type Kind string

// The kinds of refusal.
const (
	Unauthenticated Kind = "unauthenticated" // the credential itself is bad, spent, expired or not ours
	NotAllowed      Kind = "not allowed"     // the credential is good; what it asks for is not granted
	BadRequest      Kind = "bad request"     // the request makes no sense for this credential
	Unavailable     Kind = "unavailable"     // the judge cannot judge now; trying again may help
)

func (k Kind) Error() string { return string(k) }

// A Refusal says no, of which kind, and why. Reason is for logs and, when the kind is NotAllowed or
// BadRequest, for the caller; it holds no token, key or CSR bytes.
type Refusal struct {
	Kind   Kind
	Code   string // stable, for events and metrics: "expired", "audience", "name", …
	Reason string
	Err    error // the cause, if any
}

// Refuse makes a Refusal with a formatted reason.
func Refuse(k Kind, code, format string, args ...any) *Refusal {
	return &Refusal{Kind: k, Code: code, Reason: Shorten(fmt.Sprintf(format, args...))}
}

// maxReason is enough for a sentence with the longest name that there is.
const maxReason = 500

// Shorten cuts a reason that a caller could have made long, and makes it valid UTF-8.
func Shorten(reason string) string {
	if len(reason) > maxReason {
		reason = reason[:maxReason] + "…"
	}
	return strings.ToValidUTF8(reason, "�")
}

func (r *Refusal) Error() string {
	if r.Err != nil {
		return fmt.Sprintf("provisioner: %s: %s: %v", r.Kind, r.Reason, r.Err)
	}
	return fmt.Sprintf("provisioner: %s: %s", r.Kind, r.Reason)
}

// Unwrap makes both the kind and the cause visible to errors.Is.
func (r *Refusal) Unwrap() []error {
	if r.Err != nil {
		return []error{r.Kind, r.Err}
	}
	return []error{r.Kind}
}
