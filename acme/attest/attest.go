package attest

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"github.com/chancery-ca/chancery/acme"
)

// Format is a kind of attestation statement.
//
// Verify returns what a statement proves. Its error is shown to nobody but the CA's log. It must be safe for concurrent
// use.
type Format interface {
	Name() string // as fmt has it
	Verify(ctx context.Context, s *Statement) (*Result, error)
}

// Statement is what a device says.
type Statement struct {
	Fields           map[string]cbor.RawMessage // attStmt, each name once
	Token            string                     // of the challenge
	KeyAuthorization string
}

// Result is what a statement proves.
type Result struct {
	Key         crypto.PublicKey // the one that the certificate has to have
	Identifiers []string         // of the device: its serial number, say
	Data        map[string]any   // for templates
}

// Config is what a Validator is made from.
type Config struct {
	Formats []Format // required, names must differ
}

// Validator is device-attest-01. It is immutable, and asks nobody.
type Validator struct{ formats map[string]Format }

// New makes a Validator.
func New(c Config) (*Validator, error) {
	v := &Validator{map[string]Format{}}
	for _, f := range c.Formats {
		if f == nil || f.Name() == "" || v.formats[f.Name()] != nil {
			return nil, errors.New("attest: a format has no name, or one that another has")
		}
		v.formats[f.Name()] = f
	}
	if len(v.formats) == 0 {
		return nil, errors.New("attest: no format is accepted")
	}
	return v, nil
}

// Type returns device-attest-01.
func (v *Validator) Type() acme.ChallengeType { return acme.DeviceAttest01 }

// Offers is true for permanent identifiers and hardware modules.
func (v *Validator) Offers(id acme.Identifier) bool {
	return id.Type == acme.PermanentIdentifier || id.Type == acme.HardwareModule
}

// Validate implements [acme.Validator].
func (v *Validator) Validate(ctx context.Context, c *acme.Validation) (*acme.Evidence, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !v.Offers(c.Identifier) || c.Token == "" || c.KeyAuthorization == "" {
		return nil, fmt.Errorf("attest: %s cannot be attested", c.Identifier)
	}
	name, fields, err := parse(c.Payload)
	if err != nil {
		return nil, refuse("the statement cannot be read", err)
	}
	f := v.formats[name]
	if f == nil {
		return nil, refuse("statements of that format are not accepted", nil)
	}
	r, err := f.Verify(ctx, &Statement{Fields: fields, Token: c.Token, KeyAuthorization: c.KeyAuthorization})
	if err != nil {
		return nil, refuse("the statement does not hold", err)
	}
	if r == nil || r.Key == nil {
		return nil, fmt.Errorf("attest: format %q said neither yes nor no", name)
	}
	for _, id := range r.Identifiers {
		if id == c.Identifier.Value && id != "" {
			return evidence(name, r)
		}
	}
	return nil, refuse("the statement is another device's", nil)
}

func evidence(format string, r *Result) (*acme.Evidence, error) {
	spki, err := x509.MarshalPKIXPublicKey(r.Key)
	if err != nil {
		return nil, refuse("the attested key is of a kind that certificates do not have", err)
	}
	sum := sha256.Sum256(spki)
	data := map[string]any{"format": format}
	for k, d := range r.Data {
		data[k] = d
	}
	return &acme.Evidence{Data: data, KeyID: hex.EncodeToString(sum[:])}, nil
}

func refuse(detail string, cause error) *acme.Problem {
	return &acme.Problem{Type: acme.BadAttestationStatement, Detail: detail, Cause: cause}
}
