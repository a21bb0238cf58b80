package httpapi

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTLSConfig: over real TLS, a client without certificate is served, one with a certificate of ours
// may renew it, a stranger's is not let in, and a rotated issuer is known in the next handshake.
func TestTLSConfig(t *testing.T) {
	w := newWorld(t, nil)
	server := mint(t, "127.0.0.1", false, w.inter)
	server.crt.DNSNames = nil
	s := httptest.NewUnstartedServer(w.handler)
	s.TLS = tlsConfig(w.fake, func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		c := server.tls()
		c.Certificate = append(c.Certificate, w.inter.crt.Raw)
		return c, nil
	})
	s.EnableHTTP2 = true
	s.Config = Timeouts(&http.Server{Handler: w.handler})
	require.Positive(t, s.Config.ReadHeaderTimeout)
	s.StartTLS()
	defer s.Close()

	client := func(m *minted, max uint16) *http.Client {
		pool := x509.NewCertPool()
		pool.AddCert(w.root.crt)
		conf := &tls.Config{RootCAs: pool, MaxVersion: max, ServerName: "127.0.0.1", InsecureSkipVerify: true}
		if m != nil {
			conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return m.tls(), nil
			}
		}
		return &http.Client{Transport: &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true}, Timeout: 10 * time.Second}
	}
	renew := func(m *minted, max uint16) (int, int, error) {
		c := client(m, max)
		defer c.CloseIdleConnections()
		res, err := c.Post(s.URL+"/renew", "", nil)
		if err != nil {
			return 0, 0, err
		}
		defer res.Body.Close()
		return res.StatusCode, res.ProtoMajor, nil
	}
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		status, proto, err := renew(nil, v)
		require.NoError(t, err)
		require.Equal(t, 400, status)
		require.Equal(t, 2, proto)
		status, _, err = renew(w.leaf, v)
		require.NoError(t, err)
		require.Equal(t, 201, status)
		_, _, err = renew(mint(t, "stranger", false, nil), v)
		require.Error(t, err)
	}
	_, _, err := renew(nil, tls.VersionTLS11)
	require.Error(t, err)

	next := mint(t, "Next Root", true, nil)
	late := mint(t, "late.internal", false, next)
	_, _, err = renew(late, 0)
	require.Error(t, err)
	w.roots = append(w.roots, next.crt)
	status, _, err := renew(late, 0)
	require.NoError(t, err)
	require.Equal(t, 201, status)

	// What is only federated is trusted for nothing.
	w.roots, w.federated = w.roots[:1], []*x509.Certificate{next.crt}
	_, _, err = renew(late, 0)
	require.Error(t, err)
}

func TestTLSOptions(t *testing.T) {
	require.JSONEq(t, `{"cipherSuites":["X"],"minVersion":1.3,"maxVersion":1.3,"renegotiation":true}`,
		string(TLSOptions{CipherSuites: []string{"X"}, MinVersion: 1.3, Renegotiation: true}.json()))
}

func TestTimeoutsKeepsWhatIsSet(t *testing.T) {
	s := Timeouts(&http.Server{ReadTimeout: time.Hour})
	require.Equal(t, time.Hour, s.ReadTimeout)
	require.Positive(t, s.WriteTimeout)
	require.Positive(t, s.IdleTimeout)
	require.Positive(t, s.MaxHeaderBytes)
}
