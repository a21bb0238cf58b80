package provisioner

import (
	"fmt"
	"math/big"
	"strings"
)

// ParseSerial reads a certificate's serial number as clients write it, in decimal or in hex behind 0x,
// and returns lower-case hex without leading zeros. Anything else is an error, a sign, more than 20
// octets, and a decimal number that begins with a zero included: some would read it as octal.
func ParseSerial(s string) (string, error) {
	digits, base := s, 10
	if h, ok := strings.CutPrefix(strings.ToLower(s), "0x"); ok {
		digits, base = h, 16
	}
	if digits == "" || len(digits) > 49 || digits[0] == '+' || digits[0] == '-' || strings.Contains(digits, "_") ||
		(base == 10 && digits[0] == '0') {
		return "", fmt.Errorf("provisioner: %.60q is no serial number", s)
	}
	n, ok := new(big.Int).SetString(digits, base)
	if !ok || n.Sign() <= 0 || n.BitLen() > 160 {
		return "", fmt.Errorf("provisioner: %.60q is no serial number", s)
	}
	return n.Text(16), nil
}
