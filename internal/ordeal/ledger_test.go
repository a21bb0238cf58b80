package ordeal

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"sync"

	"github.com/chancery-ca/chancery/authority"
)

// ledger is what the clients know: every answer that they have read, and what they sent without getting
// one. The server has to agree with it whatever happens. Safe for concurrent use.
type ledger struct {
	mu       sync.Mutex
	received []*x509.Certificate
	subjects int   // of tokens so far; each token has one of its own
	spent    []use // a certificate came for it
	unsure   []use // no answer came
	live     []tls.Certificate
	revoked  []tls.Certificate         // the revocation was answered
	asked    map[authority.Serial]bool // a revocation was sent

	torn, late, replayed int // requests without an answer; tokens good after all; tokens refused
}

// use is one use of a one-time token.
type use struct{ token, csr, subject string }

func newLedger() *ledger { return &ledger{asked: map[authority.Serial]bool{}} }

func (l *ledger) nextSubject() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.subjects++
	return l.subjects
}

// got notes a certificate that arrived, whose key its holder may go on using.
func (l *ledger) got(a *answer, key *ecdsa.PrivateKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.received = append(l.received, a.leaf)
	l.live = append(l.live, a.pair(key))
}

func (l *ledger) used(u use, answered bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if answered {
		l.spent = append(l.spent, u)
		return
	}
	l.unsure = append(l.unsure, u)
}

// take returns a certificate that nobody else works with, or ok false.
func (l *ledger) take() (c tls.Certificate, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.live)
	if n == 0 {
		return c, false
	}
	c = l.live[n-1]
	l.live = l.live[:n-1]
	return c, true
}

// revoking notes that a revocation is about to be sent; revocation that it was answered.
func (l *ledger) revoking(c tls.Certificate) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked[authority.SerialOf(c.Leaf.SerialNumber)] = true
}

func (l *ledger) revocation(c tls.Certificate) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.revoked = append(l.revoked, c)
}

func (l *ledger) tear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.torn++
}

// takeUnsure hands over the uses whose outcome is not known.
func (l *ledger) takeUnsure() []use {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.unsure
	l.unsure = nil
	return u
}
