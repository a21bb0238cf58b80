package challenge_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"io"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/challenge"
)

// made is a certificate for tls-alpn-01, which tests spoil.
type made struct {
	dns      []string
	ips      []net.IP
	emails   []string
	digest   []byte // the extension's value; nil: no extension
	critical bool
	protos   []string
	max      uint16
}

func good() made {
	h := sha256.Sum256([]byte(keyAuth))
	v, _ := asn1.Marshal(h[:])
	return made{dns: []string{"ok.example"}, digest: v, critical: true, protos: []string{challenge.ALPNProtocol}}
}

func (m made) listen(t *testing.T, sni *string) uint16 {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), Subject: pkix.Name{CommonName: "SECRET"},
		DNSNames: m.dns, IPAddresses: m.ips, EmailAddresses: m.emails}
	if m.digest != nil {
		tmpl.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31}, Critical: m.critical, Value: m.digest}}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	require.NoError(t, err)
	cert := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{NextProtos: m.protos, MaxVersion: m.max, MinVersion: tls.VersionTLS10,
		GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { *sni = h.ServerName; return &cert, nil }})
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.(*tls.Conn).Handshake()
			_ = c.Close()
		}
	}()
	return portOf(t, l.Addr())
}

func TestTLSALPN01(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*made)
		kind  acme.ProblemType // empty: it validates
	}{
		"good":                    {func(*made) {}, ""},
		"case of the name":        {func(m *made) { m.dns = []string{"OK.Example"} }, ""},
		"TLS 1.2":                 {func(m *made) { m.max = tls.VersionTLS12 }, ""},
		"other protocols, too":    {func(m *made) { m.protos = []string{"h2", challenge.ALPNProtocol} }, ""},
		"TLS 1.1":                 {func(m *made) { m.max = tls.VersionTLS11 }, acme.TLSProblem},
		"another protocol":        {func(m *made) { m.protos = []string{"h2"} }, acme.TLSProblem},
		"no ALPN":                 {func(m *made) { m.protos = nil }, acme.IncorrectResponse},
		"two names":               {func(m *made) { m.dns = append(m.dns, "other.example") }, acme.IncorrectResponse},
		"the name twice":          {func(m *made) { m.dns = append(m.dns, "ok.example") }, acme.IncorrectResponse},
		"a name and an address":   {func(m *made) { m.ips = []net.IP{{127, 0, 0, 1}} }, acme.IncorrectResponse},
		"a name and an email":     {func(m *made) { m.emails = []string{"a@ok.example"} }, acme.IncorrectResponse},
		"another name":            {func(m *made) { m.dns = []string{"other.example"} }, acme.IncorrectResponse},
		"a wildcard":              {func(m *made) { m.dns = []string{"*.example"} }, acme.IncorrectResponse},
		"no name":                 {func(m *made) { m.dns = nil }, acme.IncorrectResponse},
		"an address only":         {func(m *made) { m.dns, m.ips = nil, []net.IP{{127, 0, 0, 1}} }, acme.IncorrectResponse},
		"no extension":            {func(m *made) { m.digest = nil }, acme.IncorrectResponse},
		"not critical":            {func(m *made) { m.critical = false }, acme.IncorrectResponse},
		"another key":             {func(m *made) { m.digest[10] ^= 1 }, acme.IncorrectResponse},
		"no OCTET STRING":         {func(m *made) { m.digest = m.digest[2:] }, acme.IncorrectResponse},
		"bytes after":             {func(m *made) { m.digest = append(m.digest, 0) }, acme.IncorrectResponse},
		"a digest that is short":  {func(m *made) { m.digest = append([]byte{4, 31}, m.digest[2:33]...) }, acme.IncorrectResponse},
		"a digest that is longer": {func(m *made) { m.digest = append([]byte{4, 33}, append(m.digest[2:], 0)...) }, acme.IncorrectResponse},
	} {
		t.Run(name, func(t *testing.T) {
			m, sni := good(), ""
			c.spoil(&m)
			v, err := challenge.NewTLSALPN01(challenge.Config{Resolver: &names{addrs: map[string][]netip.Addr{"ok.example": ips("127.0.0.1")}},
				Addresses: loopback(), TLSPort: m.listen(t, &sni)})
			require.NoError(t, err)
			e, err := v.Validate(t.Context(), dnsName("ok.example"))
			if c.kind != "" {
				require.Nil(t, e)
				problem(t, err, c.kind)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "ok.example", sni)
			require.Contains(t, e.Address, "127.0.0.1:")
		})
	}
}

func TestTLSALPN01OfAddresses(t *testing.T) {
	m, sni := good(), ""
	m.dns, m.ips = nil, []net.IP{{127, 0, 0, 1}}
	port := m.listen(t, &sni)
	v, err := challenge.NewTLSALPN01(challenge.Config{Resolver: &names{}, Addresses: loopback(), TLSPort: port})
	require.NoError(t, err)
	_, err = v.Validate(t.Context(), ipAddr("127.0.0.1"))
	require.NoError(t, err)
	require.Equal(t, "1.0.0.127.in-addr.arpa", sni)

	v, err = challenge.NewTLSALPN01(challenge.Config{Resolver: &names{}, Dial: func(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port).String())
	}})
	require.NoError(t, err)
	_, err = v.Validate(t.Context(), ipAddr("2606:4700::1111"))
	problem(t, err, acme.IncorrectResponse)
	require.Equal(t, "1.1.1.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.4.6.0.6.2.ip6.arpa", sni)
}

func TestTLSALPN01Connections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	say := make(chan string, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, <-say)
			defer c.Close()
		}
	}()
	r := &names{addrs: map[string][]netip.Addr{"ok.example": ips("127.0.0.1"), "empty.example": nil}, errs: map[string]error{"broken.example": io.ErrUnexpectedEOF}}
	v, err := challenge.NewTLSALPN01(challenge.Config{Resolver: r, Addresses: loopback(), TLSPort: portOf(t, l.Addr()), Timeout: 200 * time.Millisecond})
	require.NoError(t, err)
	for _, s := range []string{"", "HTTP/1.1 400 SECRET\r\n\r\n", "\x15\x03\x03\x00\x02\x02\x28", "\x16\x03\x03\xff\xff"} {
		say <- s
		_, err = v.Validate(t.Context(), dnsName("ok.example"))
		problem(t, err, acme.TLSProblem)
	}
	for name, kind := range map[string]acme.ProblemType{"broken.example": acme.DNSProblem, "nowhere.example": acme.DNSProblem, "empty.example": acme.DNSProblem} {
		_, err = v.Validate(t.Context(), dnsName(name))
		problem(t, err, kind, "EOF")
	}
	_ = l.Close()
	_, err = v.Validate(t.Context(), dnsName("ok.example"))
	problem(t, err, acme.Connection)
}
