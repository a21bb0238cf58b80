package httpapi

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/chancery-ca/chancery/authority"
)

// FromTLS returns the certificates of a TLS client that the handshake verified, as it does under
// [TLSConfig]. A certificate that was merely presented counts for nothing.
func FromTLS(r *http.Request) ([]*x509.Certificate, error) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return nil, nil
	}
	return r.TLS.PeerCertificates, nil
}

// maxHeader is the longest header that FromHeader reads, in bytes.
const maxHeader = 16 << 10

// FromHeader returns an extractor for servers behind a proxy that terminates TLS and puts the client's
// certificate in a header, as PEM in URL encoding ($ssl_client_escaped_cert of nginx), as DER in
// base64 ({tls_client_certificate_der_base64} of Caddy), or the same between colons (Client-Cert of
// RFC 9440).
//
// The header is believed. That is safe only if trusted says yes to nobody but the proxy (by address, or
// by the certificate with which it came), the proxy removes the header from what clients send, and it
// has made the client prove that it holds the key. The authority then checks that the certificate is
// one of its own, in force and not revoked. From anybody whom trusted does not know, the header is
// ignored and the connection's own certificate counts; from the proxy, only the header does.
func FromHeader(header string, trusted func(*http.Request) bool) func(*http.Request) ([]*x509.Certificate, error) {
	return func(r *http.Request) ([]*x509.Certificate, error) {
		if trusted == nil || !trusted(r) {
			return FromTLS(r)
		}
		switch v := r.Header.Values(header); {
		case len(v) == 0 || len(v) == 1 && v[0] == "":
			return nil, nil
		case len(v) > 1:
			return nil, errors.New("httpapi: header of the client certificate is repeated")
		default:
			return parseHeader(v[0])
		}
	}
}

var errHeader = errors.New("httpapi: header does not hold one certificate")

func parseHeader(v string) ([]*x509.Certificate, error) {
	if len(v) > maxHeader {
		return nil, errHeader
	}
	der, err := headerDER(v)
	if err != nil {
		return nil, errHeader
	}
	crt, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, errHeader
	}
	return []*x509.Certificate{crt}, nil
}

func headerDER(v string) ([]byte, error) {
	if !strings.HasPrefix(v, "-----BEGIN") {
		if len(v) > 1 && v[0] == ':' && v[len(v)-1] == ':' {
			v = v[1 : len(v)-1]
		}
		return base64.StdEncoding.Strict().DecodeString(v)
	}
	v, err := url.PathUnescape(v) // unlike in a query, a plus is a plus
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode([]byte(v))
	if block == nil || block.Type != "CERTIFICATE" || strings.TrimSpace(string(rest)) != "" {
		return nil, errHeader
	}
	return block.Bytes, nil
}

// peer returns the certificate that authenticated the client, nil for none. Routes that do not declare
// it never learn of it.
func (a *api) peer(c *call) (*x509.Certificate, error) {
	if !c.endpoint.Auth.certificate() {
		return nil, nil
	}
	crts, err := a.o.ClientCertificates(c.r)
	if err != nil {
		return nil, &authority.Error{Kind: authority.BadRequest, Code: "client-certificate", Reason: "the client certificate cannot be read", Err: err}
	}
	if len(crts) == 0 {
		return nil, nil
	}
	return crts[0], nil
}

// bearer returns the token of an Authorization header, empty when there is not exactly one.
func bearer(h http.Header) string {
	v := h["Authorization"]
	if len(v) != 1 {
		return ""
	}
	scheme, token, ok := strings.Cut(v[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
