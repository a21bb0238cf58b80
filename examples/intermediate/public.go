package main

import (
	"crypto/x509"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/stepconfig"
)

// public serves what everybody may read without TLS, because it is signed or trusted by other means, and
// nothing else: CRLs, OCSP, and the certificates of issuers and roots.
func public(ca *authority.Authority, api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, stepconfig.IssuersPath):
			certificate(w, r, issuerOf(ca, r.URL.EscapedPath()))
		case isPublic(r):
			api.ServeHTTP(w, r)
		default:
			http.NotFound(w, r)
		}
	})
}

// isPublic reports whether the API may answer. Of what is not named here it sees nothing.
func isPublic(r *http.Request) bool {
	path := r.URL.Path
	if strings.HasPrefix(path, "/1.0/") {
		path = strings.TrimPrefix(path, "/1.0")
	}
	switch {
	case path == stepconfig.OCSPPath:
		return true // by POST; the API refuses the rest
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return false
	}
	return path == "/crl" || strings.HasPrefix(path, "/crl/") || strings.HasPrefix(path, stepconfig.OCSPPath+"/") ||
		path == "/roots.pem" || path == "/intermediates.pem"
}

// issuerOf finds what a path names: an issuer by its name, or a root by its fingerprint.
func issuerOf(ca *authority.Authority, path string) *x509.Certificate {
	name, ok := strings.CutSuffix(strings.TrimPrefix(path, stepconfig.IssuersPath), ".cer")
	if name, err := url.PathUnescape(name); ok && err == nil {
		for _, i := range ca.Issuers() {
			if i.Name == name {
				return i.Certificate
			}
		}
		roots := ca.Roots()
		if i := slices.IndexFunc(roots, func(c *x509.Certificate) bool { return stepconfig.Fingerprint(c) == name }); i >= 0 {
			return roots[i]
		}
	}
	return nil
}

// certificate answers with a certificate in DER (RFC 5280, section 4.2.2.1).
func certificate(w http.ResponseWriter, r *http.Request, c *x509.Certificate) {
	switch {
	case c == nil:
		http.NotFound(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
	default:
		w.Header().Set("Content-Type", "application/pkix-cert")
		w.Header().Set("Content-Length", strconv.Itoa(len(c.Raw)))
		if r.Method == http.MethodGet {
			_, _ = w.Write(c.Raw) // nobody is left to hear of an error
		}
	}
}
