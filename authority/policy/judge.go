package policy

import (
	"net/netip"
	"strings"
)

func (p *Policy) dns(s string) ruling {
	s = lower(s)
	if parent, ok := strings.CutPrefix(s, "*."); ok {
		if !isDNS(parent) || len(s) > 253 {
			return ruling{outcome: malformed}
		}
		if !p.wildcards {
			return ruling{outcome: wildcard}
		}
		rule, ok := p.deny.dns.touches(s)
		return p.decide(rule, ok, func() (string, bool) { return p.allow.dns.covers(s) })
	}
	if !isDNS(s) {
		return ruling{outcome: malformed}
	}
	rule, ok := p.deny.dns.find(s)
	return p.decide(rule, ok, func() (string, bool) { return p.allow.dns.find(s) })
}

func (p *Policy) ip(a netip.Addr) ruling {
	if !a.IsValid() || a.Zone() != "" {
		return ruling{outcome: malformed}
	}
	a = a.Unmap()
	rule, ok := findIP(p.deny.ip, a)
	return p.decide(rule, ok, func() (string, bool) { return findIP(p.allow.ip, a) })
}

func (p *Policy) email(s string) ruling {
	address, domain, ok := parseEmail(s)
	if !ok {
		return ruling{outcome: malformed}
	}
	rule, ok := p.deny.email.find(address, domain, true)
	return p.decide(rule, ok, func() (string, bool) { return p.allow.email.find(address, domain, false) })
}

func (p *Policy) uri(s string) ruling {
	u, ok := parseURI(s)
	if !ok {
		return ruling{outcome: malformed}
	}
	rule, ok := p.deny.uri.find(u, true)
	return p.decide(rule, ok, func() (string, bool) { return p.allow.uri.find(u, false) })
}

// commonName rules on a common name as text, and as what else it can be read as.
func (p *Policy) commonName(s string) ruling {
	for _, rule := range p.deny.cn {
		if strings.EqualFold(rule, s) {
			return ruling{denied, rule}
		}
	}
	// White space and a trailing dot make it another text, but many a reader sees the same name.
	plain := strings.TrimSuffix(strings.TrimSpace(s), ".")
	typed := p.typed(plain)
	if typed.outcome == denied || typed.outcome == wildcard {
		return typed
	}
	if p.allow.count == 0 {
		return ruling{outcome: open}
	}
	for _, rule := range p.allow.cn {
		if rule == s {
			return ruling{listed, rule}
		}
	}
	if plain == s && typed.outcome == listed {
		return typed
	}
	return ruling{outcome: unlisted}
}

// typed rules on what s can be read as, and on nothing else: the outcome of free text is malformed.
func (p *Policy) typed(s string) ruling {
	if mayBeIP(s) {
		if a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err == nil {
			return p.ip(a)
		}
	}
	if strings.Contains(s, ":") {
		return p.uri(s)
	}
	if strings.Contains(s, "@") {
		return p.email(s)
	}
	return p.dns(s)
}

// mayBeIP is a quick look before parsing, which is slow to fail.
func mayBeIP(s string) bool {
	return s != "" && (isDigits(s[len(s)-1:]) || strings.Contains(s, ":"))
}
