package sqlstore

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/chancery-ca/chancery/acme"
)

// acmeStatus is every status there is; its index is what is stored.
var acmeStatus = [...]acme.Status{acme.Pending, acme.Processing, acme.Valid, acme.Invalid, acme.Deactivated, acme.Revoked}

func acmeCode(s acme.Status) (int64, error) {
	i := slices.Index(acmeStatus[:], s)
	if i < 0 {
		return 0, fmt.Errorf("sqlstore: %q is not a status that is stored", s)
	}
	return int64(i), nil
}

func (r Row) status(i int) acme.Status {
	if n := r.int(i); n >= 0 && n < int64(len(acmeStatus)) {
		return acmeStatus[n]
	}
	return ""
}

// optional returns the time of a column that is null for the zero time.
func (r Row) optional(i int) time.Time {
	if r[i] == nil {
		return time.Time{}
	}
	return r.time(i)
}

func optional(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func micro(t time.Time) time.Time { return time.UnixMicro(t.UnixMicro()).UTC() }

// digest returns one for several texts.
func digest(parts ...string) []byte {
	var b []byte
	for _, p := range parts {
		b = append(binary.AppendUvarint(b, uint64(len(p))), p...)
	}
	d := sha256.Sum256(b)
	return d[:]
}

// nameOf returns the digest of what an account proves.
func nameOf(account string, base acme.Identifier, wildcard bool) []byte {
	kind := "name"
	if wildcard {
		kind = "wildcard"
	}
	return digest(account, string(base.Type), base.Value, kind)
}

func encode(what string, v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("sqlstore: encoding %s: %w", what, err)
	}
	return string(b), nil
}

func decode(what string, r Row, i int, v any) error {
	if err := json.Unmarshal(r.blob(i), v); err != nil {
		return fmt.Errorf("sqlstore: reading %s: %w", what, err)
	}
	return nil
}

// The documents of objects.
type (
	accountFixed struct {
		URL       string    `json:"url,omitempty"`
		Binding   string    `json:"binding,omitempty"`
		CreatedAt time.Time `json:"createdAt,omitzero"`
	}
	accountDoc struct {
		Key      json.RawMessage `json:"key,omitempty"`
		Contacts []string        `json:"contacts,omitempty"`
		Agreed   bool            `json:"agreed,omitempty"`
	}
	keyDoc struct {
		Key       []byte    `json:"key,omitempty"`
		Name      string    `json:"name,omitempty"`
		CreatedAt time.Time `json:"createdAt,omitzero"`
	}
	orderFixed struct {
		Identifiers []acme.Identifier `json:"identifiers"`
		NotBefore   time.Time         `json:"notBefore,omitzero"`
		NotAfter    time.Time         `json:"notAfter,omitzero"`
		Profile     string            `json:"profile,omitempty"`
		Replaces    string            `json:"replaces,omitempty"`
		CreatedAt   time.Time         `json:"createdAt,omitzero"`
	}
	orderDoc struct {
		Error    *acme.Problem `json:"error,omitempty"`
		CSR      []byte        `json:"csr,omitempty"`
		Attempts int           `json:"attempts,omitempty"`
	}
	authzFixed struct {
		Identifier acme.Identifier `json:"identifier"`
		Wildcard   bool            `json:"wildcard,omitempty"`
	}
	authzDoc struct {
		Challenges []acme.Challenge `json:"challenges"`
	}
)
