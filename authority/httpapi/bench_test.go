package httpapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// discard is a ResponseWriter that keeps nothing.
type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkSign measures what the API itself costs: everything but the authority.
func BenchmarkSign(b *testing.B) {
	w := newWorld(b, nil)
	body := signBodyOf(b, map[string]any{"ott": strings.Repeat("x", 600)})
	r := httptest.NewRequest("POST", "/1.0/sign", nil)
	b.ReportAllocs()
	for b.Loop() {
		q := *r
		q.Body, q.ContentLength = readCloser{strings.NewReader(body)}, int64(len(body))
		w.handler.ServeHTTP(&discard{http.Header{}}, &q)
		w.issued = w.issued[:0]
	}
}

func BenchmarkRenew(b *testing.B) {
	w := newWorld(b, nil)
	r := request{method: "POST", path: "/renew", peer: w.leaf}.http()
	b.ReportAllocs()
	for b.Loop() {
		w.handler.ServeHTTP(&discard{http.Header{}}, r)
		w.issued = w.issued[:0]
	}
}

// BenchmarkParseCSR is the part of BenchmarkSign that is crypto/x509's.
func BenchmarkParseCSR(b *testing.B) {
	csr := csrPEM(b, "leaf.internal")
	for b.Loop() {
		if _, err := parseCSR(csr); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHealth(b *testing.B) {
	w := newWorld(b, nil)
	r := request{method: "GET", path: "/health"}.http()
	b.ReportAllocs()
	for b.Loop() {
		w.handler.ServeHTTP(&discard{http.Header{}}, r)
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }
