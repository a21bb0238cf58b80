package crl

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/chancery-ca/chancery/kms"
)

// parts are what a CRL is made of, entries apart. They are parts of its DER.
type parts struct {
	tbs, algorithm, issuer, extensions []byte // extensions: the content of the SEQUENCE
	signature                          []byte
}

var errMalformed = errors.New("crl: the CRL is malformed")

// dissect takes a CRL apart without looking at its entries, however many there are.
func dissect(der []byte) (*parts, error) {
	var p parts
	var whole, body, outer, wrapped, inner cryptobyte.String
	var tbs, algorithm, issuer cryptobyte.String
	var signature asn1.BitString
	in := cryptobyte.String(der)
	if !in.ReadASN1(&whole, cbasn1.SEQUENCE) || !in.Empty() || !whole.ReadASN1Element(&tbs, cbasn1.SEQUENCE) ||
		!whole.ReadASN1Element(&outer, cbasn1.SEQUENCE) || !whole.ReadASN1BitString(&signature) || !whole.Empty() {
		return nil, errMalformed
	}
	rest := tbs
	if !rest.ReadASN1(&body, cbasn1.SEQUENCE) || !body.SkipASN1(cbasn1.INTEGER) || !body.ReadASN1Element(&algorithm, cbasn1.SEQUENCE) ||
		!body.ReadASN1Element(&issuer, cbasn1.SEQUENCE) || !skipTime(&body) || !skipTime(&body) ||
		!body.SkipOptionalASN1(cbasn1.SEQUENCE) || !body.ReadASN1(&wrapped, cbasn1.Tag(0).ContextSpecific().Constructed()) ||
		!body.Empty() || !wrapped.ReadASN1(&inner, cbasn1.SEQUENCE) || !bytes.Equal(outer, algorithm) {
		return nil, errMalformed
	}
	p.tbs, p.algorithm, p.issuer, p.extensions, p.signature = tbs, algorithm, issuer, inner, signature.RightAlign()
	return &p, nil
}

func skipTime(s *cryptobyte.String) bool {
	if s.PeekASN1Tag(cbasn1.UTCTime) {
		return s.SkipASN1(cbasn1.UTCTime)
	}
	return s.SkipASN1(cbasn1.GeneralizedTime)
}

// extension returns the value of an extension, nil if there is none.
func (p *parts) extension(id asn1.ObjectIdentifier) []byte {
	in := cryptobyte.String(p.extensions)
	for !in.Empty() {
		var e, value cryptobyte.String
		var have asn1.ObjectIdentifier
		if !in.ReadASN1(&e, cbasn1.SEQUENCE) || !e.ReadASN1ObjectIdentifier(&have) ||
			!e.SkipOptionalASN1(cbasn1.BOOLEAN) || !e.ReadASN1(&value, cbasn1.OCTET_STRING) {
			return nil
		}
		if have.Equal(id) {
			return value
		}
	}
	return nil
}

// signedBy reports whether the holder of a certificate signed it, with the algorithm that is theirs.
func (p *parts) signedBy(c *x509.Certificate, algorithm []byte) bool {
	a, _, err := kms.SignatureAlgorithm(c.PublicKey)
	return err == nil && bytes.Equal(p.issuer, c.RawSubject) && bytes.Equal(p.algorithm, algorithm) && c.CheckSignature(a, p.tbs, p.signature) == nil
}
