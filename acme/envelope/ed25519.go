package envelope

import (
	"crypto/ed25519"
	"math/big"
	"slices"
)

// prime is 2²⁵⁵ − 19.
var prime = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))

// curveD is the d of Edwards' equation −x² + y² = 1 + dx²y² (RFC 8032, section 5.1): −121665/121666.
var curveD = func() *big.Int {
	d := new(big.Int).ModInverse(big.NewInt(121666), prime)
	return d.Mod(d.Mul(d, big.NewInt(-121665)), prime)
}()

// soundEd25519 reports whether k is the one spelling of a point on the curve that has a large order. With one of the eight
// points whose order divides the cofactor, anybody makes signatures that verify, of any message.
func soundEd25519(k ed25519.PublicKey) bool {
	b := slices.Clone(k)
	b[len(b)-1] &= 0x7f // the sign of x
	slices.Reverse(b)
	y := new(big.Int).SetBytes(b)
	if y.Cmp(prime) >= 0 {
		return false
	}
	y2 := new(big.Int).Mul(y, y)
	y2.Mod(y2, prime)
	// x² = u/v has a solution exactly if uv is a square: v is never 0, as d is none.
	u := new(big.Int).Sub(y2, big.NewInt(1))
	v := new(big.Int).Mul(curveD, y2)
	v.Add(v, big.NewInt(1))
	uv := u.Mul(u, v)
	return big.Jacobi(uv.Mod(uv, prime), prime) == 1 && !smallOrder(y, y2)
}

// smallOrder reports whether a point has an order of 1, 2, 4 or 8. Its y is then 1, −1, 0, or solves dy⁴ + 2y² − 1 = 0:
// doubled, it must be a point whose y is 0, so x² + y² = 0 for it, and x² is −y².
func smallOrder(y, y2 *big.Int) bool {
	one := big.NewInt(1)
	if y.Sign() == 0 || y2.Cmp(one) == 0 {
		return true
	}
	s := new(big.Int).Mul(y2, y2) // y⁴
	s.Mul(s, curveD)
	s.Add(s, new(big.Int).Lsh(y2, 1))
	s.Sub(s, one)
	return s.Mod(s, prime).Sign() == 0
}
