package provisioner

import (
	"net"
	"net/url"
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
		for _, w := range want {
			if v, ok := parseAudience(w); ok && u.host == v.host && u.path == v.path && (u.port == v.port || v.port == "*") {
				return true
			}
		}
	}
	return false
}

type audience struct{ host, port, path, fragment string }

func parseAudience(s string) (audience, bool) {
	star := strings.Contains(s, ":*/")
	if star {
		s = strings.Replace(s, ":*/", "/", 1)
	}
	u, err := url.Parse(s)
	if err != nil || !strings.EqualFold(u.Scheme, "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Opaque != "" {
		return audience{}, false
	}
	a := audience{host: strings.ToLower(u.Hostname()), port: u.Port(), path: u.Path, fragment: u.Fragment}
	if ip := net.ParseIP(a.host); ip != nil {
		a.host = ip.String()
	}
	switch {
	case star:
		a.port = "*"
	case a.port == "":
		a.port = "443"
	}
	return a, true
}
