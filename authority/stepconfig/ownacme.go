package stepconfig

import (
	"net/netip"
	"net/url"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/challenge"
	"github.com/chancery-ca/chancery/acme/server"
)

// acmeRules is what chancery.json says about ACME: for all provisioners, or for one of them. Nil and zero say nothing.
type acmeRules struct {
	*node
	challenges []acme.ChallengeType // more than in ca.json

	resolvers            []netip.AddrPort
	caa                  *bool
	scope                *challenge.Scope
	allow, deny          []netip.Prefix
	proxy                *url.URL
	httpPort, tlsPort    int
	contact              *bool
	order, authorization time.Duration
	limits               server.Limits
}

// scopes are the words for which addresses are let in.
var scopes = map[string]challenge.Scope{
	"all": challenge.PublicAndPrivate, "public": challenge.PublicOnly, "private": challenge.PrivateOnly, "listed": challenge.ListedOnly,
}

func readACMERules(s *section) *acmeRules {
	r := &acmeRules{
		node: s.node, caa: s.flag("caa"), contact: s.flag("requireContact"),
		httpPort: s.count("httpPort", 65535), tlsPort: s.count("tlsPort", 65535), order: s.positive("orderLife"), authorization: s.positive("authorizationLife"),
	}
	for key, d := range map[string]time.Duration{"orderLife": r.order, "authorizationLife": r.authorization} {
		if d > 0 && d < time.Minute {
			s.faults.add(s.at(key), "must be at least 1m")
		}
	}
	r.challenges = readChallenges(s, []acme.ChallengeType{acme.DNSAccount01, acme.DNSPersist01}, func(t acme.ChallengeType) string {
		switch t {
		case acme.HTTP01, acme.DNS01, acme.TLSALPN01, acme.DeviceAttest01:
			return "belongs in ca.json, where step's CLI sees it"
		}
		return ""
	})
	for _, n := range s.list("resolvers") {
		v, _ := n.value.(string)
		at, err := netip.ParseAddrPort(v)
		if ip, bare := netip.ParseAddr(v); bare == nil {
			at, err = netip.AddrPortFrom(ip, 53), nil
		}
		if err != nil || at.Port() == 0 {
			s.faults.add(n, `must be the address of a DNS server, such as "192.0.2.53" or "127.0.0.1:5353"`)
			continue
		}
		r.resolvers = append(r.resolvers, at)
	}
	if s.take("scope") != nil {
		v := s.str("scope")
		scope, ok := scopes[v]
		if !ok {
			s.faults.add(s.at("scope"), "%.100q is none of all, public, private and listed", v)
		}
		r.scope = &scope
	}
	r.allow, r.deny = s.prefixes("allow"), s.prefixes("deny")
	if v := s.str("proxy"); v != "" {
		u, err := url.Parse(v)
		if err == nil {
			_, err = challenge.ConnectProxy(u)
		}
		if err != nil { // which may quote a password
			s.faults.add(s.at("proxy"), "must be http://host:port")
		}
		r.proxy = u
	}
	r.limits = readACMELimits(s.section("limits"))
	s.close()
	return r
}

func readACMELimits(s *section) server.Limits {
	var l server.Limits
	for key, n := range map[string]*int{
		"identifiers": &l.Identifiers, "accounts": &l.Accounts, "orders": &l.Orders, "pendingAuthorizations": &l.PendingAuthorizations,
		"failedValidations": &l.FailedValidations, "failedFromAddress": &l.FailedFromAddress, "finalizations": &l.Finalizations,
	} {
		if s.take(key) == nil {
			continue
		}
		v := s.number(key)
		if *n = int(v); float64(*n) != v || *n == 0 || *n < -1 || *n > 1<<30 {
			s.faults.add(s.at(key), "must be a whole number above zero, or -1 for no limit")
		}
	}
	s.close()
	return l
}

// flag returns nil when the member is absent.
func (s *section) flag(key string) *bool {
	if s.take(key) == nil {
		return nil
	}
	v := s.boolean(key)
	return &v
}

func (s *section) prefixes(key string) []netip.Prefix {
	var out []netip.Prefix
	for _, n := range s.list(key) {
		v, _ := n.value.(string)
		p, err := netip.ParsePrefix(v)
		if ip, bare := netip.ParseAddr(v); bare == nil && ip.Zone() == "" {
			p, err = netip.PrefixFrom(ip, ip.BitLen()), nil
		}
		if err != nil || p.Addr().Is4In6() {
			s.faults.add(n, `must be an address or a prefix, such as "10.1.0.0/16"`)
			continue
		}
		out = append(out, p)
	}
	return out
}

// under returns what holds for a provisioner: what is said about it goes before what is said about all, and what either
// denies is denied.
func (r *acmeRules) under(all *acmeRules) acmeRules {
	var out acmeRules
	for _, r := range []*acmeRules{all, r} {
		if r == nil {
			continue
		}
		out.node = r.node
		list(&out.challenges, r.challenges)
		list(&out.resolvers, r.resolvers)
		list(&out.allow, r.allow)
		out.deny = append(out.deny, r.deny...)
		over(&out.caa, r.caa)
		over(&out.scope, r.scope)
		over(&out.contact, r.contact)
		over(&out.proxy, r.proxy)
		over(&out.httpPort, r.httpPort)
		over(&out.tlsPort, r.tlsPort)
		over(&out.order, r.order)
		over(&out.authorization, r.authorization)
		l, m := &out.limits, r.limits
		over(&l.Identifiers, m.Identifiers)
		over(&l.Accounts, m.Accounts)
		over(&l.Orders, m.Orders)
		over(&l.PendingAuthorizations, m.PendingAuthorizations)
		over(&l.FailedValidations, m.FailedValidations)
		over(&l.FailedFromAddress, m.FailedFromAddress)
		over(&l.Finalizations, m.Finalizations)
	}
	return out
}

// over and list put what is said in the place of what was said before.
func over[T comparable](dst *T, src T) {
	var nothing T
	if src != nothing {
		*dst = src
	}
}

func list[T any](dst *[]T, src []T) {
	if src != nil {
		*dst = src
	}
}
