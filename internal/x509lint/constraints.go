package x509lint

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// constraints are the name constraints of one CA: RFC 5280, section 4.2.1.10.
//
// Verifiers differ about a host constraint without a leading dot, for e-mail addresses and URIs: by the
// RFC it is that host alone, to Go all below it as well. So permitting takes the narrow reading, and
// excluding the wide one.
type constraints struct {
	by                  string
	permitted, excluded subtrees
}

type subtrees struct {
	dns   []string // lower case
	ip    []netip.Prefix
	email []string // hosts in lower case, or mailboxes with the domain in lower case
	uri   []string // lower case
	dir   []pkix.RDNSequence
	other uint16 // one bit for each other tag that occurs
}

// newConstraints returns nil for a CA that has none.
func newConstraints(c *x509.Certificate) (*constraints, error) {
	nc := &constraints{by: nameOf(c)}
	nc.permitted = newSubtrees(c.PermittedDNSDomains, c.PermittedEmailAddresses, c.PermittedURIDomains, c.PermittedIPRanges)
	nc.excluded = newSubtrees(c.ExcludedDNSDomains, c.ExcludedEmailAddresses, c.ExcludedURIDomains, c.ExcludedIPRanges)
	for _, e := range c.Extensions {
		if e.Id.Equal(oidOf(extNameConstraints)) {
			return nc, nc.parse(e.Value)
		}
	}
	return nil, nil
}

func newSubtrees(dns, email, uri []string, ip []*net.IPNet) subtrees {
	var s subtrees
	for _, d := range dns {
		s.dns = append(s.dns, lower(d))
	}
	for _, d := range uri {
		s.uri = append(s.uri, lower(d))
	}
	for _, e := range email {
		s.email = append(s.email, lowerDomain(e))
	}
	for _, n := range ip {
		if a, ok := netip.AddrFromSlice(n.IP); ok {
			ones, _ := n.Mask.Size()
			s.ip = append(s.ip, netip.PrefixFrom(a, ones).Masked())
		}
	}
	return s
}

// parse reads from the extension what x509.Certificate has no fields for.
func (nc *constraints) parse(der []byte) error {
	var ext struct {
		Permitted []subtree `asn1:"optional,tag:0"`
		Excluded  []subtree `asn1:"optional,tag:1"`
	}
	if rest, err := asn1.Unmarshal(der, &ext); err != nil || len(rest) > 0 {
		return problem("issuer-constraints", "%s has name constraints that are malformed", nc.by)
	}
	if err := nc.permitted.add(nc.by, ext.Permitted); err != nil {
		return err
	}
	return nc.excluded.add(nc.by, ext.Excluded)
}

type subtree struct {
	Base asn1.RawValue
	Min  int `asn1:"optional,tag:0,default:0"`
	Max  int `asn1:"optional,tag:1,default:-1"`
}

func (s *subtrees) add(by string, list []subtree) error {
	for _, t := range list {
		if t.Base.Class != asn1.ClassContextSpecific || t.Base.Tag > 8 || t.Min != 0 || t.Max > -1 {
			return problem("issuer-constraints", "%s has name constraints that are malformed", by)
		}
		switch t.Base.Tag {
		case nameEmail, nameDNS, nameURI, nameIP:
		case nameDir:
			dn, err := parseDN(t.Base.Bytes)
			if err != nil {
				return problem("issuer-constraints", "%s has a name constraint with a directory name that is none", by)
			}
			s.dir = append(s.dir, dn)
		default:
			s.other |= 1 << t.Base.Tag
		}
	}
	return nil
}

// check refuses a leaf that has a name outside what is permitted, or inside what is excluded.
func (nc *constraints) check(c *x509.Certificate, n *altNames) error {
	for _, ip := range c.IPAddresses {
		a, ok := netip.AddrFromSlice(plainIP(ip))
		if !ok || !judge(nc.permitted.ip, nc.excluded.ip, a, netip.Prefix.Contains, netip.Prefix.Contains) {
			return nc.refuse("ip", ip)
		}
	}
	for _, d := range c.DNSNames {
		if !nc.allowsDNS(d) {
			return nc.refuse("dns", d)
		}
	}
	// With no DNS name beside it, OpenSSL takes a common name for one.
	if cn := c.Subject.CommonName; len(c.DNSNames) == 0 && strings.Contains(cn, ".") && DNSName(cn, true) == nil && !nc.allowsDNS(cn) {
		return nc.refuse("dns", cn)
	}
	for _, e := range c.EmailAddresses {
		if !nc.allowsEmail(e) {
			return nc.refuse("email", e)
		}
	}
	for _, u := range c.URIs {
		host, ok := uriDNS(u)
		if !ok || !judge(nc.permitted.uri, nc.excluded.uri, host, onlyHost, within) {
			return nc.refuse("uri", u)
		}
	}
	return nc.checkDN(c, n)
}

func (nc *constraints) allowsDNS(d string) bool {
	d = lower(d)
	return judge(nc.permitted.dns, nc.excluded.dns, d, within, intersects)
}

func (nc *constraints) allowsEmail(e string) bool {
	e = lowerDomain(e)
	return judge(nc.permitted.email, nc.excluded.email, e, onlyMailbox, mailbox)
}

func (nc *constraints) refuse(kind string, name any) error {
	return problem("name-constraints-"+kind, "the name constraints of %s do not allow %.300q", nc.by, fmt.Sprint(name))
}

// judge reports whether a name is permitted, where anything is, and not excluded.
func judge[C, N any](permitted, excluded []C, name N, permits, excludes func(C, N) bool) bool {
	for _, c := range excluded {
		if excludes(c, name) {
			return false
		}
	}
	for _, c := range permitted {
		if permits(c, name) {
			return true
		}
	}
	return len(permitted) == 0
}

// within reports whether name is base or below it. With a leading dot, only what is below.
func within(base, name string) bool {
	if base == "" {
		return true
	}
	rest, ok := strings.CutSuffix(name, base)
	if !ok {
		return false
	}
	if base[0] == '.' {
		return rest != ""
	}
	return rest == "" || rest[len(rest)-1] == '.'
}

// intersects is within, and true as well of a wildcard that stands for base among others.
func intersects(base, name string) bool {
	if within(base, name) {
		return true
	}
	parent, ok := strings.CutPrefix(name, "*")
	if !ok {
		return false
	}
	i := strings.IndexByte(base, '.')
	return i >= 0 && base[i:] == parent
}

// onlyHost is within by the letter of the RFC for e-mail addresses and URIs: without a leading dot, base
// is one host.
func onlyHost(base, host string) bool {
	return base == "" || base == host || base[0] == '.' && within(base, host)
}

func onlyMailbox(base, address string) bool {
	if strings.Contains(base, "@") {
		return base == address
	}
	return onlyHost(base, address[strings.LastIndexByte(address, '@')+1:])
}

func mailbox(base, address string) bool {
	if strings.Contains(base, "@") {
		return base == address
	}
	return within(base, address[strings.LastIndexByte(address, '@')+1:])
}

// uriDNS returns the host that constraints are held against. A URI without one, or with an IP address,
// is acceptable to no CA that has any constraints at all.
func uriDNS(u *url.URL) (string, bool) {
	if u == nil {
		return "", false
	}
	host := lower(u.Hostname())
	if host == "" || strings.HasPrefix(u.Host, "[") {
		return "", false
	}
	_, err := netip.ParseAddr(host)
	return host, err != nil
}

func lower(s string) string {
	for i := range len(s) {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			return strings.ToLower(s)
		}
	}
	return s
}

func lowerDomain(s string) string {
	at := strings.LastIndexByte(s, '@')
	if d := s[at+1:]; lower(d) != d {
		return s[:at+1] + lower(d)
	}
	return s
}
