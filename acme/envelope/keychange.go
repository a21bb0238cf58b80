package envelope

import (
	"encoding/json"

	"github.com/chancery-ca/chancery/acme"
)

// KeyChange is what an account key is to be replaced with (RFC 8555, section 7.3.5). Both keys have signed it, the old
// one by the request.
type KeyChange struct {
	Account string // the account's URL: the request's KeyID
	NewKey  *Key   // whether an account has it already, this one too, is for the store to say
}

// KeyChange reads a keyChange request's payload: a JWS by the new key that names the account and its old key. All of it is
// checked against the request, which must be by the account.
func (m *Message) KeyChange() (*KeyChange, error) {
	const what = "the inner JWS"
	if m.KeyID == "" {
		return nil, malformed("a key change is asked for by an account")
	}
	f, p := parseFlat(m.Payload, what, accepted[:])
	if p != nil {
		return nil, p
	}
	if f.has("nonce") || f.has("kid") || !f.has("jwk") {
		return nil, malformed("the protected header of %s needs a jwk, and neither kid nor nonce", what)
	}
	k, p := f.jwk(what)
	if p != nil {
		return nil, p
	}
	if f.url != m.URL {
		return nil, refuse(acme.Unauthorized, "%s is for another url", what)
	}
	if p := f.verify(k, what); p != nil {
		return nil, p
	}
	if err := m.checkChange(f.payload); err != nil {
		return nil, err
	}
	return &KeyChange{Account: m.KeyID, NewKey: k}, nil
}

// checkChange compares what the new key's owner has signed with who asks: without it, somebody could move another's key
// to their own account.
func (m *Message) checkChange(payload []byte) error {
	var c struct {
		Account string          `json:"account"`
		OldKey  json.RawMessage `json:"oldKey"`
	}
	if err := decode(payload, &c, "the payload of the inner JWS"); err != nil {
		return err
	}
	old, p := parseKey(c.OldKey)
	if p != nil {
		return p
	}
	if c.Account != m.KeyID {
		return refuse(acme.Unauthorized, "the inner JWS is for another account")
	}
	if !old.Equal(m.Key) {
		return refuse(acme.Unauthorized, "the inner JWS names another key as the old one")
	}
	return nil
}
