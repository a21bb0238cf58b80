package crl

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/chancery-ca/chancery/authority"
)

// list is a TBSCertList (RFC 5280, section 5.1.2) in the making. Entries are appended to one buffer as they
// come, behind room for what is before them and depends on their length.
type list struct {
	buf     []byte
	head    []byte // version to nextUpdate
	room    int
	entries int
}

// Sizes that memory is asked for by.
const (
	entrySize    = 52 // of an entry with a serial of 16 octets and a reason; others make up for longer ones
	maxHeader    = 6  // of an identifier and a length
	maxSerialHex = 2 * 20
)

// newList begins a list that is expected to get about so many entries. algorithm and issuer are DER.
func newList(algorithm, issuer []byte, thisUpdate, nextUpdate time.Time, entries int) *list {
	head := append([]byte{byte(cbasn1.INTEGER), 1, 1}, algorithm...) // v2
	head = appendTime(appendTime(append(head, issuer...), thisUpdate), nextUpdate)
	l := &list{head: head, room: len(head) + 2*maxHeader}
	l.buf = make([]byte, l.room, l.room+entries*entrySize+1024)
	return l
}

// add appends an entry. Its error is a serial that is none.
func (l *list) add(c *authority.Change) error {
	start := len(l.buf)
	b, err := appendSerial(append(l.buf, byte(cbasn1.SEQUENCE), 0), c.Serial)
	if err != nil {
		return err
	}
	b = appendTime(b, c.At)
	// Unspecified is said by saying nothing (section 5.3.1), and so is what is no reason.
	if r := c.ReasonCode; r > 0 && r <= 10 && r != 7 {
		b = append(b, 0x30, 0x0c, 0x30, 0x0a, 0x06, 0x03, 0x55, 0x1d, 0x15, 0x04, 0x03, 0x0a, 0x01, byte(r))
	}
	b[start+1] = byte(len(b) - start - 2) // never reaches 128: 2+21, 2+15 and 14
	l.buf = b
	l.entries++
	return nil
}

// serials calls f with the serial of each entry.
func (l *list) serials(f func(authority.Serial)) {
	in := cryptobyte.String(l.buf[l.room:])
	for !in.Empty() {
		var entry, serial cryptobyte.String
		if !in.ReadASN1(&entry, cbasn1.SEQUENCE) || !entry.ReadASN1(&serial, cbasn1.INTEGER) {
			return
		}
		f(authority.Serial(strings.TrimLeft(hex.EncodeToString(serial), "0")))
	}
}

// finish returns the DER. extensions is the content of the SEQUENCE. The list cannot be used any more.
func (l *list) finish(extensions []byte) []byte {
	b, start := l.buf, l.room
	prepend := func(p []byte) {
		start -= len(p)
		copy(b[start:], p)
	}
	if l.entries > 0 { // an empty list is absent (section 5.1.2.6)
		prepend(header(cbasn1.SEQUENCE, len(b)-start))
	}
	prepend(l.head)
	inner := header(cbasn1.SEQUENCE, len(extensions))
	b = append(b, header(cbasn1.Tag(0).ContextSpecific().Constructed(), len(inner)+len(extensions))...)
	b = append(append(b, inner...), extensions...)
	prepend(header(cbasn1.SEQUENCE, len(b)-start))
	return b[start:]
}

// header returns an identifier and a length.
func header(tag cbasn1.Tag, n int) []byte {
	if n < 0x80 {
		return []byte{byte(tag), byte(n)}
	}
	var octets []byte
	for v := n; v > 0; v >>= 8 {
		octets = append([]byte{byte(v)}, octets...)
	}
	return append([]byte{byte(tag), 0x80 | byte(len(octets))}, octets...)
}

// appendSerial writes an INTEGER from a serial's one spelling.
func appendSerial(b []byte, s authority.Serial) ([]byte, error) {
	if s == "" || len(s) > maxSerialHex || s[0] == '0' {
		return nil, fmt.Errorf("crl: %.50q is not a serial", string(s))
	}
	n := (len(s) + 1) / 2
	at := len(b)
	b = append(b, byte(cbasn1.INTEGER), byte(n))
	value := byte(0)
	for i := range len(s) {
		d := strings.IndexByte("0123456789abcdef", s[i])
		if d < 0 {
			return nil, fmt.Errorf("crl: %.50q is not a serial", string(s))
		}
		if value = value<<4 | byte(d); (len(s)-i)%2 == 1 {
			if len(b) == at+2 && value >= 0x80 { // it would be negative
				b[at+1]++
				b = append(b, 0)
			}
			b = append(b, value)
			value = 0
		}
	}
	return b, nil
}

// appendTime writes a Time: UTCTime from 1950 to 2049, GeneralizedTime after it (section 5.1.2.4). A year
// that neither can say becomes the nearest that they can, because a list that is not made protects nobody.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	switch {
	case t.Year() < 1950:
		t = time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC)
	case t.Year() > 9999:
		t = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	}
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	if year < 2050 {
		b = append(b, byte(cbasn1.UTCTime), 13)
	} else {
		b = two(append(b, byte(cbasn1.GeneralizedTime), 15), year/100)
	}
	for _, v := range [...]int{year % 100, int(month), day, hour, minute, second} {
		b = two(b, v)
	}
	return append(b, 'Z')
}

func two(b []byte, v int) []byte { return append(b, byte('0'+v/10), byte('0'+v%10)) }
