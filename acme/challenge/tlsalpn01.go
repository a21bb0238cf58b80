package challenge

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"github.com/chancery-ca/chancery/acme"
)

// ALPNProtocol is the protocol of tls-alpn-01 (RFC 8737, section 6.2).
const ALPNProtocol = "acme-tls/1"

// TLSALPN01 is tls-alpn-01 (RFC 8737; RFC 8738 for addresses): a TLS handshake on port 443 that shows a
// certificate made for the purpose. Nothing is sent or read after it.
type TLSALPN01 struct {
	cfg    Config
	dialer *Dialer
}

// NewTLSALPN01 returns the validator.
func NewTLSALPN01(c Config) (*TLSALPN01, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	d, err := NewDialer(c)
	return &TLSALPN01{c, d}, err
}

// Type returns tls-alpn-01.
func (v *TLSALPN01) Type() acme.ChallengeType { return acme.TLSALPN01 }

// Offers is true for names that are no wildcards, and for addresses.
func (v *TLSALPN01) Offers(id acme.Identifier) bool {
	return id.Type == acme.DNS && !id.Wildcard() || id.Type == acme.IP
}

// Validate implements [acme.Validator].
func (v *TLSALPN01) Validate(ctx context.Context, c *acme.Validation) (*acme.Evidence, error) {
	if err := keyed(v, c); err != nil {
		return nil, err
	}
	inner, cancel := context.WithTimeout(ctx, v.cfg.Timeout)
	defer cancel()
	name, port := c.Identifier.Value, v.cfg.TLSPort
	conn, from, err := v.dialer.Dial(inner, name, port)
	switch {
	case errors.Is(err, errLookup):
		return nil, fail(ctx, acme.DNSProblem, err, "%s: no address could be looked up", name)
	case err != nil:
		return nil, fail(ctx, acme.Connection, err, "%s, port %d: no connection could be made", name, port)
	}
	defer conn.Close()
	t, err := handshake(inner, conn, &tls.Config{
		ServerName: sni(c.Identifier), NextProtos: []string{ALPNProtocol}, MinVersion: tls.VersionTLS12,
		InsecureSkipVerify: true, // the certificate is self-signed; judge says what it has to be
	})
	if err != nil {
		return nil, fail(ctx, acme.TLSProblem, err, "%s, port %d: the TLS handshake for %s fails", name, port, ALPNProtocol)
	}
	if err := judgeTLS(t.ConnectionState(), c); err != nil {
		return nil, fail(ctx, acme.IncorrectResponse, err, "%s, port %d: %v", name, port, err)
	}
	return &acme.Evidence{Address: from.String()}, nil
}

// sni is what the handshake asks for: an address goes by its name in the reverse tree (RFC 8738, section 6).
func sni(id acme.Identifier) string {
	if id.Type != acme.IP {
		return id.Value
	}
	arpa, _ := dns.ReverseAddr(id.Value) // of an address that was parsed
	return strings.TrimSuffix(arpa, ".")
}

// judgeTLS is RFC 8737, section 3: its errors are sentences of ours that clients may read.
func judgeTLS(s tls.ConnectionState, c *acme.Validation) error {
	if s.NegotiatedProtocol != ALPNProtocol || s.Version < tls.VersionTLS12 {
		return errors.New("the server does not agree on the protocol " + ALPNProtocol)
	}
	if len(s.PeerCertificates) == 0 {
		return errors.New("the server shows no certificate")
	}
	var san, proof bool
	digest := sha256.Sum256([]byte(c.KeyAuthorization))
	for _, e := range s.PeerCertificates[0].Extensions {
		switch {
		case e.Id.Equal(oidSAN):
			n, ok := soleName(e.Value)
			san = ok && n.is(c.Identifier)
		case e.Id.Equal(oidACMEIdentifier):
			if !e.Critical {
				return errors.New("the acmeIdentifier extension is not critical")
			}
			d, ok := parseACMEIdentifier(e.Value)
			proof = ok && d == digest
		}
	}
	switch {
	case !san:
		return errors.New("the certificate is not for this identifier and no other")
	case !proof:
		return errors.New("the acmeIdentifier extension is missing, or not for this key authorization")
	}
	return nil
}

// is reports whether the name is that of id.
func (n generalName) is(id acme.Identifier) bool {
	switch n.tag {
	case tagDNS:
		name, err := acme.ParseIdentifier(acme.DNS, n.value)
		return err == nil && name == id
	case tagIP:
		ip, ok := netip.AddrFromSlice([]byte(n.value))
		return id.Type == acme.IP && ok && ip.String() == id.Value
	}
	return false
}
