package policy

import (
	"net/netip"
	"net/url"
	"strings"
)

// uriRules holds host patterns, and patterns of whole URIs.
type uriRules struct {
	host dnsRules
	full []fullURI
}

// uri is a URI taken apart, with one spelling for what has several.
type uri struct {
	scheme string // lower case
	host   string // lower case, without the port; empty: the URI has none
	port   string
	rest   string // all after the authority, or after the scheme's colon
}

// fullURI is a pattern for a whole URI.
type fullURI struct {
	uri
	prefix  bool // rest is how the URI's must begin
	folded  string
	pattern string
}

// add takes a pattern in, or says what is wrong with it.
func (r *uriRules) add(pattern string) string {
	scheme, rest, full := strings.Cut(pattern, ":")
	if !full {
		if strings.Contains(pattern, "/") {
			return `has a path and no scheme: write "scheme://host/path"`
		}
		return r.host.add(pattern)
	}
	if isDigits(rest) || strings.Contains(scheme, ".") {
		return "has a port: host patterns have none"
	}
	s, prefix := strings.CutSuffix(pattern, "*")
	if prefix && !strings.HasSuffix(s, "/") && !strings.HasSuffix(s, ":") || strings.HasSuffix(s, "://") {
		return `has a star that is not at the end after "/" or ":"`
	}
	if strings.Contains(s, "*") {
		return `has a star that is not at the end after "/" or ":"`
	}
	u, ok := parseURI(s)
	if prefix && !ok && strings.Count(s, ":") == 1 && strings.HasSuffix(s, ":") {
		return "stands for every URI of a scheme: name more of it"
	}
	if !ok {
		return "is not an absolute URI in its plain spelling"
	}
	r.full = append(r.full, fullURI{uri: u, prefix: prefix, folded: lower(u.rest), pattern: pattern})
	return ""
}

// find returns the rule that u matches. Denying disregards the case of what comes after the host, and
// lets "x/*" match "x/" and "x" too.
func (r *uriRules) find(u uri, denying bool) (string, bool) {
	if u.host != "" && isDNS(u.host) {
		if rule, ok := r.host.find(u.host); ok {
			return rule, true
		}
	}
	for i := range r.full {
		if r.full[i].matches(u, denying) {
			return r.full[i].pattern, true
		}
	}
	return "", false
}

func (f *fullURI) matches(u uri, denying bool) bool {
	if f.scheme != u.scheme || f.host != u.host || f.port != "" && f.port != u.port {
		return false
	}
	want, got := f.rest, u.rest
	if denying {
		want, got = f.folded, lower(got)
	}
	if !f.prefix {
		return got == want
	}
	if denying {
		return strings.HasPrefix(got, want) || got == want[:len(want)-1]
	}
	return len(got) > len(want) && strings.HasPrefix(got, want)
}

// parseURI takes apart an absolute URI. It refuses the spellings that would let a URI pass for another:
// dot segments, escapes of characters that need none, hosts that are neither DNS names nor IP addresses.
func parseURI(s string) (uri, bool) {
	p, err := url.Parse(s)
	if err != nil || p.Scheme == "" || !isPlain(s) {
		return uri{}, false
	}
	_, rest, _ := strings.Cut(s, ":")
	u := uri{scheme: lower(p.Scheme), rest: rest}
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		u.host, u.port = lower(p.Hostname()), p.Port()
		if a, err := netip.ParseAddr(u.host); err == nil && a.Zone() == "" {
			u.host = a.Unmap().String()
		} else if u.host != "" && !isDNS(u.host) {
			return uri{}, false
		}
		u.rest = "/"
		if i := strings.IndexAny(after, "/?#"); i >= 0 {
			u.rest = after[i:]
			if after[i] != '/' { // an empty path is "/": RFC 3986, section 6.2.3
				u.rest = "/" + u.rest
			}
		}
	}
	if u.rest == "" || hasDotSegment(u.rest) {
		return uri{}, false
	}
	return u, true
}

// isPlain reports whether s is printable ASCII whose escapes are in upper case and of characters that
// need one.
func isPlain(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c <= ' ' || c >= 0x7f || c == '\\' {
			return false
		}
		if c != '%' {
			continue
		}
		if i+2 >= len(s) {
			return false
		}
		hi, ok1 := unhex(s[i+1])
		lo, ok2 := unhex(s[i+2])
		if d := hi<<4 | lo; !ok1 || !ok2 || isLabelByte(d) || d == '.' || d == '~' || d == '/' || d == '\\' {
			return false
		}
		i += 2
	}
	return true
}

func unhex(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// hasDotSegment looks for "." and ".." between slashes, in what comes before the query.
func hasDotSegment(s string) bool {
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		s = s[:i]
	}
	for seg := range strings.SplitSeq(s, "/") {
		if seg == "." || seg == ".." {
			return true
		}
	}
	return false
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
