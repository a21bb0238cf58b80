package interop

import (
	"crypto/tls"
	"errors"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	xacme "golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/chancery-ca/chancery/authority"
)

// acmeShort are the lives of certificates that are renewed while a test looks on.
func acmeShort(life time.Duration) func(*authority.Config) {
	return func(c *authority.Config) {
		c.Profiles = append(c.Profiles, authority.Profile{Name: "short", Validity: authority.Validity{Min: time.Second, Default: life, Max: life, Backdate: -1}})
		c.Bindings = map[string]authority.Binding{"acme": {Profile: "short"}}
	}
}

// switched is a transport that can be turned off, since an autocert.Manager cannot.
type switched struct {
	http.RoundTripper
	off atomic.Bool
}

func (s *switched) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.off.Load() {
		return nil, errors.New("the test is over")
	}
	return s.RoundTripper.RoundTrip(r)
}

func (l *acmeLab) autocert() *autocert.Manager {
	c := l.client()
	s := &switched{RoundTripper: c.Transport}
	c.Transport = s
	l.t.Cleanup(func() { s.off.Store(true) })
	return &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(l.t.TempDir()), HostPolicy: autocert.HostWhitelist("auto.interop.test", "closed.interop.test"),
		Client: &xacme.Client{DirectoryURL: l.directory, HTTPClient: c}, Email: "a@example.com",
	}
}

// serveTLS has a server with that configuration on the port of tls-alpn-01.
func (l *acmeLab) serveTLS(c *tls.Config) {
	l.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:"+l.tls)
	require.NoError(l.t, err)
	s := &http.Server{TLSConfig: c, Handler: http.NotFoundHandler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(l.log, "", 0)}
	go func() { _ = s.ServeTLS(listener, "", "") }()
	l.t.Cleanup(func() { _ = s.Close() })
}

// greet has a TLS client look at who is there, and returns the serial of the certificate it was shown.
func (l *acmeLab) greet(name string) (string, error) {
	l.t.Helper()
	d := &tls.Dialer{NetDialer: &net.Dialer{Timeout: limit}, Config: &tls.Config{ServerName: name, RootCAs: l.Pool()}}
	c, err := d.DialContext(l.t.Context(), "tcp", "127.0.0.1:"+l.tls)
	if err != nil {
		return "", err
	}
	defer c.Close()
	chain := c.(*tls.Conn).ConnectionState().PeerCertificates
	return l.verify(chain, name).SerialNumber.String(), nil
}

// A handshake makes the certificate that it needs, by a challenge on the same port, and it is renewed before it ends.
func TestACMEAutocert(t *testing.T) {
	t.Parallel()
	l := newACMELab(t, acmeOptions{authority: acmeShort(6 * time.Second)})
	m := l.autocert()
	l.serveTLS(m.TLSConfig())
	first, err := l.greet("auto.interop.test")
	require.NoError(t, err)
	require.NotEmpty(t, l.requests("/challenge/"))
	again, err := l.greet("auto.interop.test")
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Eventually(t, func() bool {
		now, err := l.greet("auto.interop.test")
		require.NoError(t, err)
		return now != first
	}, 20*time.Second, 200*time.Millisecond)

	_, err = l.greet("closed.interop.test")
	require.Error(t, err)
}

// With a handler on port 80 it takes http-01 where tls-alpn-01 does not work.
func TestACMEAutocertHTTP(t *testing.T) {
	t.Parallel()
	l := newACMELab(t, acmeOptions{})
	m := l.autocert()
	l.serveHTTP(m.HTTPHandler(nil))
	c := m.TLSConfig()
	c.NextProtos = []string{"http/1.1"}
	l.serveTLS(c)
	_, err := l.greet("auto.interop.test")
	require.NoError(t, err)
	require.Equal(t, 1, len(l.issued()))
}
