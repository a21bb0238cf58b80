package policy

import (
	"fmt"
	"net/netip"
)

// Policy allows and denies names. It does not change after [New] and is safe for concurrent use; nil
// allows everything.
type Policy struct {
	allow, deny rules
	wildcards   bool
}

// Names are what a certificate is to carry.
type Names struct {
	CommonName string
	DNS        []string
	IPs        []netip.Addr
	Emails     []string
	URIs       []string
	Principals []string // of SSH users, those that are no e-mail addresses
}

// Verdict is what a policy says about one name.
type Verdict struct {
	Kind    string // "cn", "dns", "ip", "email", "uri" or "principal"
	Name    string
	Allowed bool
	Rule    string // the pattern that decided; empty: none did
	Reason  string // one sentence
}

// Denial is why [Policy.Check] said no.
type Denial struct {
	Kind   string // "cn", "dns", "ip", "email", "uri" or "principal"
	Name   string
	Rule   string // the pattern that denied; empty: none allowed
	Code   string // "policy-" and the kind
	Reason string // one sentence, names the name
}

func (d *Denial) Error() string { return "policy: " + d.Reason }

// Empty reports whether there are no entries at all.
func (p *Policy) Empty() bool { return p == nil || p.allow.count+p.deny.count == 0 }

// Check returns nil when every name is allowed, else a [*Denial] for the first that is not, in the order
// of the fields of Names.
func (p *Policy) Check(n Names) error {
	if p == nil {
		return nil
	}
	var denial *Denial
	p.judge(n, func(kind, name string, a netip.Addr, r ruling) bool {
		if r.allowed() {
			return true
		}
		if kind == kindIP {
			name = a.String()
		}
		denial = &Denial{Kind: kind, Name: name, Rule: r.rule, Code: "policy-" + kind, Reason: r.reason(kind, name)}
		return false
	})
	if denial == nil {
		return nil
	}
	return denial
}

// Explain returns a verdict for every name, in the order of the fields of Names.
func (p *Policy) Explain(n Names) []Verdict {
	var out []Verdict
	none := p == nil
	if none {
		p = &Policy{}
	}
	p.judge(n, func(kind, name string, a netip.Addr, r ruling) bool {
		if none {
			r = ruling{outcome: open}
		}
		if kind == kindIP {
			name = a.String()
		}
		out = append(out, Verdict{Kind: kind, Name: name, Allowed: r.allowed(), Rule: r.rule, Reason: r.reason(kind, name)})
		return true
	})
	return out
}

const (
	kindCN    = "cn"
	kindDNS   = "dns"
	kindIP    = "ip"
	kindEmail = "email"
	kindURI   = "uri"

	kindPrincipal = "principal"
)

// judge rules on every name until yield says false. The address is given for kindIP only.
func (p *Policy) judge(n Names, yield func(kind, name string, a netip.Addr, r ruling) bool) {
	if n.CommonName != "" && !yield(kindCN, n.CommonName, netip.Addr{}, p.commonName(n.CommonName)) {
		return
	}
	for _, s := range n.DNS {
		if !yield(kindDNS, s, netip.Addr{}, p.dns(s)) {
			return
		}
	}
	for _, a := range n.IPs {
		if !yield(kindIP, "", a, p.ip(a)) {
			return
		}
	}
	for _, s := range n.Emails {
		if !yield(kindEmail, s, netip.Addr{}, p.email(s)) {
			return
		}
	}
	for _, s := range n.URIs {
		if !yield(kindURI, s, netip.Addr{}, p.uri(s)) {
			return
		}
	}
	for _, s := range n.Principals {
		if !yield(kindPrincipal, s, netip.Addr{}, p.principal(s)) {
			return
		}
	}
}

// outcome is how a name fared.
type outcome int

const (
	malformed outcome = iota // it is not a name of its type
	wildcard                 // it is one, and wildcards are off
	denied                   // a deny entry matches
	unlisted                 // there are allow entries, and none matches
	listed                   // an allow entry matches
	open                     // there are no allow entries, and nothing denies it
)

// ruling is an outcome with the pattern that led to it, if one did.
type ruling struct {
	outcome outcome
	rule    string
}

func (r ruling) allowed() bool { return r.outcome == listed || r.outcome == open }

func (r ruling) reason(kind, name string) string {
	if kind == kindCN {
		kind = "common"
	}
	what := fmt.Sprintf("%s name %.253q", kind, name)
	if kind == kindPrincipal {
		what = fmt.Sprintf("principal %.253q", name)
	}
	switch r.outcome {
	case wildcard:
		return what + " is a wildcard, which the policy does not allow"
	case denied:
		return fmt.Sprintf("%s is denied by %.253q", what, r.rule)
	case unlisted:
		return what + " is not in any allow list"
	case listed:
		return fmt.Sprintf("%s is allowed by %.253q", what, r.rule)
	case open:
		return what + " is not denied, and there is no allow list"
	}
	return what + " is not well-formed"
}

// decide puts the answers of a deny list and an allow list together. allow is only called when needed.
func (p *Policy) decide(rule string, isDenied bool, allow func() (string, bool)) ruling {
	if isDenied {
		return ruling{denied, rule}
	}
	if p.allow.count == 0 {
		return ruling{outcome: open}
	}
	if rule, ok := allow(); ok {
		return ruling{listed, rule}
	}
	return ruling{outcome: unlisted}
}
