package ocsp

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"testing"
)

// quiet is a ResponseWriter that keeps nothing.
type quiet struct{ h http.Header }

func (q quiet) Header() http.Header       { return q.h }
func (quiet) Write(b []byte) (int, error) { return len(b), nil }
func (quiet) WriteHeader(int)             {}

func BenchmarkParse(b *testing.B) {
	w := newWorld(b, Options{})
	der := question(b, w.Leaf("a.internal").Leaf, w.Intermediate, crypto.SHA1)
	b.ReportAllocs()
	for b.Loop() {
		if parseRequest(der) == nil {
			b.Fatal("malformed")
		}
	}
}

// BenchmarkKept is a GET whose answer was signed before; the look into the store (in memory) is part of it.
func BenchmarkKept(b *testing.B) {
	w := newWorld(b, Options{})
	der := question(b, w.Leaf("a.internal").Leaf, w.Intermediate, crypto.SHA1)
	path := "/ocsp/" + base64.StdEncoding.EncodeToString(der)
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			w.Responder.ServeHTTP(quiet{http.Header{}}, httptest.NewRequest("GET", path, nil))
		}
	})
}

// BenchmarkRespond is the same without HTTP.
func BenchmarkRespond(b *testing.B) {
	w := newWorld(b, Options{})
	der := question(b, w.Leaf("a.internal").Leaf, w.Intermediate, crypto.SHA1)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.respond(b.Context(), der); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSigned is an answer that is signed anew, by a delegated responder.
func BenchmarkSigned(b *testing.B) {
	w := newWorld(b, Options{})
	der := withNonce(b, question(b, w.Leaf("a.internal").Leaf, w.Intermediate, crypto.SHA1), bytes.Repeat([]byte{1}, 32))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.respond(b.Context(), der); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFloor is one P-256 signature.
func BenchmarkFloor(b *testing.B) {
	key := newKey(b)
	digest := sha256.Sum256(nil)
	for b.Loop() {
		if _, err := ecdsa.SignASN1(rand.Reader, key, digest[:]); err != nil {
			b.Fatal(err)
		}
	}
}
