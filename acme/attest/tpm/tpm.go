package tpm

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // hashes of signatures
	"crypto/x509"
	"errors"
	"math/big"

	"github.com/google/go-tpm/tpm2"

	"github.com/chancery-ca/chancery/acme/attest"
)

// Config is what a Format is made from.
type Config struct {
	Roots []*x509.Certificate // required: those of whoever certifies attestation keys
}

// Format is fmt "tpm". Safe for concurrent use.
type Format struct{ roots *x509.CertPool }

// New makes a Format.
func New(c Config) (*Format, error) {
	roots, err := attest.Pool(c.Roots)
	return &Format{roots}, err
}

// Name returns "tpm".
func (f *Format) Name() string { return "tpm" }

// maxPart bounds what a TPM says, in bytes: its structures are well below.
const maxPart = 4 << 10

// Verify implements attest.Format. The device is known by the permanent identifiers and the hardware modules in the
// subject alternative names of its attestation key's certificate.
func (f *Format) Verify(_ context.Context, s *attest.Statement) (*attest.Result, error) {
	var version string
	if err := s.Field("ver", &version); err != nil {
		return nil, err
	}
	if version != "2.0" {
		return nil, errors.New("the statement is of another version")
	}
	ak, err := s.Chain(f.roots, oidSAN)
	if err != nil {
		return nil, err
	}
	device, err := readAK(ak)
	if err != nil {
		return nil, err
	}
	var info, area, sig []byte
	for name, to := range map[string]*[]byte{"certInfo": &info, "pubArea": &area, "sig": &sig} {
		if err := s.Field(name, to); err != nil {
			return nil, err
		}
		if len(*to) == 0 || len(*to) > maxPart {
			return nil, errors.New(name + " is empty, or too long")
		}
	}
	if err := checkSignature(ak.PublicKey, info, sig); err != nil {
		return nil, err
	}
	key, err := certified(info, area, sha256.Sum256([]byte(s.KeyAuthorization)))
	if err != nil {
		return nil, err
	}
	return &attest.Result{Key: key, Identifiers: device.identifiers, Data: map[string]any{
		"manufacturer": device.manufacturer, "model": device.model, "version": device.version,
	}}, nil
}

// certified returns the key that info is about, if it is one that never leaves the TPM.
func certified(info, area []byte, challenge [32]byte) (crypto.PublicKey, error) {
	a, err := tpm2.Unmarshal[tpm2.TPMSAttest](info)
	if err != nil {
		return nil, err
	}
	if a.Magic != tpm2.TPMGeneratedValue || a.Type != tpm2.TPMSTAttestCertify {
		return nil, errors.New("certInfo does not certify a key")
	}
	if !bytes.Equal(a.ExtraData.Buffer, challenge[:]) {
		return nil, errors.New("certInfo is for another challenge")
	}
	c, err := a.Attested.Certify()
	if err != nil {
		return nil, err
	}
	p, err := tpm2.Unmarshal[tpm2.TPMTPublic](area)
	if err != nil {
		return nil, err
	}
	name, err := tpm2.ObjectName(p)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(name.Buffer, c.Name.Buffer) {
		return nil, errors.New("certInfo is about another key")
	}
	if o := p.ObjectAttributes; !o.FixedTPM || !o.FixedParent || !o.SensitiveDataOrigin || !o.SignEncrypt || o.Restricted {
		return nil, errors.New("the key could leave the TPM, or does not sign what it is given")
	}
	return tpm2.Pub(*p)
}

// hashes are those that a signature may use. SHA-1 is none of them.
var hashes = map[tpm2.TPMAlgID]crypto.Hash{tpm2.TPMAlgSHA256: crypto.SHA256, tpm2.TPMAlgSHA384: crypto.SHA384, tpm2.TPMAlgSHA512: crypto.SHA512}

// checkSignature verifies a TPMT_SIGNATURE by the attestation key.
func checkSignature(pub crypto.PublicKey, info, signature []byte) error {
	s, err := tpm2.Unmarshal[tpm2.TPMTSignature](signature)
	if err != nil {
		return err
	}
	digest := func(alg tpm2.TPMAlgID) (crypto.Hash, []byte, bool) {
		h, ok := hashes[alg]
		if !ok {
			return 0, nil, false
		}
		d := h.New()
		d.Write(info)
		return h, d.Sum(nil), true
	}
	wrong := errors.New("certInfo was not signed by the attestation key")
	switch k := pub.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return errors.New("the attestation key is too short")
		}
		pss := s.SigAlg == tpm2.TPMAlgRSAPSS
		r, err := s.Signature.RSASSA()
		if pss {
			r, err = s.Signature.RSAPSS()
		}
		if err != nil {
			return err
		}
		h, d, ok := digest(r.Hash)
		if !ok || !pss && rsa.VerifyPKCS1v15(k, h, d, r.Sig.Buffer) != nil || pss && rsa.VerifyPSS(k, h, d, r.Sig.Buffer, nil) != nil {
			return wrong
		}
		return nil
	case *ecdsa.PublicKey:
		e, err := s.Signature.ECDSA()
		if err != nil {
			return err
		}
		_, d, ok := digest(e.Hash)
		if !ok || !ecdsa.Verify(k, d, new(big.Int).SetBytes(e.SignatureR.Buffer), new(big.Int).SetBytes(e.SignatureS.Buffer)) {
			return wrong
		}
		return nil
	}
	return errors.New("the attestation key is of another kind")
}
