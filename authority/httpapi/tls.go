package httpapi

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// TLSOptions is what the authority advises clients to configure; programs made with step-ca's Go client
// follow it. The zero value is step-ca's: TLS 1.2 and 1.3, and for 1.2 the two suites of [TLSConfig].
type TLSOptions struct {
	CipherSuites  []string // names as in crypto/tls; nil means those of [TLSConfig]
	MinVersion    float64  // default 1.2
	MaxVersion    float64  // default 1.3
	Renegotiation bool
}

func suites() []uint16 {
	return []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
}

func (o TLSOptions) json() []byte {
	if o.CipherSuites == nil {
		for _, s := range suites() {
			o.CipherSuites = append(o.CipherSuites, tls.CipherSuiteName(s))
		}
	}
	version := func(v, otherwise float64) []byte {
		if !(v > 0 && v < 10) {
			v = otherwise
		}
		return strconv.AppendFloat(nil, v, 'f', -1, 64)
	}
	b := append([]byte(`{"cipherSuites":`), mustJSON(o.CipherSuites)...)
	b = append(append(b, `,"minVersion":`...), version(o.MinVersion, 1.2)...)
	b = append(append(b, `,"maxVersion":`...), version(o.MaxVersion, 1.3)...)
	return append(strconv.AppendBool(append(b, `,"renegotiation":`...), o.Renegotiation), '}')
}

// TLSConfig returns the configuration of a server for ca's API: HTTP/2 and 1.1, TLS 1.2 and 1.3 with
// step-ca's suites (for TLS 1.2 they want an ECDSA key), and clients that may show a certificate, which
// must then lead to one of ca's roots or intermediates. Those are looked up in each handshake, so a
// rotation is seen by the next one. The certificate comes from getCertificate, for instance that of an
// authority.Identity.
func TLSConfig(ca *authority.Authority, getCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return tlsConfig(ca, getCertificate)
}

// trust is a set of certificates that clients' ones may lead to, and the configuration made of it.
type trust struct {
	from []*x509.Certificate
	conf *tls.Config
}

func tlsConfig(ca backend, getCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	base := &tls.Config{
		GetCertificate: getCertificate,
		ClientAuth:     tls.VerifyClientCertIfGiven,
		ClientCAs:      x509.NewCertPool(), // without the look-up nobody is let in
		MinVersion:     tls.VersionTLS12,
		CipherSuites:   suites(),
		NextProtos:     []string{"h2", "http/1.1"},
	}
	var last atomic.Pointer[trust] // a cache: pools are not made again until something changes
	conf := base.Clone()
	conf.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		from := slices.Concat(ca.Roots(), ca.Intermediates())
		t := last.Load()
		if t == nil || !slices.Equal(t.from, from) {
			t = &trust{from, base.Clone()}
			t.conf.ClientCAs = x509.NewCertPool()
			for _, crt := range from {
				t.conf.ClientCAs.AddCert(crt)
			}
			last.Store(t)
		}
		return t.conf, nil
	}
	return conf
}

// Timeouts sets the limits of s that are zero to values under which a client can neither hold a
// connection by being slow nor make the server keep much for it. It returns s.
func Timeouts(s *http.Server) *http.Server {
	for _, t := range []struct {
		d *time.Duration
		v time.Duration
	}{
		{&s.ReadHeaderTimeout, 10 * time.Second},
		{&s.ReadTimeout, 20 * time.Second}, // more than Options.BodyTimeout, which answers
		{&s.WriteTimeout, 45 * time.Second},
		{&s.IdleTimeout, 60 * time.Second},
	} {
		if *t.d == 0 {
			*t.d = t.v
		}
	}
	if s.MaxHeaderBytes == 0 {
		s.MaxHeaderBytes = 96 << 10 // a renew token with its certificates is in a header
	}
	return s
}
