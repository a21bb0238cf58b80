package authoritytest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/go-jose/go-jose/v4"

	"github.com/chancery-ca/chancery/authority/httpapi"
	"github.com/chancery-ca/chancery/provisioner"
)

// Handler is step-ca's HTTP API in front of the CA.
func (ca *CA) Handler() http.Handler { return httpapi.New(ca.Authority, nil) }

// HTTP returns a client of the API at [URL] whose requests are answered in process, without a socket or
// a goroutine. With a certificate, the requests look as if they came over mutual TLS; a certificate that
// the CA's root does not vouch for fails them, as the handshake would.
func (ca *CA) HTTP(client *tls.Certificate) *http.Client {
	return &http.Client{Transport: &transport{ca, ca.Handler(), client}}
}

type transport struct {
	ca      *CA
	handler http.Handler
	client  *tls.Certificate
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI, in.RemoteAddr, in.Host = r.URL.RequestURI(), "192.0.2.1:1234", r.URL.Host
	if in.Body == nil {
		in.Body = http.NoBody
	}
	in.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true}
	if t.client != nil {
		pool := x509.NewCertPool()
		pool.AddCert(t.ca.Intermediate)
		chains, err := t.client.Leaf.Verify(x509.VerifyOptions{
			Roots: t.ca.Pool(), Intermediates: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		})
		if err != nil {
			return nil, &tls.CertificateVerificationError{UnverifiedCertificates: []*x509.Certificate{t.client.Leaf}, Err: err}
		}
		in.TLS.PeerCertificates, in.TLS.VerifiedChains = chains[0], chains
	}
	w := httptest.NewRecorder()
	t.handler.ServeHTTP(w, in)
	io.Copy(io.Discard, in.Body)
	res := w.Result()
	res.Request, res.Body = r, io.NopCloser(bytes.NewReader(w.Body.Bytes()))
	return res, nil
}

// Token makes a one-time token of the JWK provisioner for a new certificate. Without names, the subject
// is the name.
func (ca *CA) Token(subject string, names ...string) string {
	return ca.TokenFor("/1.0/sign", subject, names...)
}

// RevokeToken makes a token that revokes the certificate with that serial.
func (ca *CA) RevokeToken(c *x509.Certificate) string {
	return ca.TokenFor("/1.0/revoke", c.SerialNumber.String())
}

// TokenFor makes a token of the JWK provisioner for any path of the API.
func (ca *CA) TokenFor(path, subject string, names ...string) string {
	ca.t.Helper()
	token, err := ca.tokens.Sign(provisioner.Ticket{Audience: URL + path, Subject: subject, SANs: names})
	ca.must(err)
	return token
}

// RenewToken makes the token with which step's clients renew a certificate that has expired. The
// certificate's key must be on P-256, as those of this package are.
func RenewToken(c *tls.Certificate, audience string) (string, error) {
	var above []string
	for _, der := range c.Certificate {
		above = append(above, base64.StdEncoding.EncodeToString(der))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: c.PrivateKey},
		(&jose.SignerOptions{}).WithType("JWT").WithHeader("x5cInsecure", above))
	if err != nil {
		return "", err
	}
	payload, err := provisioner.Ticket{Audience: audience, Subject: c.Leaf.Subject.CommonName}.Payload("step-ca-client/1.0")
	if err != nil {
		return "", err
	}
	m, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return m.CompactSerialize()
}
