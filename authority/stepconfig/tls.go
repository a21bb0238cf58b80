package stepconfig

import (
	"crypto/tls"
	"strings"
)

// TLS is the tls section: how the server talks, and what it tells clients to do.
type TLS struct {
	MinVersion, MaxVersion uint16   // as crypto/tls has them; default 1.2 and 1.3
	CipherSuites           []uint16 // for TLS 1.2; nil is the choice of crypto/tls
}

var tlsVersions = map[float64]uint16{1.2: tls.VersionTLS12, 1.3: tls.VersionTLS13}

func readTLS(s *section) TLS {
	t := TLS{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13}
	version := func(key string, v *uint16) {
		n := s.number(key)
		if n == 0 {
			return
		}
		known, ok := tlsVersions[n]
		if !ok {
			s.faults.add(s.at(key), "TLS %v is not supported, 1.2 and 1.3 are", n)
			return
		}
		*v = known
	}
	version("minVersion", &t.MinVersion)
	version("maxVersion", &t.MaxVersion)
	if t.MinVersion > t.MaxVersion {
		s.faults.add(s.at("minVersion"), "is above maxVersion")
	}
	for _, n := range s.list("cipherSuites") {
		name, _ := n.value.(string)
		if id, ok := cipherSuite(name); ok {
			t.CipherSuites = append(t.CipherSuites, id)
			continue
		}
		s.faults.add(n, "%q is not a cipher suite that is considered secure", name)
	}
	s.unsupported("renegotiation is not supported", "renegotiation")
	s.close()
	return t
}

// cipherSuite finds a suite under its name, or under the older one that step's files have.
func cipherSuite(name string) (uint16, bool) {
	for _, c := range tls.CipherSuites() {
		if c.Name == name || strings.TrimSuffix(c.Name, "_SHA256") == name && strings.Contains(name, "CHACHA20") {
			return c.ID, true
		}
	}
	return 0, false
}
