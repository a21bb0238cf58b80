// Package x509lint looks at keys, requests, names and would-be certificates before a CA's key is used,
// and refuses what relying parties would reject, or should.
//
// Every function is pure: no clock, no network, no state. Every refusal is a [*Problem] with a code of
// its own. An [Issuer] holds what can be worked out once per CA; everything is safe for concurrent use.
//
// Where Go's and OpenSSL's verifiers read RFC 5280 differently, a certificate must please both.
package x509lint

import "fmt"

// Problem is a reason for not signing.
type Problem struct {
	Code   string // stable and machine-readable: "rsa-too-short", "dns-label", "name-constraints-dns", …
	Reason string // one sentence without secrets
}

func (p *Problem) Error() string { return "x509lint: " + p.Reason }

func problem(code, format string, args ...any) error {
	return &Problem{Code: code, Reason: fmt.Sprintf(format, args...)}
}
