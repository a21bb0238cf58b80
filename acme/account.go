package acme

import (
	"encoding/json"
	"time"
)

// Account is somebody who may ask, known by a key (RFC 8555, section 7.1.2).
type Account struct {
	ID          string          `json:"id"`
	Provisioner string          `json:"provisioner"`
	URL         string          `json:"url"`        // as the client was told: its kid
	Key         json.RawMessage `json:"key"`        // public JWK
	Thumbprint  string          `json:"thumbprint"` // of Key (RFC 7638); one account of a provisioner has it
	Status      Status          `json:"status"`     // Valid, Deactivated or Revoked
	Contacts    []string        `json:"contacts,omitempty"`
	Agreed      bool            `json:"agreed,omitempty"`  // to the terms of service
	Binding     string          `json:"binding,omitempty"` // ID of the external account key that it was made with
	CreatedAt   time.Time       `json:"createdAt"`

	Version int64 `json:"-"` // of the row: see [Store]
}

// ExternalKey is a MAC key that somebody outside of ACME was given, so that the account they make is known to be
// theirs (RFC 8555, section 7.3.4).
type ExternalKey struct {
	ID          string    `json:"id"` // kid: visible ASCII
	Provisioner string    `json:"provisioner"`
	Key         []byte    `json:"key"`            // at least 32 bytes; secret
	Name        string    `json:"name,omitempty"` // whose it is, for people, templates and the inventory
	Reusable    bool      `json:"reusable,omitempty"`
	CreatedAt   time.Time `json:"createdAt"`
	Expires     time.Time `json:"expires,omitzero"`   // not to be used from then on; zero: never ends
	RevokedAt   time.Time `json:"revokedAt,omitzero"` // not to be used any more; accounts that it made stay
	UsedAt      time.Time `json:"usedAt,omitzero"`    // last
	Account     string    `json:"account,omitempty"`  // ID of the account that it made last

	Version int64 `json:"-"`
}

// Usable reports whether an account may be made with k at that moment.
func (k *ExternalKey) Usable(now time.Time) bool {
	return k.RevokedAt.IsZero() && (k.Expires.IsZero() || now.Before(k.Expires)) && (k.Reusable || k.Account == "")
}
