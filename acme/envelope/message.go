package envelope

import (
	"github.com/go-jose/go-jose/v4/json"

	"github.com/chancery-ca/chancery/acme"
)

// Message is a request whose signature was verified, with its own key or its account's. Only [Request.Verify] makes one.
// Its nonce may have been used before,
// which is for the store to say: see [Nonces.Ticket].
type Message struct {
	URL     string // it was sent to
	KeyID   string // the account's URL; empty if the request brought its key
	Key     *Key   // that signed it
	Payload []byte // as it was signed; empty for POST-as-GET

	nonce string
}

// PostAsGet returns a refusal unless the payload is empty (RFC 8555, section 6.3). An empty JSON object is not.
func (m *Message) PostAsGet() error {
	if len(m.Payload) != 0 {
		return malformed("the payload must be empty")
	}
	return nil
}

// Decode reads the payload into v: a pointer to a struct, as a rule. The payload must be one JSON object; members are
// matched by their exact names, and those that v has no place for are ignored.
func (m *Message) Decode(v any) error { return decode(m.Payload, v, "the payload") }

func decode(b []byte, v any, what string) error {
	if _, err := object(b); err != nil { // looks at all of it, also at what v has no place for
		return malformed("%s is not a JSON object with each member once", what)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return &acme.Problem{Type: acme.Malformed, Detail: what + " has a member of another kind than it should be", Cause: err}
	}
	return nil
}
