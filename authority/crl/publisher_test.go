package crl_test

import (
	"bytes"
	"crypto/x509"
	"log/slog"
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
)

func TestNewChecks(t *testing.T) {
	l := newLab(t)
	_, err := crl.New(nil, crl.Options{})
	require.Error(t, err)
	for _, o := range []crl.Options{
		{Validity: time.Second}, {Validity: time.Hour, Interval: time.Hour}, {Interval: -1}, {DeltaValidity: 25 * time.Hour},
		{DeltaValidity: time.Second}, {Backdate: -1}, {MaxAge: -1}, {Issuers: []string{"c"}},
	} {
		_, err := crl.New(l.ca, o)
		require.Error(t, err, "%+v", o)
	}
	l = newLab(t, func(c *authority.Config) {
		k := newKey(t)
		root := certificate(t, "No CRLs", nil, k, k, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign })
		c.Roots = append(c.Roots, root)
		c.Issuers[1].Chain, c.Issuers[1].Signer = []*x509.Certificate{root}, kms.FromCrypto(k)
	})
	_, err = crl.New(l.ca, crl.Options{})
	require.ErrorContains(t, err, `"b" has no key usage cRLSign`)
	_, err = crl.New(l.ca, crl.Options{Issuers: []string{"a"}})
	require.NoError(t, err)
}

// With nothing revoked and nobody asking, there is a current CRL at every moment, renewed on time.
func TestNeverLapses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, pointers(2, true))
		p := l.publisher(crl.Options{Validity: 3 * time.Hour, DeltaValidity: time.Hour})
		l.run(p)
		numbers := map[int64]bool{}
		for range 24*20 + 1 {
			time.Sleep(3 * time.Minute)
			l.verify()
			require.NoError(t, p.Ready())
			numbers[l.crl("a", 0, false).Number] = true
			c := l.crl("b", 2, true)
			require.LessOrEqual(t, time.Since(c.ThisUpdate), 40*time.Minute+time.Second)
			require.Equal(t, time.Hour, c.NextUpdate.Sub(c.ThisUpdate))
		}
		require.Len(t, numbers, 13, "one at the beginning, and one every two hours")
	})
}

func TestFollowsChanges(t *testing.T) {
	for _, delta := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, pointers(3, delta))
			l.run(l.publisher(crl.Options{}))
			before := l.crl("a", 0, false)
			other, untouched := l.crl("b", 0, delta), l.crl("a", 1, delta)
			s := l.revoked("a", 2, time.Now().Add(day))
			time.Sleep(2 * time.Second)
			require.Contains(t, l.list("a", 0, delta), s)
			require.Contains(t, l.list("a", 2, delta), s)
			require.NotContains(t, l.list("a", 1, delta), s)
			require.Equal(t, other, l.crl("b", 0, delta), "the other issuer's")
			require.Equal(t, untouched, l.crl("a", 1, delta), "the other shard's")
			require.Equal(t, delta, before.Number == l.crl("a", 0, false).Number, "full ones follow where there are no deltas")
			l.verify()
			time.Sleep(17 * time.Hour)
			require.Contains(t, l.list("a", 0, false), s)
			require.Equal(t, delta, len(l.listIf("a", 0, delta)) == 0 && delta, "the next full one takes the delta's entries over")
			l.verify()
		})
	}
}

func (l *lab) listIf(issuer string, shard int, delta bool) crltest.Entries {
	if !delta {
		return nil
	}
	return l.list(issuer, shard, delta)
}

func TestOnScheduleOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		p := l.publisher(crl.Options{OnChange: -1})
		l.run(p)
		s := l.revoked("a", 0, time.Now().Add(30*day))
		time.Sleep(time.Hour)
		require.Empty(t, l.list("a", 0, false))
		require.NoError(t, p.Publish(t.Context()))
		require.Contains(t, l.list("a", 0, false), s)
		s = l.revoked("a", 0, time.Now().Add(30*day))
		time.Sleep(16*time.Hour + time.Minute)
		require.Contains(t, l.list("a", 0, false), s)
	})
}

func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, pointers(0, true))
		p := l.publisher(crl.Options{})
		s := l.record("a", 0, time.Now().Add(30*day))
		l.revoke(s, authority.ReasonCertificateHold)
		l.run(p)
		require.Equal(t, crltest.Entries{s: 6}, l.list("a", 0, false))
		require.NoError(t, l.store.Release(t.Context(), s, time.Now(), nil))
		time.Sleep(2 * time.Second)
		require.Equal(t, crltest.Entries{s: 6}, l.list("a", 0, false))
		require.Equal(t, crltest.Entries{s: authority.ReasonRemoveFromCRL}, l.list("a", 0, true))
		l.verify()
		time.Sleep(17 * time.Hour)
		require.Empty(t, l.list("a", 0, false))
		require.Empty(t, l.list("a", 0, true))
		l.revoke(s, authority.ReasonCertificateHold)
		l.revoke(s, 4)
		time.Sleep(2 * time.Second)
		require.Equal(t, crltest.Entries{s: 4}, l.list("a", 0, true))
		l.verify()
	})
}

// An entry leaves once it was on a CRL made after the certificate's end, and an interval later at least.
func TestEndedCertificatesLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		p := l.publisher(crl.Options{Validity: 3 * time.Hour})
		s := l.revoked("a", 0, time.Now().Add(3*time.Hour))
		stop := l.run(p)
		on := func() bool { _, is := l.list("a", 0, false)[s]; return is }
		time.Sleep(4*time.Hour + time.Minute)
		require.True(t, on(), "ended an hour ago; this is the first CRL after it")
		l.revoked("a", 0, time.Now().Add(day))
		time.Sleep(2 * time.Second)
		require.True(t, on(), "one that follows a change is no scheduled one")
		time.Sleep(time.Hour)
		l.revoked("a", 0, time.Now().Add(day))
		time.Sleep(2 * time.Second)
		require.False(t, on())
		l.verify()

		s = l.revoked("a", 0, time.Now().Add(time.Minute))
		time.Sleep(2 * time.Second)
		stop()
		time.Sleep(30 * day) // nobody makes any
		l.run(p)
		require.True(t, on(), "it never was on one that was made after its end")
		time.Sleep(2*time.Hour + time.Minute)
		require.False(t, on())
	})
}

func TestAbandonedAreListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.run(l.publisher(crl.Options{}))
		tbs := l.leaf("a", 0, 0xabc1, time.Now().Add(day)).RawTBSCertificate
		r := &authority.Record{Serial: "abc1", Issuer: "a", TBS: tbs, NotAfter: time.Now().Add(day), ReservedAt: time.Now()}
		require.NoError(t, l.store.Reserve(t.Context(), r, spend("1")))
		time.Sleep(2 * time.Second)
		require.Empty(t, l.list("a", 0, false))
		require.NoError(t, l.store.Abandon(t.Context(), "abc1", false, time.Now(), nil))
		time.Sleep(2 * time.Second)
		require.Equal(t, crltest.Entries{"abc1": 0}, l.list("a", 0, false))
		l.verify()
	})
}

func TestIssuersComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log syncBuffer
		l := newLab(t, func(c *authority.Config) { c.Issuers[1].State = authority.Pending })
		p := l.publisher(crl.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		l.run(p)
		l.verify()
		require.Len(t, p.Status(), 2, "pending ones have CRLs, too")
		l.reconfigure(func(c *authority.Config) { c.Issuers[1].State = authority.Retired })
		time.Sleep(2 * time.Second)
		last := l.crl("b", 0, false)
		time.Sleep(2 * day)
		require.Equal(t, last, l.crl("b", 0, false))
		require.Len(t, p.Status(), 1)
		require.NoError(t, p.Ready())
		l.reconfigure(func(c *authority.Config) { c.Issuers[1].State = authority.Retiring })
		time.Sleep(2 * time.Second)
		require.Greater(t, l.crl("b", 0, false).Number, last.Number)
		l.verify()

		// Another key under the same name, and other URLs.
		k := newKey(t)
		root := certificate(t, "Another", nil, k, k, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(3 * day) })
		l.reconfigure(func(c *authority.Config) {
			c.Roots = append(c.Roots, root)
			c.Issuers[1].Chain, c.Issuers[1].Signer = []*x509.Certificate{root}, kms.FromCrypto(k)
		})
		time.Sleep(2 * time.Second)
		l.verify()
		l.reconfigure(pointers(1, true))
		time.Sleep(2 * time.Second)
		l.verify()
		require.Len(t, p.Status(), 8)
		got, err := x509.ParseRevocationList(l.crl("a", 1, false).DER)
		require.NoError(t, err)
		require.True(t, hasURL(got, base+"/crl/a/1.crl") && hasURL(got, base+"/crl/a/1/delta.crl"))
		require.Empty(t, log.String())
		time.Sleep(4 * day)
		require.Equal(t, 1, strings.Count(log.String(), "\n"), log.String())
		require.Contains(t, log.String(), "has ended")
		require.Len(t, p.Status(), 4)
		require.NoError(t, p.Ready())
		l.verify()
	})
}

func hasURL(l *x509.RevocationList, url string) bool { return bytes.Contains(l.Raw, []byte(url)) }

// Shards that were made once are made on, with the URLs that their certificates have.
func TestFewerShards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, pointers(4, false))
		p := l.publisher(crl.Options{})
		l.run(p)
		for _, shards := range []int{2, 0} {
			l.reconfigure(pointers(shards, false))
			s := l.revoked("a", 4, time.Now().Add(30*day))
			time.Sleep(2 * time.Second)
			require.Contains(t, l.list("a", 4, false), s)
			time.Sleep(17 * time.Hour)
			got, err := x509.ParseRevocationList(l.crl("a", 4, false).DER)
			require.NoError(t, err)
			require.True(t, hasURL(got, base+"/crl/a/4.crl"))
			require.Len(t, p.Status(), 10)
			l.verify()
		}
	})
}

func TestShardsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, pointers(2, false))
		p := l.publisher(crl.Options{ShardsOnly: true})
		l.run(p)
		require.Len(t, p.Status(), 4)
		l.verify()
	})
}

func TestShorterValidityIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		stop := l.run(l.publisher(crl.Options{Validity: time.Hour}))
		stop()
		l.run(l.publisher(crl.Options{Validity: 7 * day}))
		for range 60 {
			time.Sleep(10 * time.Minute)
			l.verify()
		}
		require.Equal(t, 7*day, l.crl("a", 0, false).NextUpdate.Sub(l.crl("a", 0, false).ThisUpdate))
	})
}

func TestBackdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		p := l.publisher(crl.Options{Backdate: time.Minute})
		l.run(p)
		c := l.crl("a", 0, false)
		require.Equal(t, time.Now().Add(-time.Minute).UTC(), c.ThisUpdate)
		require.Equal(t, time.Now().Add(day).UTC(), c.NextUpdate)
		time.Sleep(16*time.Hour - time.Second)
		require.Equal(t, c.Number, l.crl("a", 0, false).Number)
		time.Sleep(2 * time.Minute)
		require.NotEqual(t, c.Number, l.crl("a", 0, false).Number)
		l.verify()
	})
}

// A CRL that was made by a clock gone wrong does not stay for years.
func TestWrongClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.run(l.publisher(crl.Options{}))
		c := l.crl("a", 0, false)
		c.Number, c.ThisUpdate, c.NextUpdate = 1<<50, time.Now().AddDate(10, 0, 0), time.Now().AddDate(10, 0, 1)
		require.NoError(t, l.store.PutCRL(t.Context(), c, nil))
		time.Sleep(time.Minute + time.Second)
		require.EqualValues(t, 1<<50+1, l.crl("a", 0, false).Number)
		l.verify()
	})
}

func TestThisUpdateRises(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, pointers(1, true))
		p := l.publisher(crl.Options{})
		var last time.Time
		for range 5 {
			require.NoError(t, p.Publish(t.Context()))
			c := l.crl("a", 0, true)
			require.Greater(t, c.ThisUpdate, last)
			require.Equal(t, l.crl("a", 0, false).Number, c.Base)
			last = c.ThisUpdate
			l.verify()
		}
	})
}

// Several nodes on one store: each CRL is made once, and every node knows of it.
func TestSeveralNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var puts atomic.Int64
		l := newLab(t, pointers(2, true), func(c *authority.Config) {
			c.Store = &storetest.Faulty{Store: c.Store, On: func(op string, apply func() error) error {
				switch op {
				case "PutCRL":
					puts.Add(1)
				case "Lease":
					time.Sleep(100 * time.Millisecond) // in which another node may do the work
				}
				return apply()
			}}
		})
		var all []*crl.Publisher
		for range 4 {
			p := l.publisher(crl.Options{})
			all = append(all, p)
			l.run(p)
		}
		time.Sleep(5 * time.Second)
		require.EqualValues(t, 12, puts.Load(), "two issuers, three shards, two kinds")
		for range 10 {
			l.revoked("b", 1, time.Now().Add(30*day))
			time.Sleep(3 * time.Second)
			l.verify()
		}
		require.EqualValues(t, 12+20, puts.Load())
		time.Sleep(2 * time.Minute)
		for _, p := range all {
			require.NoError(t, p.Ready())
			require.Equal(t, all[0].Status(), p.Status())
		}
		require.NoError(t, all[2].Publish(t.Context()))
		require.EqualValues(t, 12+20+12, puts.Load())
		l.verify()
	})
}

// A program that starts again makes nothing anew, unless it is configured otherwise.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, pointers(2, true))
		l.run(l.publisher(crl.Options{}))()
		numbers := func() (out []int64) {
			all, err := l.store.CRLs(t.Context(), "a")
			require.NoError(t, err)
			for _, c := range all {
				out = append(out, c.Number)
			}
			return out
		}
		before := numbers()
		require.Len(t, before, 6)
		time.Sleep(time.Hour)
		l.run(l.publisher(crl.Options{}))()
		require.Equal(t, before, numbers())
		l.reconfigure(func(c *authority.Config) {
			c.Issuers[0].Pointers.CRLDistributionPoints = append(c.Issuers[0].Pointers.CRLDistributionPoints, "http://other.test/{shard}")
		})
		l.run(l.publisher(crl.Options{}))()
		after := numbers()
		require.Equal(t, before[:2], after[:2], "the complete one names no distribution point")
		for i := range after[2:] {
			require.Greater(t, after[2+i], before[2+i])
		}
		l.verify()
	})
}

func TestWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		p := l.publisher(crl.Options{OnChange: time.Hour})
		l.run(p)
		time.Sleep(10 * time.Second)
		s := l.revoked("a", 0, time.Now().Add(day))
		p.Wake()
		synctest.Wait()
		require.Contains(t, l.list("a", 0, false), s)
	})
}

func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		p := l.publisher(crl.Options{})
		require.ErrorContains(t, p.Ready(), "not looked at")
		require.Empty(t, p.Status())
		stop := l.run(p)
		s := p.Status()
		require.Len(t, s, 2)
		require.Equal(t, l.crl("a", 0, false).Number, s[0].Number)
		require.Equal(t, time.Minute, s[0].Age(time.Now().Add(time.Minute)))
		require.NoError(t, s[0].Err)
		stop()
		require.Empty(t, p.Status(), "nobody keeps it up to date any more")
		require.Zero(t, crl.Status{}.Age(time.Now()))
	})
}

// syncBuffer is what loggers of several goroutines write to.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
