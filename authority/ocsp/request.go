package ocsp

import (
	"bytes"
	"encoding/asn1"
	"math/big"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/chancery-ca/chancery/authority"
)

// Limits of what a client may send.
const (
	maxRequest    = 4 << 10 // octets
	maxSingles    = 4       // certificates in one request, each of which is looked up; nearly all clients ask about one
	maxExtensions = 16
	maxNonce      = 128 // RFC 9654, section 2.1
)

// Tags of the fields, which RFC 6960 numbers anew in each structure.
var (
	tag0 = cbasn1.Tag(0).ContextSpecific().Constructed()
	tag1 = cbasn1.Tag(1).ContextSpecific().Constructed()
	tag2 = cbasn1.Tag(2).ContextSpecific().Constructed()
)

var (
	oidSHA1                = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	oidSHA256              = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidBasic               = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}
	oidNonce               = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
	oidAcceptableResponses = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 4}
)

// request is what counts of an OCSPRequest. Who asks, and a signature on it, are read over: nobody is
// refused an answer.
type request struct {
	certs []certID // at least one
	nonce []byte   // what the client chose; nil: nothing
}

// certID names a certificate (RFC 6960, section 4.1.1). It is comparable by raw.
type certID struct {
	raw    string // its DER, which the answer repeats
	issuer issuerID
	serial authority.Serial // empty: a number that no certificate of ours can have
}

// issuerID is the issuer's part of a certID. The zero value is of a hash that is not supported, and of no
// issuer.
type issuerID struct {
	hash      hash
	name, key [32]byte // padded with zeros
}

// hash is a hash that certIDs are made with.
type hash uint8

const (
	hashSHA1 hash = iota + 1
	hashSHA256
)

func (h hash) size() int {
	switch h {
	case hashSHA1:
		return 20
	case hashSHA256:
		return 32
	}
	return 0
}

// parseRequest reads the DER of an OCSPRequest, and returns nil for what is not one, or asks for something
// critical that is not known here.
func parseRequest(der []byte) *request {
	in := cryptobyte.String(der)
	var body, tbs, list, extensions, skipped cryptobyte.String
	var has bool
	if len(der) > maxRequest || !in.ReadASN1(&body, cbasn1.SEQUENCE) || !in.Empty() || !body.ReadASN1(&tbs, cbasn1.SEQUENCE) ||
		!body.ReadOptionalASN1(&skipped, nil, tag0) || !body.Empty() {
		return nil
	}
	if !readVersion(&tbs) || !tbs.ReadOptionalASN1(&skipped, nil, tag1) || !tbs.ReadASN1(&list, cbasn1.SEQUENCE) ||
		!tbs.ReadOptionalASN1(&extensions, &has, tag2) || !tbs.Empty() {
		return nil
	}
	q := &request{}
	for !list.Empty() {
		c, ok := readSingle(&list)
		if !ok || len(q.certs) == maxSingles {
			return nil
		}
		q.certs = append(q.certs, c)
	}
	if len(q.certs) == 0 || has && !readExtensions(extensions, q) {
		return nil
	}
	return q
}

// readVersion accepts version 1, also where DER would leave it out.
func readVersion(tbs *cryptobyte.String) bool {
	var inner cryptobyte.String
	var has bool
	var version int
	return tbs.ReadOptionalASN1(&inner, &has, tag0) && (!has || inner.ReadASN1Integer(&version) && inner.Empty() && version == 0)
}

func readSingle(list *cryptobyte.String) (c certID, ok bool) {
	var single, raw, extensions cryptobyte.String
	var has bool
	if !list.ReadASN1(&single, cbasn1.SEQUENCE) || !single.ReadASN1Element(&raw, cbasn1.SEQUENCE) ||
		!single.ReadOptionalASN1(&extensions, &has, tag0) || !single.Empty() || has && !readExtensions(extensions, nil) {
		return c, false
	}
	c.raw = string(raw)
	var id, algorithm, name, key cryptobyte.String
	var oid asn1.ObjectIdentifier
	serial := new(big.Int)
	if !raw.ReadASN1(&id, cbasn1.SEQUENCE) || !id.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&oid) ||
		!id.ReadASN1(&name, cbasn1.OCTET_STRING) || !id.ReadASN1(&key, cbasn1.OCTET_STRING) || !id.ReadASN1Integer(serial) || !id.Empty() {
		return c, false
	}
	c.issuer = newIssuerID(hashOf(oid, algorithm), name, key)
	if serial.Sign() > 0 && serial.BitLen() <= 160 {
		c.serial = authority.SerialOf(serial)
	}
	return c, true
}

// hashOf knows the hashes with parameters NULL and without any, which clients do both.
func hashOf(oid asn1.ObjectIdentifier, parameters []byte) hash {
	switch {
	case len(parameters) > 0 && !bytes.Equal(parameters, []byte{5, 0}):
		return 0
	case oid.Equal(oidSHA1):
		return hashSHA1
	case oid.Equal(oidSHA256):
		return hashSHA256
	}
	return 0
}

func newIssuerID(h hash, name, key []byte) (id issuerID) {
	if n := h.size(); n == 0 || len(name) != n || len(key) != n {
		return id
	}
	id.hash = h
	copy(id.name[:], name)
	copy(id.key[:], key)
	return id
}

// readExtensions reads the extensions of the request, or, if q is nil, of a single one in it, where none is
// known.
func readExtensions(in cryptobyte.String, q *request) bool {
	var list cryptobyte.String
	if !in.ReadASN1(&list, cbasn1.SEQUENCE) || !in.Empty() || list.Empty() {
		return false
	}
	var seen []string
	for !list.Empty() {
		var extension, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		var critical bool
		if !list.ReadASN1(&extension, cbasn1.SEQUENCE) || !extension.ReadASN1ObjectIdentifier(&oid) ||
			extension.PeekASN1Tag(cbasn1.BOOLEAN) && !extension.ReadASN1Boolean(&critical) ||
			!extension.ReadASN1(&value, cbasn1.OCTET_STRING) || !extension.Empty() {
			return false
		}
		name := oid.String()
		if slices.Contains(seen, name) || len(seen) == maxExtensions {
			return false
		}
		seen = append(seen, name)
		switch {
		case q != nil && oid.Equal(oidNonce):
			if q.nonce = readNonce(value); q.nonce == nil {
				return false
			}
		case q != nil && oid.Equal(oidAcceptableResponses):
			if critical && !acceptsBasic(value) {
				return false
			}
		case critical:
			return false
		}
	}
	return true
}

// readNonce returns nil for a length that RFC 9654, section 2.1, tells to reject.
func readNonce(value cryptobyte.String) []byte {
	var nonce cryptobyte.String
	if !value.ReadASN1(&nonce, cbasn1.OCTET_STRING) || !value.Empty() || len(nonce) == 0 || len(nonce) > maxNonce {
		return nil
	}
	return nonce
}

func acceptsBasic(value cryptobyte.String) bool {
	var list cryptobyte.String
	if !value.ReadASN1(&list, cbasn1.SEQUENCE) || !value.Empty() {
		return false
	}
	accepts := false
	for !list.Empty() {
		var oid asn1.ObjectIdentifier
		if !list.ReadASN1ObjectIdentifier(&oid) {
			return false
		}
		accepts = accepts || oid.Equal(oidBasic)
	}
	return accepts
}
