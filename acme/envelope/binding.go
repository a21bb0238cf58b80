package envelope

import (
	"crypto/hmac"
	"errors"

	"github.com/go-jose/go-jose/v4"

	"github.com/chancery-ca/chancery/acme"
)

// macs are the algorithms of external account bindings. They are never those of requests: no public key is ever taken
// for a secret.
var macs = [...]jose.SignatureAlgorithm{jose.HS256, jose.HS384, jose.HS512}

// minMAC is the length of the shortest MAC key, in bytes: that of the smallest hash (RFC 7518, section 3.2).
const minMAC = 32

// Binding is the external account binding of a newAccount request (RFC 8555, section 7.3.4): somebody who has a MAC key
// says that the account's key is theirs. Only [Message.Binding] makes one, and it proves nothing before [Binding.Verify].
type Binding struct {
	Algorithm jose.SignatureAlgorithm // HS256, HS384 or HS512
	KeyID     string                  // of the MAC key: visible ASCII, 1 to [MaxKeyID] characters

	flat *flat
}

// Binding reads the field externalAccountBinding of a newAccount request, which must be for the request's URL and for the key
// that signed it.
func (m *Message) Binding(field []byte) (*Binding, error) {
	const what = "the external account binding"
	if m.KeyID != "" {
		return nil, malformed("an external account binding belongs into a request that brings its key")
	}
	if len(field) > MaxBody {
		return nil, malformed("%s is over the limit of %d bytes", what, MaxBody)
	}
	f, p := parseFlat(field, what, macs[:])
	if p != nil {
		return nil, p
	}
	if f.has("nonce") || f.has("jwk") {
		return nil, malformed("the protected header of %s has a nonce or a jwk", what)
	}
	b := &Binding{Algorithm: f.alg, flat: f}
	var ok bool
	if b.KeyID, ok = f.header["kid"].(string); !ok || !visible(b.KeyID, MaxKeyID) {
		return nil, malformed("the protected header of %s lacks kid, or it is none", what)
	}
	if f.url != m.URL {
		return nil, refuse(acme.Unauthorized, "%s is for another url", what)
	}
	k, p := parseKey(f.payload)
	if p != nil {
		return nil, p
	}
	if !k.Equal(m.Key) {
		return nil, refuse(acme.Unauthorized, "%s is for another key", what)
	}
	return b, nil
}

// Verify returns nil if the binding was made with that MAC key, the one that KeyID names. The key must be as long as the
// output of the algorithm's hash; one that is too short for all of them is a fault of this side.
func (b *Binding) Verify(mac []byte) error {
	if b == nil || b.flat == nil {
		return errors.New("envelope: binding was not parsed")
	}
	if len(mac) < minMAC {
		return errors.New("envelope: MAC key of an external account is too short")
	}
	hash := hashes[b.Algorithm]
	if len(mac) < hash.Size() {
		var fit []jose.SignatureAlgorithm
		for _, a := range macs {
			if hashes[a].Size() <= len(mac) {
				fit = append(fit, a)
			}
		}
		return badAlgorithm("the MAC key is too short for the algorithm of the external account binding", fit)
	}
	h := hmac.New(hash.New, mac)
	h.Write([]byte(b.flat.input))
	if !hmac.Equal(h.Sum(nil), b.flat.signature) {
		return refuse(acme.Unauthorized, "the external account binding was not made with that key")
	}
	return nil
}
