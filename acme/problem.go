package acme

import (
	"encoding/json"
	"net/http"
	"time"
)

// ProblemType is the type of a problem document (RFC 8555, section 6.7), without its URN's prefix.
type ProblemType string

// The types of RFC 8555, section 6.7, and of the RFCs that add to it.
const (
	AccountDoesNotExist     ProblemType = "accountDoesNotExist"
	AlreadyReplaced         ProblemType = "alreadyReplaced" // RFC 9773, section 7.4
	AlreadyRevoked          ProblemType = "alreadyRevoked"
	BadCSR                  ProblemType = "badCSR"
	BadNonce                ProblemType = "badNonce"
	BadPublicKey            ProblemType = "badPublicKey"
	BadRevocationReason     ProblemType = "badRevocationReason"
	BadSignatureAlgorithm   ProblemType = "badSignatureAlgorithm"
	BadAttestationStatement ProblemType = "badAttestationStatement" // device attestation
	CAA                     ProblemType = "caa"
	Compound                ProblemType = "compound"
	Connection              ProblemType = "connection"
	DNSProblem              ProblemType = "dns"
	ExternalAccountRequired ProblemType = "externalAccountRequired"
	IncorrectResponse       ProblemType = "incorrectResponse"
	InvalidContact          ProblemType = "invalidContact"
	InvalidProfile          ProblemType = "invalidProfile" // profiles
	Malformed               ProblemType = "malformed"
	OrderNotReady           ProblemType = "orderNotReady"
	RateLimited             ProblemType = "rateLimited"
	RejectedIdentifier      ProblemType = "rejectedIdentifier"
	ServerInternal          ProblemType = "serverInternal"
	TLSProblem              ProblemType = "tls"
	Unauthorized            ProblemType = "unauthorized"
	UnsupportedContact      ProblemType = "unsupportedContact"
	UnsupportedIdentifier   ProblemType = "unsupportedIdentifier"
	UserActionRequired      ProblemType = "userActionRequired"
)

// status is the one table from types to HTTP statuses. What the RFC leaves open is as most servers have it.
var status = map[ProblemType]int{
	AccountDoesNotExist: http.StatusBadRequest, AlreadyReplaced: http.StatusConflict, AlreadyRevoked: http.StatusBadRequest,
	BadCSR: http.StatusBadRequest, BadNonce: http.StatusBadRequest, BadPublicKey: http.StatusBadRequest,
	BadRevocationReason: http.StatusBadRequest, BadSignatureAlgorithm: http.StatusBadRequest,
	BadAttestationStatement: http.StatusBadRequest, CAA: http.StatusForbidden, Compound: http.StatusBadRequest,
	Connection: http.StatusBadRequest, DNSProblem: http.StatusBadRequest, ExternalAccountRequired: http.StatusForbidden,
	IncorrectResponse: http.StatusForbidden, InvalidContact: http.StatusBadRequest, InvalidProfile: http.StatusBadRequest,
	Malformed: http.StatusBadRequest, OrderNotReady: http.StatusForbidden, RateLimited: http.StatusTooManyRequests,
	RejectedIdentifier: http.StatusBadRequest, ServerInternal: http.StatusInternalServerError, TLSProblem: http.StatusBadRequest,
	Unauthorized: http.StatusForbidden, UnsupportedContact: http.StatusBadRequest, UnsupportedIdentifier: http.StatusBadRequest,
	UserActionRequired: http.StatusForbidden,
}

// ProblemTypes lists every type, in no order, for tests of the table.
func ProblemTypes() []ProblemType {
	out := make([]ProblemType, 0, len(status))
	for t := range status {
		out = append(out, t)
	}
	return out
}

// urn is the namespace of types (RFC 8555, section 6.7).
const urn = "urn:ietf:params:acme:error:"

// Problem is what went wrong, as a client is told: a problem document (RFC 7807). Detail is one sentence for
// people that says nothing of this side's inner life and quotes nothing that somebody else's server said.
type Problem struct {
	Type        ProblemType
	Detail      string
	Status      int         // 0: what the type has
	Identifier  *Identifier // of a subproblem: what it is about
	Subproblems []*Problem  // RFC 8555, section 6.7.1
	Algorithms  []string    // of BadSignatureAlgorithm: those that are accepted
	Instance    string      // of UserActionRequired: the URL that a person has to visit

	RetryAfter time.Duration // when to try again; 0: nothing is said. Sent as a header.
	Cause      error         // for this side's log; never sent
}

// HTTPStatus returns the status of an answer that is p.
func (p *Problem) HTTPStatus() int {
	if p.Status != 0 {
		return p.Status
	}
	if s, ok := status[p.Type]; ok {
		return s
	}
	return http.StatusInternalServerError
}

func (p *Problem) Error() string {
	s := "acme: " + string(p.Type)
	if p.Detail != "" {
		s += ": " + p.Detail
	}
	return s
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Cause }

// document is a problem as it is sent.
type document struct {
	Type        string      `json:"type"`
	Detail      string      `json:"detail,omitempty"`
	Status      int         `json:"status,omitempty"`
	Identifier  *Identifier `json:"identifier,omitempty"`
	Subproblems []*Problem  `json:"subproblems,omitempty"`
	Algorithms  []string    `json:"algorithms,omitempty"`
	Instance    string      `json:"instance,omitempty"`
}

// MarshalJSON makes the problem document.
func (p *Problem) MarshalJSON() ([]byte, error) {
	return json.Marshal(document{urn + string(p.Type), p.Detail, p.HTTPStatus(), p.Identifier, p.Subproblems, p.Algorithms, p.Instance})
}

// UnmarshalJSON reads what MarshalJSON made, as a store keeps it with a challenge or an order.
func (p *Problem) UnmarshalJSON(b []byte) error {
	var d document
	if err := json.Unmarshal(b, &d); err != nil {
		return err
	}
	t := ProblemType(d.Type)
	if len(d.Type) > len(urn) && d.Type[:len(urn)] == urn {
		t = ProblemType(d.Type[len(urn):])
	}
	*p = Problem{Type: t, Detail: d.Detail, Status: d.Status, Identifier: d.Identifier, Subproblems: d.Subproblems, Algorithms: d.Algorithms, Instance: d.Instance}
	return nil
}
