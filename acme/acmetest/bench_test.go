package acmetest_test

import (
	"slices"
	"testing"

	"github.com/chancery-ca/chancery/acme/acmetest"
)

// BenchmarkFirstCertificate makes a CA, an account, a certificate, and an end of it all. The goal is under 5 ms.
func BenchmarkFirstCertificate(b *testing.B) {
	for b.Loop() {
		t := &passing{TB: b}
		ca := acmetest.New(t)
		ca.World.Believe(true)
		c := register(t, ca)
		if _, err := obtain(t.Context(), t, ca, c, "http-01", "a.test"); err != nil {
			b.Fatal(err)
		}
		t.end()
	}
}

// passing is a test that ends before the one that it is part of.
type passing struct {
	testing.TB
	last []func()
}

func (p *passing) Cleanup(f func()) { p.last = append(p.last, f) }

func (p *passing) end() {
	for _, f := range slices.Backward(p.last) {
		f()
	}
}
