package acme

// Status is where an account, an order, an authorization or a challenge stands (RFC 8555, section 7.1.6).
type Status string

// The states. Not every object has each of them.
const (
	Pending     Status = "pending"
	Ready       Status = "ready"      // of an order, and worked out from its authorizations: see [Order.State]
	Processing  Status = "processing" // of orders and challenges
	Valid       Status = "valid"
	Invalid     Status = "invalid"
	Deactivated Status = "deactivated" // by the client
	Expired     Status = "expired"     // of an authorization, and worked out from the time
	Revoked     Status = "revoked"     // by the server
)
