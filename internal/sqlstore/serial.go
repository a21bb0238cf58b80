package sqlstore

import (
	"encoding/hex"
	"errors"

	"github.com/chancery-ca/chancery/authority"
)

var errSerial = errors.New("sqlstore: the record's serial is not one")

// serialBytes returns a serial as the database keeps it.
func serialBytes(s authority.Serial) ([]byte, error) {
	if len(s) == 0 || len(s) > 40 || s[0] == '0' {
		return nil, errSerial
	}
	b := make([]byte, (len(s)+1)/2)
	for i := range len(s) {
		c := s[len(s)-1-i]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		default:
			return nil, errSerial
		}
		b[len(b)-1-i/2] |= c << (4 * (i % 2))
	}
	return b, nil
}

func serialOf(b []byte) authority.Serial {
	s := hex.EncodeToString(b)
	if len(s) > 0 && s[0] == '0' {
		s = s[1:]
	}
	return authority.Serial(s)
}
