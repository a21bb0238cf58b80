package crl_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/crl"
	"github.com/chancery-ca/chancery/authority/crl/crltest"
	"github.com/chancery-ca/chancery/authority/storetest"
)

// Of two nodes at work at the same time (one of them lost its lease without noticing), the one that saw less
// does not replace what the other published: it is refused, looks again soon, and leaves it at that.
func TestSlowNodeReplacesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := authority.NewMemory()
		var puts atomic.Int64
		var overtake atomic.Pointer[func()]
		store := &storetest.Faulty{Store: memory, On: func(op string, apply func() error) error {
			if op != "PutCRL" {
				return apply()
			}
			puts.Add(1)
			if f := overtake.Swap(nil); f != nil {
				(*f)()
			}
			return apply()
		}}
		l := newLab(t, func(c *authority.Config) { c.Store = store })
		l.store = memory
		var log syncBuffer
		p := l.publisher(crl.Options{Issuers: []string{"a"}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		l.run(p)
		fast := newLab(t, func(c *authority.Config) { c.Issuers, c.Roots = l.config.Issuers, l.config.Roots })
		fast.key = l.key
		var s []authority.Serial
		for range 2 {
			s = append(s, l.record("a", 0, time.Now().Add(day)))
			fast.revoked("a", 0, time.Now().Add(day))
		}
		var newest *authority.CRL
		faster := func() { // the list that waits at the door has the first revocation, this one has both
			l.revoke(s[1], 1)
			old := l.crl("a", 0, false)
			require.NoError(t, fast.publisher(crl.Options{Issuers: []string{"a"}}).Publish(context.Background()))
			newest = fast.crl("a", 0, false)
			newest.Number = old.Number + 1 // the clock of the other node is behind
			require.EqualValues(t, 2, newest.Revision)
			require.NoError(t, memory.PutCRL(context.Background(), newest, nil))
		}
		before := puts.Load()
		overtake.Store(&faster)
		l.revoke(s[0], 1)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.NotNil(t, newest)
		require.Equal(t, newest, l.crl("a", 0, false))
		require.Equal(t, before+1, puts.Load(), "it did not try again")
		require.Empty(t, log.String())
		require.NoError(t, p.Status()[0].Err)
		require.Equal(t, newest.Number, p.Status()[0].Number)
	})
}

// A store that refuses and has nothing newer is a fault that lasts: it is said, once, and tried every minute.
func TestRefusedForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var puts atomic.Int64
		var refuses atomic.Bool
		refuses.Store(true)
		l := newLab(t, func(c *authority.Config) {
			c.Store = &storetest.Faulty{Store: c.Store, On: func(op string, apply func() error) error {
				if op == "PutCRL" && refuses.Load() {
					puts.Add(1)
					return authority.ErrExists
				}
				return apply()
			}}
		})
		var log syncBuffer
		p := l.publisher(crl.Options{Issuers: []string{"a"}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		l.run(p)
		for range 60 {
			l.revoked("a", 0, time.Now().Add(day))
			time.Sleep(time.Minute)
		}
		require.InDelta(t, 60, puts.Load(), 3)
		require.Equal(t, 1, strings.Count(log.String(), "\n"), log.String())
		require.ErrorContains(t, p.Status()[0].Err, "another CRL")
		require.ErrorContains(t, p.Ready(), "no current CRL")
		refuses.Store(false)
		time.Sleep(time.Minute + 2*time.Second)
		require.NoError(t, p.Ready())
		require.Empty(t, only(crltest.Verify(t.Context(), l.ca), `issuer "a"`))
	})
}

// An issuer that comes by another name than the store keeps its revocations under publishes nothing: its
// first CRL would forget them all. That lasts until it has its name again.
func TestRenamedIssuerPublishesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		s := l.revoked("a", 0, time.Now().Add(30*day))
		require.NoError(t, l.publisher(crl.Options{}).Publish(t.Context()))
		renamed := l.config
		renamed.Issuers = append([]authority.Issuer(nil), l.config.Issuers...)
		renamed.Issuers[0].Name, renamed.Issuers[0].Pointers = "renamed", crl.Pointers(base, "renamed", 0, false)
		require.Error(t, l.ca.Reconfigure(t.Context(), renamed))
		require.Contains(t, l.list("a", 0, false), s)

		var signed atomic.Int64
		counted := renamed.Issuers[0].Signer
		renamed.Issuers[0].Signer = &brokenSigner{counted, func() bool { signed.Add(1); return false }}
		var err error
		l.ca, err = authority.New(renamed)
		require.NoError(t, err)
		var log syncBuffer
		require.ErrorIs(t, l.publisher(crl.Options{}).Publish(t.Context()), authority.Conflict)
		p := l.publisher(crl.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		l.run(p)
		for range 60 {
			l.revoked("b", 0, time.Now().Add(day))
			time.Sleep(time.Minute)
		}
		require.Equal(t, 1, strings.Count(log.String(), "\n"), log.String())
		require.Zero(t, signed.Load())
		st := p.Status()
		require.Equal(t, "renamed", st[1].Issuer)
		require.ErrorIs(t, st[1].Err, authority.Conflict)
		require.NoError(t, st[0].Err)
		require.ErrorContains(t, p.Ready(), "renamed")
		_, err = l.store.CRL(t.Context(), authority.CRLScope{Issuer: "renamed"}, 0)
		require.ErrorIs(t, err, authority.ErrNotFound)
	})
}
