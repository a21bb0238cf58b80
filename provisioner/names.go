package provisioner

import (
	"crypto/x509"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Names are subject alternative names by type. A nil Names is no name at all.
type Names struct {
	DNS    []string     `json:"dns,omitempty"`    // lower case, no trailing dot
	IPs    []netip.Addr `json:"ips,omitempty"`    // never IPv4-mapped IPv6
	Emails []string     `json:"emails,omitempty"` // domain in lower case
	URIs   []string     `json:"uris,omitempty"`   // as url.URL prints them
}

// ParseNames sorts plain strings into names the way step does: an IP address is an IP, something with
// a scheme is a URI, something with an at sign is an e-mail address, the rest is DNS. It does not
// judge whether they are valid; the pipeline does.
func ParseNames(s []string) Names {
	var n Names
	for _, v := range s {
		if v == "" {
			continue
		}
		if ip, err := netip.ParseAddr(strings.Trim(v, "[]")); err == nil && ip.Zone() == "" {
			n.IPs = append(n.IPs, ip.Unmap())
		} else if u, err := url.Parse(v); err == nil && u.Scheme != "" {
			n.URIs = append(n.URIs, u.String())
		} else if strings.Contains(v, "@") {
			n.Emails = append(n.Emails, lowerDomain(v))
		} else {
			n.DNS = append(n.DNS, CanonicalDNS(v))
		}
	}
	return n
}

// NamesOf returns the subject alternative names of a certificate.
func NamesOf(c *x509.Certificate) Names {
	return newNames(c.DNSNames, c.IPAddresses, c.EmailAddresses, c.URIs)
}

// NamesOfCSR returns the subject alternative names that a CSR asks for.
func NamesOfCSR(c *x509.CertificateRequest) Names {
	return newNames(c.DNSNames, c.IPAddresses, c.EmailAddresses, c.URIs)
}

func newNames(dns []string, ips []net.IP, emails []string, uris []*url.URL) Names {
	var n Names
	for _, d := range dns {
		n.DNS = append(n.DNS, CanonicalDNS(d))
	}
	for _, ip := range ips {
		if a, ok := netip.AddrFromSlice(ip); ok {
			n.IPs = append(n.IPs, a.Unmap())
		}
	}
	for _, e := range emails {
		n.Emails = append(n.Emails, lowerDomain(e))
	}
	for _, u := range uris {
		n.URIs = append(n.URIs, u.String())
	}
	return n
}

// CanonicalDNS lowers the case of ASCII letters. It keeps everything else, so that what is wrong with
// a name is still there to be refused.
func CanonicalDNS(s string) string {
	for i := 0; i < len(s); i++ {
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

func lowerDomain(s string) string {
	i := strings.LastIndexByte(s, '@')
	if i < 0 {
		return s
	}
	return s[:i+1] + CanonicalDNS(s[i+1:])
}

// Len counts the names.
func (n Names) Len() int { return len(n.DNS) + len(n.IPs) + len(n.Emails) + len(n.URIs) }

// Strings lists the names in the order DNS, IP, e-mail, URI.
func (n Names) Strings() []string {
	s := make([]string, 0, n.Len())
	s = append(s, n.DNS...)
	for _, ip := range n.IPs {
		s = append(s, ip.String())
	}
	s = append(s, n.Emails...)
	return append(s, n.URIs...)
}

// Without returns the names of n that m does not hold.
func (n Names) Without(m Names) Names {
	return Names{
		DNS: without(n.DNS, m.DNS), IPs: without(n.IPs, m.IPs),
		Emails: without(n.Emails, m.Emails), URIs: without(n.URIs, m.URIs),
	}
}

// Contains reports whether s, read as [ParseNames] reads it, is one of the names.
func (n Names) Contains(s string) bool {
	m := ParseNames([]string{s})
	return m.Len() == 1 && m.Without(n).Len() == 0
}

// Clone returns a copy that shares no memory with n.
func (n Names) Clone() Names {
	return Names{DNS: slices.Clone(n.DNS), IPs: slices.Clone(n.IPs), Emails: slices.Clone(n.Emails), URIs: slices.Clone(n.URIs)}
}

func without[T comparable](a, b []T) []T {
	var out []T
	in := func(v T) bool { return slices.Contains(b, v) }
	if len(a)*len(b) > 256 { // whoever asks for many names must not make us compare each with each
		set := make(map[T]bool, len(b))
		for _, v := range b {
			set[v] = true
		}
		in = func(v T) bool { return set[v] }
	}
	for _, v := range a {
		if !in(v) {
			out = append(out, v)
		}
	}
	return out
}
