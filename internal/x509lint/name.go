package x509lint

import (
	"crypto/x509"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

const (
	maxDNS    = 253
	maxLabel  = 63
	maxLocal  = 64
	maxEmail  = 254
	maxURI    = 2048
	maxNames  = 1000
	maxCNRune = 64 // ub-common-name of RFC 5280, appendix A.1
)

// DNSName refuses what is not a DNS name in ASCII: labels of letters, digits, hyphens and underscores,
// 63 bytes each and 253 together, without a trailing dot. One label is enough. With wildcard, the first
// label may be a star.
func DNSName(s string, wildcard bool) error {
	name := s
	if rest, ok := strings.CutPrefix(s, "*."); ok {
		if !wildcard {
			return problem("dns-wildcard", "DNS name %.300q is a wildcard", s)
		}
		name = rest
	}
	switch {
	case name == "":
		return problem("dns-empty", "a DNS name is empty")
	case len(s) > maxDNS:
		return problem("dns-too-long", "DNS name %.300q is longer than %d bytes", s, maxDNS)
	case name[len(name)-1] == '.':
		return problem("dns-trailing-dot", "DNS name %.300q ends with a dot", s)
	}
	last := name
	for rest, more := name, true; more; {
		last, rest, more = strings.Cut(rest, ".")
		if what := badLabel(last); what != "" {
			return problem("dns-label", "DNS name %.300q has a label that %s", s, what)
		}
	}
	if isNumber(last) {
		return problem("dns-numeric", "DNS name %.300q ends like an IP address", s)
	}
	return nil
}

func badLabel(l string) string {
	switch {
	case l == "":
		return "is empty"
	case len(l) > maxLabel:
		return "is longer than 63 bytes"
	case l[0] == '-' || l[len(l)-1] == '-':
		return "begins or ends with a hyphen"
	}
	for i := range len(l) {
		c := l[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c) || c == '-' || c == '_') {
			return "holds a character other than letters, digits, hyphens and underscores"
		}
	}
	if len(l) >= 4 && strings.EqualFold(l[:4], "xn--") && !isPunycode(l[4:]) {
		return "is no A-label"
	}
	return ""
}

// isNumber reports whether a last label reads as a number to those who take numbers for IPv4 addresses.
func isNumber(l string) bool {
	if len(l) > 2 && (l[:2] == "0x" || l[:2] == "0X") {
		_, err := strconv.ParseUint(l[2:], 16, 64)
		return err == nil || len(l) > 18 && strings.Trim(l[2:], "0123456789abcdefABCDEF") == ""
	}
	for i := range len(l) {
		if !isDigit(l[i]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// Email refuses what is not a mailbox of RFC 5321, section 4.1.2, in its plain form: a dot-string and a
// DNS name, no quotes, no address literal, no display name.
func Email(s string) error {
	at := strings.LastIndexByte(s, '@')
	switch {
	case at < 0:
		return problem("email-form", "e-mail address %.300q has no at sign", s)
	case len(s) > maxEmail || at > maxLocal:
		return problem("email-too-long", "e-mail address %.300q is too long", s)
	case !isDotString(s[:at]):
		return problem("email-local", "e-mail address %.300q has a local part that is not plain ASCII without quotes", s)
	}
	if err := DNSName(s[at+1:], false); err != nil {
		return problem("email-domain", "e-mail address %.300q has a domain that is not a DNS name", s)
	}
	return nil
}

func isDotString(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" {
			return false
		}
		for i := range len(atom) {
			if c := atom[i]; !isAlnum(c) && strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) < 0 {
				return false
			}
		}
	}
	return true
}

func isAlnum(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c) }

// URI refuses what is not an absolute URI in ASCII, spelt as package net/url would spell it. A host, if
// there is one, must be a DNS name or an IP address.
func URI(s string) error {
	if len(s) > maxURI {
		return problem("uri-too-long", "a URI is longer than %d bytes", maxURI)
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f {
			return problem("uri-character", "URI %.300q holds a space, a control character or one that is not ASCII", s)
		}
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || len(s) == len(u.Scheme)+1 {
		return problem("uri-form", "%.300q is not an absolute URI", s)
	}
	if u.String() != s {
		return problem("uri-spelling", "URI %.300q is not in its plain spelling", s)
	}
	if u.Host == "" {
		if u.User != nil || strings.HasPrefix(s[len(u.Scheme)+1:], "//") && u.Path == "" {
			return problem("uri-host", "URI %.300q has an authority without a host", s)
		}
		return nil
	}
	return uriHost(s, u)
}

func uriHost(s string, u *url.URL) error {
	host := u.Hostname()
	if p := u.Port(); p != "" {
		if n, err := strconv.Atoi(p); err != nil || n > 65535 {
			return problem("uri-host", "URI %.300q has a port that is none", s)
		}
	} else if strings.HasSuffix(u.Host, ":") {
		return problem("uri-host", "URI %.300q has a port that is none", s)
	}
	if a, err := netip.ParseAddr(host); err == nil && a.Zone() == "" {
		return nil
	}
	if strings.HasPrefix(u.Host, "[") || DNSName(host, false) != nil {
		return problem("uri-host", "URI %.300q has a host that is neither a DNS name nor an IP address", s)
	}
	return nil
}

// IP refuses an address that names no host: invalid, unspecified or with a zone.
func IP(a netip.Addr) error {
	switch {
	case !a.IsValid():
		return problem("ip-form", "an IP address is malformed")
	case a.Zone() != "":
		return problem("ip-zone", "IP address %.100q has a zone, which no certificate can carry", a.String())
	case a.Unmap().IsUnspecified():
		return problem("ip-unspecified", "IP address %s names no host", a)
	}
	return nil
}

// Names judges the common name and all subject alternative names of a certificate to be. Wildcards are
// accepted: whether they are wanted is policy.
func Names(cn string, c *x509.Certificate) error {
	if err := CommonName(cn); err != nil {
		return err
	}
	if n := len(c.DNSNames) + len(c.IPAddresses) + len(c.EmailAddresses) + len(c.URIs); n > maxNames {
		return problem("names-too-many", "there are %d names, at most %d are accepted", n, maxNames)
	}
	for _, s := range c.DNSNames {
		if err := DNSName(s, true); err != nil {
			return err
		}
	}
	for _, ip := range c.IPAddresses {
		a, _ := netip.AddrFromSlice(ip)
		if err := IP(a); err != nil {
			return err
		}
	}
	for _, s := range c.EmailAddresses {
		if err := Email(s); err != nil {
			return err
		}
	}
	for _, u := range c.URIs {
		if u == nil {
			return problem("uri-form", "a URI is missing")
		}
		if err := URI(u.String()); err != nil {
			return err
		}
	}
	return nil
}
