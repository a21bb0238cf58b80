package policy

import (
	"net/netip"
	"strings"
)

// ipRule is a network, of one address perhaps, and how it was written.
type ipRule struct {
	prefix  netip.Prefix
	pattern string
}

func parseIPRule(pattern string) (ipRule, string) {
	r := ipRule{pattern: pattern}
	if a, err := netip.ParseAddr(pattern); err == nil {
		if a.Zone() != "" {
			return r, "has a zone, which no certificate can carry"
		}
		a = a.Unmap()
		r.prefix = netip.PrefixFrom(a, a.BitLen())
		return r, ""
	}
	p, err := netip.ParsePrefix(pattern)
	if err != nil {
		return r, "is neither an IP address nor a network in CIDR notation"
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return r, "is an IPv4-mapped network: write it as IPv4"
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	r.prefix = p.Masked()
	return r, ""
}

func findIP(rules []ipRule, a netip.Addr) (string, bool) {
	for i := range rules {
		if rules[i].prefix.Contains(a) {
			return rules[i].pattern, true
		}
	}
	return "", false
}

// emailRules finds the rule for an address. The keys have the domain in lower case.
type emailRules struct {
	domain map[string]string // "@x", by x
	exact  map[string]string // by address
	folded map[string]string // by address in lower case, for denying
}

// add takes a pattern in, or says what is wrong with it.
func (r *emailRules) add(pattern string) string {
	at := strings.LastIndexByte(pattern, '@')
	if at < 0 {
		return `has no at sign: write "@domain" for every address of a domain`
	}
	local, domain := pattern[:at], lower(pattern[at+1:])
	if reason := badDNSPattern(domain); reason != "" {
		return "has a domain that " + reason
	}
	if local == "" {
		put(&r.domain, domain, pattern)
		return ""
	}
	if local == "*" {
		return `has a star: write "@domain" for every address of a domain`
	}
	if !isLocalPart(local) {
		return "has a local part that is not plain ASCII without quotes"
	}
	put(&r.exact, local+"@"+domain, pattern)
	put(&r.folded, lower(pattern), pattern)
	return ""
}

// find returns the rule that an address with its domain in lower case matches. Folding disregards the
// case of the local part.
func (r *emailRules) find(address, domain string, fold bool) (string, bool) {
	if rule, ok := r.domain[domain]; ok {
		return rule, true
	}
	if fold {
		if len(r.folded) == 0 {
			return "", false
		}
		rule, ok := r.folded[lower(address)]
		return rule, ok
	}
	rule, ok := r.exact[address]
	return rule, ok
}

// parseEmail returns an address with its domain in lower case, and that domain.
func parseEmail(s string) (address, domain string, ok bool) {
	at := strings.LastIndexByte(s, '@')
	if at < 0 || !isLocalPart(s[:at]) || !isDNS(s[at+1:]) {
		return "", "", false
	}
	domain = lower(s[at+1:])
	if domain == s[at+1:] {
		return s, domain, true
	}
	return s[:at+1] + domain, domain, true
}

// isLocalPart takes RFC 5321's Dot-string, and dots anywhere. A Quoted-string would be a second
// spelling of the same mailbox.
func isLocalPart(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),:;<>@[\]`, c) >= 0 {
			return false
		}
	}
	return true
}
