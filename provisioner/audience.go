package provisioner

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// MatchAudience reports whether one of a token's audiences is one of the URLs in want, and has the
// given fragment ("x5c/name"; empty means none). Scheme and host are compared without case, a missing
// port is 443, the path must be equal, and a query or user information never matches. The port "*" in
// want stands for any port, for authorities reached through port forwarding.
func MatchAudience(aud, want []string, fragment string) bool {
	for _, a := range aud {
		u, ok := parseAudience(a)
		if !ok || u.port == "*" || u.fragment != fragment { // the star is ours to say, not the token's
			continue
		}
		if fragment == "" && slices.Contains(want, a) { // the usual case, and no need to parse them all
			return true
		}
		for _, w := range want {
			if v, ok := parseAudience(w); ok && u.host == v.host && u.path == v.path && (u.port == v.port || v.port == "*") {
				return true
			}
		}
	}
	return false
}

// AudienceFragment returns the fragment of an audience, which names a provisioner that is not JWK:
// "x5c/name". It is empty where there is none, and for what is no audience of ours.
func AudienceFragment(aud string) string {
	if u, ok := parseAudience(aud); ok {
		return u.fragment
	}
	return ""
}

// maxAudience bounds the length of what is parsed as a URL.
const maxAudience = 2048

type audience struct{ host, port, path, fragment string }

func parseAudience(s string) (audience, bool) {
	if len(s) > maxAudience {
		return audience{}, false
	}
	s, star := cutStar(s)
	u, err := url.Parse(s)
	if err != nil || !strings.EqualFold(u.Scheme, "https") || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Opaque != "" {
		return audience{}, false
	}
	// The path is compared as it is spelled, and the host by its ASCII letters: neither an escaped slash
	// nor a letter that Unicode folds to another makes two of them equal.
	a := audience{host: CanonicalDNS(u.Hostname()), port: u.Port(), path: u.EscapedPath(), fragment: u.Fragment}
	if a.host == "" {
		return audience{}, false
	}
	if ip, err := netip.ParseAddr(a.host); err == nil {
		a.host = ip.Unmap().String()
	}
	switch {
	case star:
		a.port = "*"
	case a.port == "":
		a.port = "443"
	}
	return a, true
}

// cutStar takes the port "*", which is none to url.Parse, out of a URL.
func cutStar(s string) (string, bool) {
	start := strings.Index(s, "://") + len("://")
	if start < len("://") {
		return s, false
	}
	end := strings.IndexAny(s[start:], "/?#")
	if end < 0 {
		end = len(s) - start
	}
	host, ok := strings.CutSuffix(s[start:start+end], ":*")
	return s[:start] + host + s[start+end:], ok
}
