package policy

import (
	"errors"
	"fmt"
)

// Config is what a [Policy] is made of. The zero Config has no entry, so it allows every well-formed name
// but wildcards; [Policy.Empty] tells.
type Config struct {
	Allow, Deny    Rules
	AllowWildcards bool // lets names such as "*.example.com" be judged at all; else they are refused
}

// Rules are patterns by the type of name they are for. Principals are those of SSH users: an exact name,
// or "*" for all.
type Rules struct {
	DNS, IP, Email, URI, CommonName, Principal []string
}

// PatternError is a pattern that [New] did not accept.
type PatternError struct {
	List    string // which list, and where in it, from 0: "allow.dns[3]"
	Pattern string
	Reason  string
}

func (e *PatternError) Error() string {
	return fmt.Sprintf("policy: %s: pattern %.100q %s", e.List, e.Pattern, e.Reason)
}

// New makes a Policy. The error joins a [*PatternError] for every pattern that is wrong.
func New(c Config) (*Policy, error) {
	b := builder{}
	p := &Policy{
		allow:     b.rules("allow", c.Allow),
		deny:      b.rules("deny", c.Deny),
		wildcards: c.AllowWildcards,
	}
	if err := errors.Join(b.errs...); err != nil {
		return nil, err
	}
	return p, nil
}

// rules are compiled Rules. They are not written to after New.
type rules struct {
	dns       dnsRules
	ip        []ipRule
	email     emailRules
	uri       uriRules
	cn        []string
	principal []string
	count     int
}

type builder struct{ errs []error }

func (b *builder) rules(list string, r Rules) rules {
	var out rules
	b.each(list+".dns", r.DNS, out.dns.add)
	b.each(list+".ip", r.IP, func(s string) string {
		rule, reason := parseIPRule(s)
		out.ip = append(out.ip, rule)
		return reason
	})
	b.each(list+".email", r.Email, out.email.add)
	b.each(list+".uri", r.URI, out.uri.add)
	b.each(list+".cn", r.CommonName, func(s string) string {
		out.cn = append(out.cn, s)
		if s == "" {
			return "is empty"
		}
		return ""
	})
	b.each(list+".principal", r.Principal, func(s string) string {
		out.principal = append(out.principal, s)
		if !isPrincipal(s) {
			return "is no principal"
		}
		return ""
	})
	out.count = len(r.DNS) + len(r.IP) + len(r.Email) + len(r.URI) + len(r.CommonName) + len(r.Principal)
	return out
}

// each adds every pattern of a list. add says what is wrong with a pattern, or "".
func (b *builder) each(list string, patterns []string, add func(string) string) {
	for i, s := range patterns {
		if reason := add(s); reason != "" {
			b.errs = append(b.errs, &PatternError{List: fmt.Sprintf("%s[%d]", list, i), Pattern: s, Reason: reason})
		}
	}
}
