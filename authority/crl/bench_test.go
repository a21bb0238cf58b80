package crl

import (
	"context"
	"crypto/x509"
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
)

// A million entries, in pages as a store yields them.
func BenchmarkEncode(b *testing.B) {
	const n = 1_000_000
	page := make([]authority.Change, pageSize)
	for i := range page {
		page[i] = authority.Change{Serial: authority.Serial(fmt.Sprintf("406a1b2c3d%022x", i*7919)), At: issued.Add(time.Duration(i) * time.Second), ReasonCode: i % 6}
	}
	issuer := testIssuer(b)
	tail, err := (&extensions{keyID: issuer.SubjectKeyId, number: 1}).der()
	if err != nil {
		b.Fatal(err)
	}
	for _, expect := range []int{0, n} {
		b.Run(fmt.Sprintf("expected=%d", expect), func(b *testing.B) {
			b.ReportAllocs()
			size := 0
			for b.Loop() {
				l := newList(ed, issuer.RawSubject, issued, issued.Add(time.Hour), expect)
				for range n / len(page) {
					for i := range page {
						if err := l.add(&page[i]); err != nil {
							b.Fatal(err)
						}
					}
				}
				size = len(l.finish(tail))
			}
			b.ReportMetric(float64(size)/n, "bytes/entry")
		})
	}
	runtime.KeepAlive(page)
}

// manyChanges is a store that has made changes of nothing.
type manyChanges struct {
	*authority.Memory
	page []authority.Change
	n    int
}

func (s *manyChanges) Changes(_ context.Context, q authority.ChangeQuery) (*authority.ChangePage, error) {
	at, _ := strconv.Atoi(q.Cursor)
	p := &authority.ChangePage{Changes: s.page}
	if at += len(s.page); at < s.n {
		p.Next = strconv.Itoa(at)
	}
	return p, nil
}

// From the store to a CRL that is served: encoded, signed, verified, kept.
func BenchmarkPublish(b *testing.B) {
	const n = 1_000_000
	s := &manyChanges{Memory: authority.NewMemory(), n: n, page: make([]authority.Change, pageSize)}
	for i := range s.page {
		s.page[i] = authority.Change{Serial: authority.Serial(fmt.Sprintf("406a1b2c3d%022x", i*7919)), At: issued, ReasonCode: i % 6}
	}
	issuer := testIssuer(b)
	ca, err := authority.New(authority.Config{
		Store: s, Roots: []*x509.Certificate{issuer}, Provisioners: []provisioner.Provisioner{&provisioner.Local{ID: "x"}},
		Issuers: []authority.Issuer{{Name: "a", Chain: []*x509.Certificate{issuer}, Signer: kms.FromCrypto(testKey)}},
	})
	if err != nil {
		b.Fatal(err)
	}
	p, err := New(ca, Options{})
	if err != nil {
		b.Fatal(err)
	}
	i := ca.Issuers()[0]
	m := newMaker(p, "a")
	have := crls{}
	b.ReportAllocs()
	for b.Loop() {
		c, err := m.make(b.Context(), &i, authority.CRLScope{Issuer: "a"}, have)
		if err != nil {
			b.Fatal(err)
		}
		c.ThisUpdate = c.ThisUpdate.Add(-time.Minute) // so that the next need not wait for another second
		have[c.CRLScope] = c
	}
}
