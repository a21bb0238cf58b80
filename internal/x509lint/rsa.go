package x509lint

import (
	"crypto/rsa"
	"math/big"
)

const (
	minRSABits = 2048
	maxRSABits = 8192 // what verifying costs grows with the square
)

func rsaKey(k *rsa.PublicKey) error {
	if k == nil || k.N == nil || k.N.Sign() <= 0 {
		return problem("rsa-modulus", "the RSA key has no modulus")
	}
	switch n := k.N.BitLen(); {
	case n < minRSABits:
		return problem("rsa-too-short", "the RSA key has %d bits, at least %d are needed", n, minRSABits)
	case n > maxRSABits:
		return problem("rsa-too-long", "the RSA key has %d bits, at most %d are accepted", n, maxRSABits)
	}
	// An even exponent has no inverse, a small one forgives bad padding, a huge one costs.
	if e := int64(k.E); e < 65537 || e&1 == 0 || e >= 1<<32 {
		return problem("rsa-exponent", "the RSA key's public exponent is not an odd number from 65537 to 2^32")
	}
	if hasSmallFactor(k.N) {
		return problem("rsa-factor", "the RSA key's modulus has a small factor")
	}
	if isROCA(k.N) {
		return problem("rsa-roca", "the RSA key was made by a generator with the ROCA weakness (CVE-2017-15361)")
	}
	if hasCloseFactors(k.N) {
		return problem("rsa-close-primes", "the RSA key's modulus is the product of two primes that are too close")
	}
	return nil
}

// hasSmallFactor tries the primes below 752.
func hasSmallFactor(n *big.Int) bool {
	if n.Bit(0) == 0 {
		return true
	}
	var chunk, rem big.Int
	p := uint64(3)
	for p < 752 {
		// As many primes as fit share one long division.
		first, product := p, uint64(1)
		for ; p < 752 && product < 1<<54; p += 2 {
			if isPrime(p) {
				product *= p
			}
		}
		r := rem.Mod(n, chunk.SetUint64(product)).Uint64()
		for q := first; q < p; q += 2 {
			if product%q == 0 && r%q == 0 {
				return true
			}
		}
	}
	return false
}

func isPrime(n uint64) bool {
	for d := uint64(3); d*d <= n; d += 2 {
		if n%d == 0 {
			return false
		}
	}
	return n > 1
}

// isROCA looks for the fingerprint of moduli whose primes are k·M + (65537^a mod M) with M a product of
// small primes: modulo each of those primes, the modulus is a power of 65537. A random modulus passes
// for one with a probability of about 2^-28.
func isROCA(n *big.Int) bool {
	var mod, rem big.Int
	for p := uint64(3); p <= 167; p += 2 {
		if !isPrime(p) {
			continue
		}
		r := rem.Mod(n, mod.SetUint64(p)).Uint64()
		power, found := uint64(1), false
		for {
			if found = power == r; found {
				break
			}
			if power = power * 65537 % p; power == 1 {
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

// hasCloseFactors does the first rounds of Fermat's factorisation, which suffice for the generators
// that take the next prime after the first (CVE-2022-26320).
func hasCloseFactors(n *big.Int) bool {
	const rounds = 20
	var a, b2, b, sq big.Int
	a.Sqrt(n)
	if sq.Mul(&a, &a).Cmp(n) == 0 {
		return true
	}
	one := big.NewInt(1)
	a.Add(&a, one)
	b2.Sub(b2.Mul(&a, &a), n)
	for range rounds {
		if maybeSquare(&b2) { // the root is what costs
			b.Sqrt(&b2)
			if sq.Mul(&b, &b).Cmp(&b2) == 0 {
				return true
			}
		}
		// (a+1)² - n = a² - n + 2a + 1
		b2.Add(&b2, sq.Lsh(&a, 1))
		b2.Add(&b2, one)
		a.Add(&a, one)
	}
	return false
}

// maybeSquare looks at the remainders by 64, 63, 65 and 11. It lets every square pass, and one in a
// hundred other numbers.
func maybeSquare(n *big.Int) bool {
	const product = 63 * 65 * 11
	w := n.Bits()
	if len(w) == 0 {
		return true
	}
	if !isResidue(uint64(w[0]&63), 64) {
		return false
	}
	r := new(big.Int).Mod(n, big.NewInt(product)).Uint64()
	return isResidue(r%63, 63) && isResidue(r%65, 65) && isResidue(r%11, 11)
}

func isResidue(r, m uint64) bool {
	for i := range m {
		if i*i%m == r {
			return true
		}
	}
	return false
}
