package ordeal

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// load is many clients that sign, renew, rekey and revoke, each over connections of its own, until their
// server is gone.
type load struct {
	t     testing.TB
	k     *keys
	url   string
	roots *x509.CertPool
	key   *ecdsa.PrivateKey // of every certificate
	busy  bool              // 503 is no answer, and the clients go on after it
	*ledger

	ctx   context.Context // ends the load; what was sent is waited for
	wg    sync.WaitGroup
	once  sync.Once
	first chan struct{} // closed when the first certificate arrived
}

const (
	signers  = 10
	holders  = 4 // renew, again and again
	rekeyers = 2
	revokers = 3
)

func (l *load) start(ctx context.Context) {
	l.ctx, l.first = ctx, make(chan struct{})
	for i := range signers {
		l.wg.Go(func() { l.signAlong(i%2 == 0) })
	}
	for range holders {
		l.wg.Go(func() { l.renewAlong(false) })
	}
	for range rekeyers {
		l.wg.Go(func() { l.renewAlong(true) })
	}
	for i := range revokers {
		l.wg.Go(func() { l.revokeAlong(i == 0) })
	}
}

// answered tells whether a request was, and fails the test unless it was in the way that it should be.
func (l *load) answered(what string, a *answer, err error, want int) bool {
	if err != nil {
		l.tear()
		return false
	}
	if a.status == http.StatusServiceUnavailable && l.busy {
		l.tear()
		time.Sleep(20 * time.Millisecond)
		return false
	}
	if a.status != want {
		l.t.Errorf("%s: status %d", what, a.status)
		return false
	}
	return true
}

func (l *load) signAlong(h2 bool) {
	c := newClient(l.url, l.roots, h2)
	defer c.close()
	for l.ctx.Err() == nil {
		u, err := l.k.use(fmt.Sprintf("s%d.ordeal.internal", l.nextSubject()), l.key)
		if err != nil {
			l.t.Error(err)
			return
		}
		a, err := c.sign(l.t.Context(), u.token, u.csr)
		ok := l.answered("sign", a, err, http.StatusCreated)
		l.used(u, ok)
		if l.over(ok) {
			return
		}
		if !ok {
			continue
		}
		l.got(a, l.key)
		l.once.Do(func() { close(l.first) })
	}
}

func (l *load) renewAlong(rekey bool) {
	own, ok := l.waitForOne()
	if !ok {
		return
	}
	c := newClient(l.url, l.roots, false, own)
	defer c.close()
	csr, err := requestFor(l.key, own.Leaf.Subject.CommonName)
	if err != nil {
		l.t.Error(err)
		return
	}
	for l.ctx.Err() == nil {
		var a *answer
		if rekey {
			a, err = c.rekey(l.t.Context(), csr)
		} else {
			a, err = c.renew(l.t.Context())
		}
		ok := l.answered("renew", a, err, http.StatusCreated)
		if l.over(ok) {
			return
		}
		if ok {
			l.got(a, l.key)
		}
	}
}

// revokeAlong revokes by tokens, or each certificate by itself.
func (l *load) revokeAlong(byHolder bool) {
	c := newClient(l.url, l.roots, false)
	defer c.close()
	for l.ctx.Err() == nil {
		own, ok := l.waitForOne()
		if !ok {
			return
		}
		token, err := "", error(nil)
		if byHolder {
			c.close()
			c = newClient(l.url, l.roots, false, own)
		} else if token, err = l.k.token("/revoke", own.Leaf.SerialNumber.String()); err != nil {
			l.t.Error(err)
			return
		}
		l.revoking(own)
		a, err := c.revoke(l.t.Context(), own.Leaf, token)
		ok = l.answered("revoke", a, err, http.StatusOK)
		if l.over(ok) {
			return
		}
		if ok {
			l.revocation(own)
		}
	}
}

// over reports whether a client ends after an answer: its server is taken to be gone, unless it may just
// be busy.
func (l *load) over(ok bool) bool { return !ok && !l.busy }

// waitForOne returns a certificate to work with.
func (l *load) waitForOne() (tls.Certificate, bool) {
	for l.ctx.Err() == nil {
		if c, ok := l.take(); ok {
			return c, true
		}
		time.Sleep(time.Millisecond)
	}
	return tls.Certificate{}, false
}
