package sqlstore

import (
	"bytes"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// splitDER returns the TBS of a certificate, and what the database keeps beside it. The TBS is nil for
// something that joinDER would not put together again byte by byte.
func splitDER(der []byte) (tbs, rest []byte) {
	s := cryptobyte.String(der)
	var inner, first cryptobyte.String
	if s.ReadASN1(&inner, asn1.SEQUENCE) && s.Empty() && inner.ReadASN1Element(&first, asn1.SEQUENCE) {
		rest = append(make([]byte, 1, 1+len(inner)), inner...)
		if bytes.Equal(joinDER(first, rest), der) {
			return first, rest
		}
	}
	return nil, wholeDER(der)
}

func wholeDER(der []byte) []byte { return append([]byte{1}, der...) }

func joinDER(tbs, kept []byte) []byte {
	if len(kept) == 0 {
		return nil
	}
	if kept[0] == 1 {
		return kept[1:]
	}
	n := len(tbs) + len(kept) - 1
	der := make([]byte, 0, n+6)
	switch {
	case n < 0x80:
		der = append(der, 0x30, byte(n))
	case n < 0x100:
		der = append(der, 0x30, 0x81, byte(n))
	case n < 0x10000:
		der = append(der, 0x30, 0x82, byte(n>>8), byte(n))
	default:
		der = append(der, 0x30, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	return append(append(der, tbs...), kept[1:]...)
}
