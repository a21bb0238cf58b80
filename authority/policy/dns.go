package policy

import (
	"net/netip"
	"strings"
)

// dnsRules finds the rule for a name in as many look-ups as the name has labels, however long the list.
// The keys are in lower case; the values are the patterns as they were written.
type dnsRules struct {
	exact map[string]string // by name
	one   map[string]string // "*.x", by x
	deep  map[string]string // "**.x", by x
	child map[string]string // exact names again, by what follows their first label
}

// add takes a pattern in, or says what is wrong with it.
func (r *dnsRules) add(pattern string) string {
	s, into := lower(pattern), &r.exact
	if rest, ok := strings.CutPrefix(s, "**."); ok {
		s, into = rest, &r.deep
	} else if rest, ok := strings.CutPrefix(s, "*."); ok {
		s, into = rest, &r.one
	}
	if reason := badDNSPattern(s); reason != "" {
		return reason
	}
	put(into, s, pattern)
	if _, parent, ok := strings.Cut(s, "."); ok && into == &r.exact {
		put(&r.child, parent, pattern)
	}
	return ""
}

func badDNSPattern(s string) string {
	switch {
	case s == "":
		return "is empty"
	case s == "*" || s == "**":
		return "stands for every name, which no pattern does: name the domains"
	case s[0] == '.':
		return `begins with a dot: write "**." for any depth, "*." for one label`
	case s[len(s)-1] == '.':
		return "ends with a dot: leave it out"
	case strings.Contains(s, "*"):
		return `has a star that is not a leading "*." or "**."`
	case !isASCII(s):
		return "is not ASCII: write its A-labels (xn--…)"
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return "is an IP address: it belongs in the ip list"
	}
	if !isDNS(s) {
		return "is not a DNS name"
	}
	return ""
}

// find returns the rule that a name in lower case, which is no wildcard, matches.
func (r *dnsRules) find(name string) (string, bool) {
	if rule, ok := r.exact[name]; ok {
		return rule, true
	}
	return r.findParent(name)
}

// covers returns the rule that every name under the wildcard "*.parent" matches.
func (r *dnsRules) covers(wildcard string) (string, bool) { return r.findParent(wildcard) }

// touches returns a rule that any name under the wildcard "*.parent" could match.
func (r *dnsRules) touches(wildcard string) (string, bool) {
	if rule, ok := r.child[wildcard[len("*."):]]; ok {
		return rule, true
	}
	return r.findParent(wildcard)
}

func (r *dnsRules) findParent(name string) (string, bool) {
	_, parent, ok := strings.Cut(name, ".")
	if !ok {
		return "", false
	}
	if rule, ok := r.one[parent]; ok {
		return rule, true
	}
	if len(r.deep) == 0 {
		return "", false
	}
	for ; ok; _, parent, ok = strings.Cut(parent, ".") {
		if rule, ok := r.deep[parent]; ok {
			return rule, true
		}
	}
	return "", false
}

// isDNS reports whether s is a name of labels of letters, digits, hyphens and underscores, in the
// lengths of RFC 1035, section 2.3.4. It takes no wildcard and no trailing dot.
func isDNS(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	start := 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			if !isLabelByte(s[i]) {
				return false
			}
			continue
		}
		if n := i - start; n == 0 || n > 63 || s[start] == '-' || s[i-1] == '-' {
			return false
		}
		start = i + 1
	}
	return true
}

func isLabelByte(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || c == '-' || c == '_'
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// lower lowers the case of ASCII letters and copies only when there are any.
func lower(s string) string {
	for i := range len(s) {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if c := b[i]; 'A' <= c && c <= 'Z' {
					b[i] = c + ('a' - 'A')
				}
			}
			return string(b)
		}
	}
	return s
}

// put adds to a map that may not exist yet. The first of two patterns that mean the same stays.
func put(m *map[string]string, key, pattern string) {
	if *m == nil {
		*m = map[string]string{}
	}
	if _, ok := (*m)[key]; !ok {
		(*m)[key] = pattern
	}
}
