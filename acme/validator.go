package acme

import "context"

// ChallengeType is the type of a challenge, as the protocol writes it.
type ChallengeType string

// The challenges there are.
const (
	HTTP01         ChallengeType = "http-01"          // RFC 8555, section 8.3
	DNS01          ChallengeType = "dns-01"           // RFC 8555, section 8.4
	TLSALPN01      ChallengeType = "tls-alpn-01"      // RFC 8737
	DNSAccount01   ChallengeType = "dns-account-01"   // draft-ietf-acme-dns-account-label
	DNSPersist01   ChallengeType = "dns-persist-01"   // draft-ietf-acme-dns-persist
	DeviceAttest01 ChallengeType = "device-attest-01" // draft-acme-device-attest
)

// A Validator finds out whether a client controls an identifier.
//
// Validate returns what it has found, or a [*Problem] that the client is shown: one of type Connection, DNS or
// TLS when nobody answered, of Unauthorized or IncorrectResponse when somebody gave the wrong answer. Any other
// error is a fault of this side, and says nothing about the client. It must end with its context, and be safe
// for concurrent use.
type Validator interface {
	Type() ChallengeType

	// Offers reports whether the challenge is one for that identifier, in the form that an order has it.
	Offers(id Identifier) bool

	Validate(ctx context.Context, c *Validation) (*Evidence, error)
}

// Validation is a challenge to be checked.
type Validation struct {
	Identifier       Identifier // what is to be proved: never a wildcard
	Wildcard         bool       // it is proved for all names one label below it
	Token            string     // of the challenge
	KeyAuthorization string     // RFC 8555, section 8.1
	Thumbprint       string     // of the account's key (RFC 7638), base64url
	AccountURL       string     // of the account that asks
	Issuers          []string   // the names by which the CA goes in CAA and dns-persist-01 records
	Payload          []byte     // what the client sent along: JSON
}

// Evidence is what a validation found, for records, events and templates.
type Evidence struct {
	Address string         // host and port that answered; empty if nobody was asked
	Data    map[string]any // for templates: what an attestation says, for instance
	KeyID   string         // SHA-256 of the SubjectPublicKeyInfo that the certificate must have, in lower-case hex; empty: any
}
