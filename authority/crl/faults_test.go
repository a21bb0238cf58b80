package crl_test

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/crl"
	"github.com/chancery-ca/chancery/authority/crl/crltest"
	"github.com/chancery-ca/chancery/authority/storetest"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
)

func spend(id string) provisioner.Spend { return provisioner.Spend{ID: id} }

// brokenSigner fails while it is broken.
type brokenSigner struct {
	kms.Signer
	broken func() bool
}

func (s *brokenSigner) Sign(ctx context.Context, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	if s.broken() {
		return nil, errors.New("the token is not plugged in")
	}
	return s.Signer.Sign(ctx, digest, o)
}

// An issuer's key that is away for half a day lets nothing lapse, is no matter of the other issuer, and is
// made up for within seconds.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var broken atomic.Bool
		l := newLab(t, func(c *authority.Config) {
			c.Issuers[0].Signer = &brokenSigner{c.Issuers[0].Signer, broken.Load}
		})
		p := l.publisher(crl.Options{})
		l.run(p)
		time.Sleep(12 * time.Hour)
		broken.Store(true)
		time.Sleep(11 * time.Hour)
		l.verify()
		require.NoError(t, p.Ready(), "the old one is still good")
		st := p.Status()
		require.ErrorIs(t, st[0].Err, authority.Unavailable)
		require.InDelta(t, (7 * time.Hour).Seconds(), time.Since(st[0].Failing).Seconds(), 60)
		require.NoError(t, st[1].Err)
		broken.Store(false)
		time.Sleep(11 * time.Second)
		require.NoError(t, p.Status()[0].Err)
		l.verify()
		broken.Store(true)
		time.Sleep(25 * time.Hour)
		require.ErrorContains(t, p.Ready(), "no current CRL")
		require.ErrorContains(t, p.Ready(), "plugged in")
	})
}

// A key that does not answer at all is no matter of the other issuer either.
func TestHangingKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, func(c *authority.Config) { c.Issuers[0].Signer = &hangingSigner{c.Issuers[0].Signer} })
		p := l.publisher(crl.Options{})
		l.run(p)
		for range 10 {
			s := l.revoked("b", 0, time.Now().Add(30*day))
			time.Sleep(2 * time.Second)
			require.Contains(t, l.list("b", 0, false), s)
		}
		time.Sleep(time.Hour)
		require.ErrorContains(t, p.Ready(), `issuer "a"`)
		require.NotContains(t, p.Ready().Error(), `issuer "b"`)
	})
}

type hangingSigner struct{ kms.Signer }

func (s *hangingSigner) Sign(ctx context.Context, _ []byte, _ crypto.SignerOpts) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A store that fails every sixth call, before or after it did what it was asked for, and keys that fail
// now and then: what there is is good all the time, and true once the faults are over.
func TestFaults(t *testing.T) {
	for seed := range uint64(6) {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			faulty := true
			r := rand.New(rand.NewPCG(seed, 1))
			draw := func(n int) int {
				mu.Lock()
				defer mu.Unlock()
				if !faulty {
					return n
				}
				return r.IntN(n)
			}
			seen := map[authority.CRLScope]map[int64]bool{}
			memory := authority.NewMemory()
			store := &storetest.Faulty{Store: memory, On: func(op string, apply func() error) error {
				switch draw(12) {
				case 0:
					return fmt.Errorf("%s failed: %w", op, authority.ErrUnavailable)
				case 1:
					if op == "Lease" { // nobody would be left to release it
						return authority.ErrUnavailable
					}
					return errors.Join(apply(), fmt.Errorf("%s failed afterwards: %w", op, authority.ErrUnavailable))
				}
				return apply()
			}}
			l := newLab(t, pointers(int(seed%3), seed%2 == 0), func(c *authority.Config) {
				c.Store = store
				for i := range c.Issuers {
					c.Issuers[i].Signer = &brokenSigner{c.Issuers[i].Signer, func() bool { return draw(5) == 0 }}
				}
			})
			l.store = memory // what the test does is not disturbed
			for range 2 {
				l.run(l.publisher(crl.Options{Validity: 12 * time.Hour, OnChange: 10 * time.Second}))
			}
			var held []authority.Serial
			for step := range 60 {
				issuer := []string{"a", "b"}[step%2]
				s := l.record(issuer, step%(1+int(seed%3)), time.Now().Add(time.Duration(1+step%7)*time.Hour))
				switch step % 3 {
				case 0:
					l.revoke(s, 1)
				case 1:
					l.revoke(s, authority.ReasonCertificateHold)
					held = append(held, s)
				case 2:
					require.NoError(t, memory.Release(t.Context(), held[0], time.Now(), nil))
					held = held[1:]
				}
				time.Sleep(time.Duration(step%5) * 7 * time.Minute)
				all, err := memory.CRLs(t.Context(), issuer)
				require.NoError(t, err)
				for _, c := range all {
					require.True(t, time.Now().Before(c.NextUpdate), "%+v", c)
					if seen[c.CRLScope] == nil {
						seen[c.CRLScope] = map[int64]bool{}
					}
					seen[c.CRLScope][c.Number] = true
				}
			}
			mu.Lock()
			faulty = false
			mu.Unlock()
			time.Sleep(time.Minute)
			require.NotEmpty(t, seen)
			l.verify()
		})
	}
}

// copied makes another authority of the same issuers, on a store in which as much has happened.
func (l *lab) copied(changes int) *lab {
	c := newLab(l, pointers(0, true), func(c *authority.Config) { c.Issuers, c.Roots = l.config.Issuers, l.config.Roots })
	c.key = l.key
	for range changes {
		c.revoked("a", 0, time.Now().Add(30*day))
	}
	return c
}

// A store that was restored from a copy: its revision and its CRLs are older than what was handed out.
func TestRestoredStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, pointers(0, true))
		stop := l.run(l.publisher(crl.Options{}))
		for range 5 {
			l.revoked("a", 0, time.Now().Add(30*day))
		}
		require.NoError(t, l.publisher(crl.Options{}).Publish(t.Context()))
		copied := map[bool]*authority.CRL{false: l.crl("a", 0, false), true: l.crl("a", 0, true)}
		for range 3 {
			l.revoked("a", 0, time.Now().Add(30*day))
		}
		time.Sleep(17 * time.Hour)
		stop()
		late := l.crl("a", 0, true)
		require.Greater(t, late.Revision, copied[true].Revision)
		lost := l.copied(5)
		for _, delta := range []bool{false, true} {
			require.NoError(t, lost.store.PutCRL(t.Context(), copied[delta], nil))
		}
		lost.run(lost.publisher(crl.Options{}))
		lost.verify()
		s := lost.revoked("a", 0, time.Now().Add(30*day))
		time.Sleep(2 * time.Second)
		require.Greater(t, lost.crl("a", 0, true).Number, late.Number)
		require.Contains(t, lost.list("a", 0, true), s)
		lost.verify()
		// And where nothing at all is left, the clock keeps numbers from being used again.
		empty := newLab(t)
		require.NoError(t, empty.publisher(crl.Options{}).Publish(t.Context()))
		require.Greater(t, empty.crl("a", 0, false).Number, late.Number)
	})
}

// A store whose counter went back and whose CRLs did not: nobody can say what changed since, so nothing takes
// the place of what was published. That is said, once, and costs no signatures.
func TestCounterWentBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log syncBuffer
		var signed atomic.Int64
		l := newLab(t, func(c *authority.Config) {
			c.Issuers[0].Signer = &brokenSigner{c.Issuers[0].Signer, func() bool { signed.Add(1); return false }}
		})
		l.revoked("b", 0, time.Now().Add(30*day))
		full, delta := l.published("a", 9, false), l.published("a", 9, true)
		signed.Store(0)
		o := crl.Options{Issuers: []string{"a"}, Delta: true}
		require.ErrorContains(t, l.publisher(o).Publish(t.Context()), "counters went back")
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		p := l.publisher(o)
		l.run(p)
		for range 5 {
			l.revoked("a", 0, time.Now().Add(30*day))
			time.Sleep(30 * time.Minute)
		}
		require.Zero(t, signed.Load())
		require.Equal(t, 2, strings.Count(log.String(), "\n"), log.String())
		for _, s := range p.Status() {
			require.ErrorContains(t, s.Err, "counters went back")
			require.InDelta(t, (150 * time.Minute).Seconds(), time.Since(s.Failing).Seconds(), 1)
		}
		require.NoError(t, p.Ready(), "what there is is good")
		require.Equal(t, []*authority.CRL{full, delta}, []*authority.CRL{l.crl("a", 0, false), l.crl("a", 0, true)})
		for range 10 {
			l.revoked("a", 0, time.Now().Add(30*day))
		}
		time.Sleep(2 * time.Minute)
		require.Empty(t, only(crltest.Verify(t.Context(), l.ca), `issuer "a"`), "it counts further than it had")
		require.NoError(t, p.Status()[0].Err)
	})
}

// published puts a CRL of a revision into the store.
func (l *lab) published(issuer string, revision int64, delta bool) *authority.CRL {
	o := l.copied(0)
	require.NoError(l, o.publisher(crl.Options{Issuers: []string{issuer}, Delta: true}).Publish(context.Background()))
	c := o.crl(issuer, 0, delta)
	c.Revision = revision
	require.NoError(l, l.store.PutCRL(context.Background(), c, nil))
	return l.crl(issuer, 0, delta)
}

// pagedStore lets something happen between two pages of changes.
type pagedStore struct {
	authority.Store
	before, between func() // the first page, and the first two
}

func (s *pagedStore) Changes(ctx context.Context, q authority.ChangeQuery) (*authority.ChangePage, error) {
	if f := s.before; f != nil {
		s.before = nil
		f()
	}
	if q.Limit = min(q.Limit, 2); q.Cursor != "" && s.between != nil {
		f := s.between
		s.between = nil
		f()
	}
	return s.Store.Changes(ctx, q)
}

// A serial that changes while its list is made is listed once, and not lost.
func TestChangesWhileReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &pagedStore{Store: authority.NewMemory()}
		l := newLab(t, pointers(0, true), func(c *authority.Config) { c.Store = store })
		p := l.publisher(crl.Options{OnChange: -1, Issuers: []string{"a"}})
		var all []authority.Serial
		for range 6 {
			s := l.record("a", 0, time.Now().Add(day))
			l.revoke(s, authority.ReasonCertificateHold)
			all = append(all, s)
		}
		store.between = func() {
			l.revoke(all[0], 1)                                                       // was read before
			l.revoke(all[5], 4)                                                       // was not yet
			require.NoError(t, l.store.Release(t.Context(), all[1], time.Now(), nil)) // was read before
			require.NoError(t, l.store.Release(t.Context(), all[4], time.Now(), nil)) // was not yet
			l.revoke(all[4], authority.ReasonCertificateHold)
			all = append(all, l.revoked("a", 0, time.Now().Add(day)))
		}
		require.NoError(t, p.Publish(t.Context()))
		require.Equal(t, crltest.Entries{all[0]: 6, all[1]: 6, all[2]: 6, all[3]: 6, all[4]: 6, all[5]: 4, all[6]: 1}, l.list("a", 0, false))
		require.Equal(t, crltest.Entries{all[0]: 1, all[1]: 8, all[4]: 6, all[5]: 4, all[6]: 1}, l.list("a", 0, true), "the delta begins at the revision")
		require.Empty(t, only(crltest.Verify(t.Context(), l.ca), `issuer "a"`))
	})
}

// The first hold of all, put while the first list is made: were it in the list, no delta could take it away.
func TestFirstHoldWhileReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &pagedStore{Store: authority.NewMemory()}
		l := newLab(t, pointers(0, true), func(c *authority.Config) { c.Store = store })
		p := l.publisher(crl.Options{Issuers: []string{"a"}})
		s := l.record("a", 0, time.Now().Add(day))
		store.before = func() { l.revoke(s, authority.ReasonCertificateHold) }
		require.NoError(t, p.Publish(t.Context()))
		require.Empty(t, l.list("a", 0, false))
		require.Equal(t, crltest.Entries{s: 6}, l.list("a", 0, true))
		require.NoError(t, l.store.Release(t.Context(), s, time.Now(), nil))
		l.run(p)
		time.Sleep(2 * time.Second)
		require.Empty(t, only(crltest.Verify(t.Context(), l.ca), `issuer "a"`))
	})
}

func only(all []string, prefix string) (out []string) {
	for _, s := range all {
		if len(s) >= len(prefix) && s[:len(prefix)] == prefix {
			out = append(out, s)
		}
	}
	return out
}
