package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

// answers says for each kind of error which status it has, what the client is told, and whether the
// error's reason is added. Clients act on the status alone.
var answers = map[authority.Kind]struct {
	status int
	text   string
	reason bool
}{
	authority.BadRequest:      {http.StatusBadRequest, "the request could not be completed", true},
	authority.Unauthenticated: {http.StatusUnauthorized, "the certificate authority did not accept the credential; its log says why", false},
	authority.Denied:          {http.StatusForbidden, "the certificate authority refused the request", true},
	authority.NotFound:        {http.StatusNotFound, "there is no such thing here", true},
	// 409 would say more, but step-ca answers 400 when a certificate is revoked already, its only
	// conflict, and that is what clients know.
	authority.Conflict:    {http.StatusBadRequest, "the request could not be completed", true},
	authority.Unsupported: {http.StatusNotImplemented, "this certificate authority does not do that", true},
	authority.Unavailable: {http.StatusServiceUnavailable, "the certificate authority cannot answer now; try again later", false},
	authority.Internal:    {http.StatusInternalServerError, "the certificate authority failed; its log says more", false},
}

// maxReason is how much of a reason is told or logged, in bytes.
const maxReason = 512

// retryAfter is what clients are told to wait, in seconds.
const retryAfter = "5"

// statusError is a refusal for which HTTP has a status and the authority no kind.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return "httpapi: " + e.text }

var (
	errTooLarge = &statusError{http.StatusRequestEntityTooLarge, "the request's body is too long"}
	errTooSlow  = &statusError{http.StatusRequestTimeout, "the request's body did not arrive in time"}
)

func badRequest(code, reason string) error {
	return &authority.Error{Kind: authority.BadRequest, Code: code, Reason: reason}
}

// fail answers with what became of err.
func (a *api) fail(c *call, err error) {
	if e, ok := errors.AsType[*statusError](err); ok {
		c.refusal = &authority.Error{Kind: authority.BadRequest, Code: "body", Reason: e.text}
		c.json(e.status, errorBody(e.status, e.text))
		return
	}
	e, ok := errors.AsType[*authority.Error](err)
	if !ok || answers[e.Kind].status == 0 {
		e = &authority.Error{Kind: authority.Internal, Code: "internal", Reason: "untyped error", Err: err}
	}
	c.refusal = e
	if e.Kind == authority.Internal || e.Kind == authority.Unavailable {
		a.o.Logger.Error("httpapi: request failed", "request", c.id, "route", c.path(), "error", err)
	}
	ans := answers[e.Kind]
	text := ans.text
	switch {
	case ans.reason && e.Reason != "":
		text += ": " + printable(e.Reason)
	case e.Kind == authority.Unauthenticated && c.endpoint != nil && c.endpoint.Operation == provisioner.X509Renew:
		text = renewText(e)
	case e.Kind == authority.Unavailable:
		c.w.Header().Set("Retry-After", retryAfter)
	}
	c.json(ans.status, errorBody(ans.status, text))
}

// renewText is what somebody who may not renew is told. People meet it when a machine was off for too
// long, so it says that the certificate has expired; it says nothing else about the credential.
func renewText(e *authority.Error) string {
	if e.Code == "expired" && strings.HasPrefix(e.Reason, "certificate expired") {
		return printable(e.Reason) + " and cannot be renewed"
	}
	return "the certificate cannot be renewed with this credential"
}

func errorBody(status int, text string) []byte {
	return mustJSON(struct {
		Status  int    `json:"status"`
		Message string `json:"message"`
	}{status, text})
}

// mustJSON encodes values of types that cannot fail to.
func mustJSON(v any) []byte {
	b, _ := json.Marshal(v)
	return b
}

// printable bounds s and keeps control characters out of terminals.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, clip(s, maxReason))
}

// clip cuts s to at most n bytes, between characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
