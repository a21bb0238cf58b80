package main

import (
	"crypto/tls"
	"sync/atomic"

	"github.com/chancery-ca/chancery/authority/stepconfig"
)

// follow asks for the configuration anew in each handshake.
func follow(current func() *tls.Config) *tls.Config {
	c := current().Clone()
	c.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		now := current()
		if now.GetConfigForClient != nil {
			return now.GetConfigForClient(h)
		}
		return now, nil
	}
	return c
}

// tuned applies ca.json's tls section to c and to what c gives for each client. The result for a
// configuration is kept as long as that is the same one, so that sessions can be resumed.
func tuned(c *tls.Config, t stepconfig.TLS) *tls.Config {
	apply := func(c *tls.Config) *tls.Config {
		c = c.Clone()
		c.MinVersion, c.MaxVersion = t.MinVersion, t.MaxVersion
		if t.CipherSuites != nil {
			c.CipherSuites = t.CipherSuites
		}
		return c
	}
	type pair struct{ from, to *tls.Config }
	var last atomic.Pointer[pair]
	each := c.GetConfigForClient
	c = apply(c)
	c.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		from, err := each(h)
		if err != nil || from == nil {
			return from, err
		}
		p := last.Load()
		if p == nil || p.from != from {
			p = &pair{from, apply(from)}
			last.Store(p)
		}
		return p.to, nil
	}
	return c
}

// version is how ca.json and step's clients write one: 1.2.
func version(v uint16) float64 {
	return map[uint16]float64{tls.VersionTLS12: 1.2, tls.VersionTLS13: 1.3}[v]
}
