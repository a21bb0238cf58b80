package attest

import (
	"encoding/base64"
	"encoding/json"
	"errors"

	"github.com/fxamacker/cbor/v2"
)

// maxObject bounds an attestation object, in bytes: a chain of RSA certificates has a few thousand.
const maxObject = 32 << 10

// object is an attestation object. authData, which WebAuthn has, says nothing here.
type object struct {
	Format    string                     `cbor:"fmt"`
	Statement map[string]cbor.RawMessage `cbor:"attStmt"`
}

// decoding is how CBOR is read: each member once, nothing of unknown length, nothing deep.
func decoding() (cbor.DecMode, error) {
	return cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		MaxNestedLevels: 8, MaxArrayElements: 64, MaxMapPairs: 64, UTF8: cbor.UTF8RejectInvalid,
	}.DecMode()
}

// parse reads the payload of a challenge's request.
func parse(payload []byte) (format string, fields map[string]cbor.RawMessage, err error) {
	var p struct {
		Object string `json:"attObj"`
		Error  string `json:"error"`
	}
	if err := json.Unmarshal(payload, &p); err != nil {
		return "", nil, err
	}
	if p.Error != "" {
		return "", nil, errors.New("the device says that it cannot")
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(p.Object)
	if err != nil {
		return "", nil, err
	}
	if len(b) == 0 || len(b) > maxObject {
		return "", nil, errors.New("no attestation object, or one that is too long")
	}
	d, err := decoding()
	if err != nil {
		return "", nil, err
	}
	var o object
	if err := d.Unmarshal(b, &o); err != nil { // all of it: bytes that follow are an error
		return "", nil, err
	}
	return o.Format, o.Statement, nil
}

// Field reads a member of a statement, which must be there.
func (s *Statement) Field(name string, v any) error {
	raw, ok := s.Fields[name]
	if !ok {
		return errors.New("the statement lacks " + name)
	}
	return Unmarshal(raw, v)
}

// Unmarshal reads CBOR as strictly as statements are read.
func Unmarshal(b []byte, v any) error {
	d, err := decoding()
	if err != nil {
		return err
	}
	return d.Unmarshal(b, v)
}
