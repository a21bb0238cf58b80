package policy

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// principal judges a principal by exact match: accounts differ by case.
func (p *Policy) principal(s string) ruling {
	if !isPrincipal(s) || s == "*" {
		return ruling{outcome: malformed}
	}
	rule, ok := findPrincipal(p.deny.principal, s)
	return p.decide(rule, ok, func() (string, bool) { return findPrincipal(p.allow.principal, s) })
}

func isPrincipal(s string) bool {
	return s != "" && len(s) <= 253 && utf8.ValidString(s) && !strings.ContainsRune(s, ',') && !strings.ContainsFunc(s, unicode.IsControl)
}

func findPrincipal(rules []string, s string) (string, bool) {
	if slices.Contains(rules, s) {
		return s, true
	}
	if slices.Contains(rules, "*") {
		return "*", true
	}
	return "", false
}
