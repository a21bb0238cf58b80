package acme

import "time"

// Order is a client's request for one certificate (RFC 8555, section 7.1.3).
type Order struct {
	ID          string       `json:"id"`
	Account     string       `json:"account"` // ID
	Provisioner string       `json:"provisioner"`
	Status      Status       `json:"status"` // Pending, Processing, Valid or Invalid; what a client is told is State
	Identifiers []Identifier `json:"identifiers"`
	NotBefore   time.Time    `json:"notBefore,omitzero"` // as asked
	NotAfter    time.Time    `json:"notAfter,omitzero"`
	Profile     string       `json:"profile,omitempty"`
	Replaces    string       `json:"replaces,omitempty"` // RFC 9773, section 5: the certificate's identifier
	CreatedAt   time.Time    `json:"createdAt"`
	Expires     time.Time    `json:"expires"`
	Error       *Problem     `json:"error,omitempty"`

	CSR      []byte `json:"csr,omitempty"`      // DER; from finalize on
	Attempts int    `json:"attempts,omitempty"` // to issue
	Serial   string `json:"serial,omitempty"`   // of the certificate: lower-case hex; of Valid ones

	// Due is when a Processing order is to be taken on by whoever looks: whoever works on it has until then.
	Due time.Time `json:"due,omitzero"`

	Version int64 `json:"-"`
}

// State is what an order's status is at that moment, given its authorizations: Pending ones are Ready when all of
// these are valid, and Invalid when one can no longer be, or it is too late.
func (o *Order) State(auths []*Authorization, now time.Time) Status {
	if o.Status != Pending {
		return o.Status
	}
	if !now.Before(o.Expires) || len(auths) == 0 {
		return Invalid
	}
	s := Ready
	for _, a := range auths {
		switch a.State(now) {
		case Valid:
		case Pending:
			s = Pending
		default:
			return Invalid
		}
	}
	return s
}

// Authorization is an account's proof that it controls an identifier (RFC 8555, section 7.1.4). Several orders of
// the account may rest on one.
type Authorization struct {
	ID          string      `json:"id"`
	Account     string      `json:"account"` // ID
	Provisioner string      `json:"provisioner"`
	Identifier  Identifier  `json:"identifier"` // never a wildcard
	Wildcard    bool        `json:"wildcard,omitempty"`
	Status      Status      `json:"status"` // Pending, Valid, Invalid, Deactivated or Revoked
	Expires     time.Time   `json:"expires"`
	Challenges  []Challenge `json:"challenges"`

	// Due is when a challenge that is Processing is to be taken on by whoever looks; zero when none is.
	Due time.Time `json:"due,omitzero"`

	Version int64 `json:"-"`
}

// State is what an authorization's status is at that moment.
func (a *Authorization) State(now time.Time) Status {
	if (a.Status == Pending || a.Status == Valid) && !now.Before(a.Expires) {
		return Expired
	}
	return a.Status
}

// Live reports whether orders may rest on a: it is pending or valid.
func (a *Authorization) Live() bool { return a.Status == Pending || a.Status == Valid }

// Challenge returns the challenge of a type, or nil.
func (a *Authorization) Challenge(t ChallengeType) *Challenge {
	for i := range a.Challenges {
		if a.Challenges[i].Type == t {
			return &a.Challenges[i]
		}
	}
	return nil
}

// Challenge is one way of proving an identifier (RFC 8555, section 7.1.5).
type Challenge struct {
	Type      ChallengeType  `json:"type"`
	Token     string         `json:"token,omitempty"`
	Status    Status         `json:"status"`             // Pending, Processing, Valid or Invalid
	Validated time.Time      `json:"validated,omitzero"` // of a Valid one
	Error     *Problem       `json:"error,omitempty"`    // of the last attempt
	Attempts  int            `json:"attempts,omitempty"` // to validate it
	Payload   []byte         `json:"payload,omitempty"`  // what the client sent along: JSON
	Address   string         `json:"address,omitempty"`  // that answered
	RemoteIP  string         `json:"remoteIP,omitempty"` // of the client that asked for the validation
	Data      map[string]any `json:"data,omitempty"`     // for templates: [Evidence.Data]
	KeyID     string         `json:"keyID,omitempty"`    // [Evidence.KeyID]
}
