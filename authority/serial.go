package authority

import (
	"crypto/rand"
	"math/big"

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

// newSerial draws 126 random bits behind a leading 01, so that each serial is positive, has 16 octets
// in DER, and the same length as every other (RFC 5280, section 4.1.2.2, wants at most 20).
func newSerial() *big.Int {
	var b [16]byte
	rand.Read(b[:]) // never fails since Go 1.24
	b[0] = b[0]&0x3f | 0x40
	return new(big.Int).SetBytes(b[:])
}
