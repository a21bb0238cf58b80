package otelhook_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/otelhook"
)

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		ca := l.ca(func(c *authority.Config) {
			old := c.Issuers[0]
			old.Name, old.State = "old", authority.Retired
			c.Issuers = append(c.Issuers, old)
		})
		w, err := l.hook.Watch(ca.Authority, otelhook.WatchOptions{Sinks: []string{"audit", "silent"}})
		require.NoError(t, err)
		_, err = l.hook.Watch(ca.Authority, otelhook.WatchOptions{})
		require.Error(t, err, "one at a time")

		for range 3 {
			ca.Leaf("db.internal")
		}
		waiting, err := ca.Store.Outbox(t.Context(), "audit", 0, 0)
		require.NoError(t, err)
		require.NoError(t, ca.Store.Bury(t.Context(), "audit", waiting[0].Seq, "no", time.Now()))
		require.NoError(t, ca.Store.PutCRL(t.Context(), crl("intermediate", time.Now()), nil))
		delta := crl("intermediate", time.Now())
		delta.Shard, delta.Delta, delta.Base = 2, true, 1
		require.NoError(t, ca.Store.PutCRL(t.Context(), delta, nil))
		time.Sleep(24 * time.Hour)

		got := l.collect()
		seconds := func(name, where string, want time.Duration) {
			t.Helper()
			require.InDelta(t, want.Seconds(), got[name].one(t, where), .001)
		}
		seconds("chancery.issuer.remaining", "chancery.issuer=intermediate", time.Until(ca.Intermediate.NotAfter))
		sum := sha256.Sum256(ca.Root.Raw)
		seconds("chancery.root.remaining", "chancery.root="+hex.EncodeToString(sum[:16]), time.Until(ca.Root.NotAfter))
		seconds("chancery.outbox.lag", "chancery.sink=audit", 24*time.Hour)
		seconds("chancery.outbox.lag", "chancery.sink=silent", 0)
		seconds("chancery.crl.age", "chancery.crl.delta=false chancery.crl.shard=0 chancery.issuer=intermediate", 25*time.Hour)
		seconds("chancery.crl.remaining", "chancery.crl.delta=true chancery.crl.shard=2 chancery.issuer=intermediate", -time.Hour)
		require.EqualValues(t, 1, got["chancery.outbox.dead_letters"].one(t, "chancery.sink=audit"))
		require.Zero(t, got["chancery.outbox.dead_letters"].one(t, "chancery.sink=silent"))
		require.Len(t, got["chancery.build.info"].points, 1)
		require.Len(t, got["chancery.issuer.remaining"].points, 1, "a retired issuer has no end to be afraid of")
		require.NotContains(t, got, "chancery.watch.failures")

		require.NoError(t, w.Close())
		require.NoError(t, w.Close())
		got = l.collect()
		require.NotContains(t, got, "chancery.issuer.remaining")
		require.Contains(t, got, "chancery.operation.done")
		again, err := l.hook.Watch(ca.Authority, otelhook.WatchOptions{})
		require.NoError(t, err)
		require.NoError(t, w.Close(), "closing the first again leaves the second alone")
		require.Contains(t, l.collect(), "chancery.issuer.remaining")
		require.NoError(t, again.Close())
	})
}

// A store that fails or does not answer costs the gauges that are read from it, and nothing else.
func TestWatchOfUnwellStore(t *testing.T) {
	for name, spoil := range map[string]func(*unwell){
		"fails":           func(u *unwell) { u.err = authority.ErrUnavailable },
		"does not answer": func(u *unwell) { u.hang = true },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, sick := newLab(t), &unwell{}
				ca := l.ca(func(c *authority.Config) { sick.Store, c.Store = c.Store, sick })
				w, err := l.hook.Watch(ca.Authority, otelhook.WatchOptions{Sinks: []string{"audit", "other", "third"}})
				require.NoError(t, err)
				defer w.Close()
				ca.Leaf("db.internal")
				spoil(sick)
				began := time.Now()
				got := l.collect() // which also finds that the callback returns no error
				require.LessOrEqual(t, time.Since(began), 5*time.Second)
				require.NotContains(t, got, "chancery.outbox.lag")
				require.NotContains(t, got, "chancery.crl.age")
				require.Contains(t, got, "chancery.issuer.remaining")
				require.Contains(t, got, "chancery.operation.done")
				require.EqualValues(t, 3, got["chancery.watch.failures"].one(t, "chancery.reading=lag"))
				require.EqualValues(t, 1, got["chancery.watch.failures"].one(t, "chancery.reading=crls"))
			})
		})
	}
}

// Requests go on while a collection waits for the store.
func TestCollectionHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, sick := newLab(t), &unwell{hang: true}
		ca := l.ca(func(c *authority.Config) { sick.Store, c.Store = c.Store, sick })
		w, err := l.hook.Watch(ca.Authority, otelhook.WatchOptions{Sinks: []string{"audit"}})
		require.NoError(t, err)
		collected := make(chan struct{})
		go func() {
			defer close(collected)
			l.collect()
		}()
		synctest.Wait() // the collection hangs in the store
		began := time.Now()
		ca.Leaf("db.internal")
		_, err = ca.Authority.Issue(context.Background(), &authority.Request{Provisioner: "nobody"})
		require.Error(t, err)
		require.Zero(t, time.Since(began))
		<-collected
		require.NoError(t, w.Close())
	})
}
