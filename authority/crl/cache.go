package crl

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// How often the store is asked for a newer CRL, for one that it never had, and how long it may take.
const (
	askEvery   = time.Second
	askAgain   = time.Minute
	askTimeout = 10 * time.Second
)

// cache holds the newest CRL of each series that somebody asked for: all of them, if all are asked for.
type cache struct {
	store authority.Store
	log   *slog.Logger
	mu    sync.Mutex
	by    map[authority.CRLScope]*slot
}

// slot is one series. At any time, one request at most asks the store.
type slot struct {
	mu     sync.Mutex
	newest *served // nil: none known
	asked  time.Time
	err    error         // what the store said last
	asking chan struct{} // closed when the answer is there; nil while nobody asks
}

// served is a CRL as it is sent. Nothing of it is ever changed, so requests share it.
type served struct {
	*authority.CRL
	tag      string // of the DER, without quotes
	modified string
	lapsed   atomic.Bool // that it has is in the log
	armour   sync.Once
	pem      []byte
}

func newServed(c *authority.CRL) *served {
	sum := sha256.Sum256(c.DER)
	return &served{CRL: c, tag: hex.EncodeToString(sum[:16]), modified: c.ThisUpdate.UTC().Format(http.TimeFormat)}
}

func (s *served) valid(now time.Time) bool { return s.NextUpdate.After(now) }

// armoured returns the CRL in PEM.
func (s *served) armoured() []byte {
	s.armour.Do(func() { s.pem = pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: s.DER}) })
	return s.pem
}

func newCache(s authority.Store, log *slog.Logger) *cache {
	return &cache{store: s, log: log, by: map[authority.CRLScope]*slot{}}
}

func (c *cache) slot(s authority.CRLScope) *slot {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by[s] == nil {
		c.by[s] = &slot{}
	}
	return c.by[s]
}

// keep forgets the CRLs of issuers that are not there any more.
func (c *cache) keep(infos []authority.IssuerInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := range c.by {
		if !slices.ContainsFunc(infos, func(i authority.IssuerInfo) bool { return i.Name == s.Issuer }) {
			delete(c.by, s)
		}
	}
}

// put takes a CRL that was just made here. Its DER must not be changed any more.
func (c *cache) put(crl *authority.CRL) { c.slot(crl.CRLScope).offer(crl) }

func (s *slot) offer(c *authority.CRL) {
	n := newServed(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.newest == nil || s.newest.Number < c.Number {
		s.newest = n
	}
}

// get returns the newest CRL of a series as of a second ago, nil if there is none, and what went wrong if
// that could not be found out: then the CRL is the newest that is known. expected says that there should be
// one, so that a missing one is soon asked for again.
func (c *cache) get(ctx context.Context, scope authority.CRLScope, expected bool) (*served, error) {
	s := c.slot(scope)
	for {
		s.mu.Lock()
		every := askEvery
		if s.newest == nil && s.err == nil && !expected {
			every = askAgain
		}
		if now := time.Now(); now.Sub(s.asked) < every || s.asking != nil && s.newest != nil && s.newest.valid(now) {
			defer s.mu.Unlock()
			return s.newest, s.err
		}
		wait := s.asking
		if wait == nil {
			s.asking = make(chan struct{})
			above := int64(0)
			if s.newest != nil {
				above = s.newest.Number
			}
			s.mu.Unlock()
			c.ask(ctx, s, scope, above)
			continue
		}
		s.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// ask asks the store. It goes on when its client hangs up, because others wait for it.
func (c *cache) ask(ctx context.Context, s *slot, scope authority.CRLScope, above int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer cancel()
	err := errors.New("crl: the store did not answer")
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked, s.err = time.Now(), err
		close(s.asking)
		s.asking = nil
	}()
	var found *authority.CRL
	switch found, err = c.store.CRL(ctx, scope, above); {
	case errors.Is(err, authority.ErrNotFound):
		err = nil
	case err == nil:
		s.offer(found)
	default: // here, and not for each request, so that nobody can fill the log
		c.log.WarnContext(ctx, "CRL not read", "issuer", scope.Issuer, "shard", scope.Shard, "delta", scope.Delta, "error", err)
	}
}
