package yubikey

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"strconv"

	"github.com/chancery-ca/chancery/acme/attest"
)

// oidSerialNumber is of the device's serial number, an INTEGER.
var oidSerialNumber = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3, 7}

// Config is what a Format is made from.
type Config struct {
	Roots []*x509.Certificate // required: Yubico's PIV root CAs
}

// Format is fmt "step". Safe for concurrent use.
type Format struct{ roots *x509.CertPool }

// New makes a Format.
func New(c Config) (*Format, error) {
	roots, err := attest.Pool(c.Roots)
	return &Format{roots}, err
}

// Name returns "step".
func (f *Format) Name() string { return "step" }

// Verify implements attest.Format. The device is known by its serial number.
func (f *Format) Verify(_ context.Context, s *attest.Statement) (*attest.Result, error) {
	leaf, err := s.Chain(f.roots)
	if err != nil {
		return nil, err
	}
	var wrapped, sig []byte
	if err := s.Field("sig", &wrapped); err != nil {
		return nil, err
	}
	if err := attest.Unmarshal(wrapped, &sig); err != nil { // CBOR in CBOR: so the step CLI has it
		return nil, err
	}
	if !signed(leaf.PublicKey, s.KeyAuthorization, sig) {
		return nil, errors.New("the signature is not the attested key's over this challenge")
	}
	r := &attest.Result{Key: leaf.PublicKey, Data: map[string]any{}}
	if der, ok := attest.Extension(leaf, oidSerialNumber); ok {
		var n int64
		if rest, err := asn1.Unmarshal(der, &n); err != nil || len(rest) > 0 || n < 0 {
			return nil, errors.New("the serial number cannot be read")
		}
		r.Identifiers = append(r.Identifiers, strconv.FormatInt(n, 10))
		r.Data["serialNumber"] = r.Identifiers[0]
	}
	return r, nil
}

// signed reports whether sig is the key's over the key authorization. The kind of key leaves no choice of algorithm, so
// what the statement says of that is not looked at.
func signed(pub crypto.PublicKey, keyAuthorization string, sig []byte) bool {
	digest := sha256.Sum256([]byte(keyAuthorization))
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, digest[:], sig)
	case *rsa.PublicKey:
		return k.N.BitLen() >= 2048 && rsa.VerifyPKCS1v15(k, crypto.SHA256, digest[:], sig) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(k, []byte(keyAuthorization), sig)
	}
	return false
}
