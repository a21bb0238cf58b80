package x509lint

import (
	"strings"
	"unicode/utf8"
)

// isPunycode reports whether s, what follows "xn--", decodes by RFC 3492, section 6.2, to something that
// is not all ASCII. Whether IDNA allows the characters is not looked at.
func isPunycode(s string) bool {
	const base, tmin, tmax, skew, damp, maxRune = 36, 1, 26, 38, 700, utf8.MaxRune
	out, n, bias, i := 0, 128, 72, 0
	if d := strings.LastIndexByte(s, '-'); d >= 0 {
		out, s = d, s[d+1:]
	}
	if s == "" {
		return false
	}
	for s != "" {
		was, w := i, 1
		for k := base; ; k += base {
			if s == "" {
				return false
			}
			d := punyDigit(s[0])
			if s = s[1:]; d < 0 {
				return false
			}
			if i += d * w; i > maxRune*64 {
				return false
			}
			t := min(max(k-bias, tmin), tmax)
			if d < t {
				break
			}
			w *= base - t
			if w > maxRune*64 {
				return false
			}
		}
		out++
		delta := (i - was) / 2
		if was == 0 {
			delta = (i - was) / damp
		}
		delta += delta / out
		k := 0
		for ; delta > (base-tmin)*tmax/2; k += base {
			delta /= base - tmin
		}
		bias = k + (base-tmin+1)*delta/(delta+skew)
		n += i / out
		if !utf8.ValidRune(rune(n)) {
			return false
		}
		i = i%out + 1
	}
	return true
}

func punyDigit(c byte) int {
	switch {
	case isDigit(c):
		return int(c-'0') + 26
	case 'a' <= c && c <= 'z':
		return int(c - 'a')
	case 'A' <= c && c <= 'Z':
		return int(c - 'A')
	}
	return -1
}
