package challenge

import (
	"crypto/sha256"
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidSAN            = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidACMEIdentifier = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31} // RFC 8737, section 6.1
)

// Tags of GeneralName (RFC 5280, section 4.2.1.6).
var (
	tagDNS = cbasn1.Tag(2).ContextSpecific()
	tagIP  = cbasn1.Tag(7).ContextSpecific()
)

// generalName is one, its value as it is encoded.
type generalName struct {
	tag   cbasn1.Tag
	value string
}

// soleName reads a subjectAltName that has one name and nothing else.
func soleName(der []byte) (generalName, bool) {
	in := cryptobyte.String(der)
	var seq, value cryptobyte.String
	var tag cbasn1.Tag
	ok := in.ReadASN1(&seq, cbasn1.SEQUENCE) && in.Empty() && seq.ReadAnyASN1(&value, &tag) && seq.Empty()
	return generalName{tag, string(value)}, ok
}

// parseACMEIdentifier reads the value of the acmeIdentifier extension: an OCTET STRING of 32 bytes.
func parseACMEIdentifier(der []byte) ([sha256.Size]byte, bool) {
	in := cryptobyte.String(der)
	var octets cryptobyte.String
	var out [sha256.Size]byte
	ok := in.ReadASN1(&octets, cbasn1.OCTET_STRING) && in.Empty() && octets.CopyBytes(out[:]) && octets.Empty()
	return out, ok
}
