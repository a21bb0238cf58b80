package apple

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"unicode/utf8"

	"github.com/chancery-ca/chancery/acme/attest"
)

// What Apple's certificates say.
var (
	oidSerialNumber = asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 8, 9, 1}
	oidUDID         = asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 8, 9, 2}
	oidOSVersion    = asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 8, 10, 2}
	oidFreshness    = asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 8, 11, 1}
)

// Config is what a Format is made from.
type Config struct {
	Roots []*x509.Certificate // required: Apple's Enterprise Attestation Root CA

	// AllowCached takes a certificate that does not say which challenge it was made for. Devices make a fresh one only
	// so often, and give the last one again meanwhile: then nothing but the key's use afterwards shows who sent it.
	AllowCached bool
}

// Format is fmt "apple". Safe for concurrent use.
type Format struct {
	roots  *x509.CertPool
	cached bool
}

// New makes a Format.
func New(c Config) (*Format, error) {
	roots, err := attest.Pool(c.Roots)
	return &Format{roots, c.AllowCached}, err
}

// Name returns "apple".
func (f *Format) Name() string { return "apple" }

// Verify implements attest.Format. The device is known by its serial number and by its UDID.
func (f *Format) Verify(_ context.Context, s *attest.Statement) (*attest.Result, error) {
	leaf, err := s.Chain(f.roots)
	if err != nil {
		return nil, err
	}
	want := sha256.Sum256([]byte(s.Token))
	switch nonce, ok := attest.Extension(leaf, oidFreshness); {
	case ok && !bytes.Equal(nonce, want[:]):
		return nil, errors.New("the certificate was made for another challenge")
	case !ok && !f.cached:
		return nil, errors.New("the certificate does not say which challenge it was made for")
	}
	r := &attest.Result{Key: leaf.PublicKey, Data: map[string]any{}}
	for name, oid := range map[string]asn1.ObjectIdentifier{"serialNumber": oidSerialNumber, "udid": oidUDID, "osVersion": oidOSVersion} {
		v, ok := attest.Extension(leaf, oid)
		if !ok || len(v) == 0 {
			continue
		}
		if len(v) > 255 || !utf8.Valid(v) {
			return nil, errors.New("the certificate has something that is no text")
		}
		r.Data[name] = string(v)
		if name != "osVersion" {
			r.Identifiers = append(r.Identifiers, string(v))
		}
	}
	return r, nil
}
