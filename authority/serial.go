package authority

import (
	"crypto/rand"
	"encoding/binary"
	"math/big"
	"time"

	"github.com/chancery-ca/chancery/provisioner"
)

// Serial is a certificate's serial number in its one spelling: lower-case hex without leading zeros.
type Serial string

// ParseSerial reads what people and clients write: decimal digits, or hex behind 0x.
func ParseSerial(s string) (Serial, error) {
	h, err := provisioner.ParseSerial(s)
	return Serial(h), err
}

// SerialOf returns the serial of a number, which must not be negative.
func SerialOf(n *big.Int) Serial { return Serial(n.Text(16)) }

// Int returns the number, and nil for something that is no serial.
func (s Serial) Int() *big.Int {
	n, ok := new(big.Int).SetString(string(s), 16)
	if !ok {
		return nil
	}
	return n
}

// Decimal returns the spelling that step's clients use.
func (s Serial) Decimal() string {
	if n := s.Int(); n != nil {
		return n.String()
	}
	return ""
}

// newSerial returns a serial that nobody can guess: 88 random bits behind the second of its making. The
// time makes serials rise, so that a store's index of them grows at its end instead of everywhere. The
// first octet makes each one positive, of 16 octets in DER, and as long as every other (RFC 5280,
// section 4.1.2.2, wants at most 20).
func newSerial(now time.Time) *big.Int {
	var b [16]byte
	rand.Read(b[5:]) // never fails since Go 1.24
	binary.BigEndian.PutUint32(b[1:5], uint32(now.Unix()))
	b[0] = 0x40
	return new(big.Int).SetBytes(b[:])
}
