package authority_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/eventtest"
	"github.com/chancery-ca/chancery/kms"
)

func TestMandatorySinkHoldsIssuance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var audit eventtest.Recorder
		var fails atomic.Bool
		ca := authoritytest.New(t, func(c *authority.Config) {
			c.Outbox = []authority.Delivery{{Name: "audit", HoldAfter: time.Minute, Sink: event.SinkFunc(func(ctx context.Context, e event.Event) error {
				if fails.Load() {
					return errors.New("down")
				}
				return audit.Publish(ctx, e)
			})}}
		})
		stop := background(t, ca.Authority)
		defer stop()
		leaf := ca.Leaf("a.internal").Leaf
		time.Sleep(time.Hour)
		ca.Leaf("b.internal")
		fails.Store(true)
		ca.Leaf("c.internal")
		time.Sleep(59 * time.Second)
		ca.Leaf("d.internal")
		time.Sleep(5 * time.Second)
		_, err := ca.Try(signRequest(t, ca, "e.internal"))
		requireRefused(t, err, authority.Unavailable, "sink-behind")
		_, err = ca.Try(renewal(leaf))
		requireRefused(t, err, authority.Unavailable, "sink-behind")
		// Ending a certificate is never held back.
		_, err = ca.Authority.Revoke(context.Background(), &authority.RevokeRequest{Serial: authority.SerialOf(leaf.SerialNumber), Local: true})
		require.NoError(t, err)

		fails.Store(false)
		time.Sleep(3 * time.Minute)
		ca.Leaf("e.internal")
		time.Sleep(time.Minute)
		require.Len(t, audit.OfType(event.CertificateIssued), 5)
		ca.Check()
	})
}

func TestOneNodeDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sink eventtest.Recorder
		store := authority.NewMemory()
		node := func() *authoritytest.CA {
			return authoritytest.New(t, func(c *authority.Config) {
				c.Store, c.Outbox = store, []authority.Delivery{{Name: "queue", Sink: &sink}}
			})
		}
		a, b := node(), node()
		stopA, stopB := background(t, a.Authority), background(t, b.Authority)
		for range 20 {
			a.Leaf("a.internal")
			b.Leaf("b.internal")
		}
		time.Sleep(time.Minute)
		require.Len(t, sink.Events(), 40, "each once")
		stopA()
		b.Leaf("b.internal")
		time.Sleep(10 * time.Second)
		require.Len(t, sink.Events(), 41, "the other one has taken over")
		stopB()
	})
}

func TestDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sink eventtest.Recorder
		var poison atomic.Bool
		poison.Store(true)
		ca := authoritytest.New(t, func(c *authority.Config) {
			c.Outbox = []authority.Delivery{{Name: "queue", GiveUp: time.Hour, Sink: event.SinkFunc(func(ctx context.Context, e event.Event) error {
				if d, ok := e.Data.(event.Certificate); ok && poison.Load() && d.Names[0] == "poison.internal" {
					return event.Permanent(errors.New("cannot be read"))
				}
				return sink.Publish(ctx, e)
			})}}
		})
		stop := background(t, ca.Authority)
		defer stop()
		ca.Leaf("a.internal")
		ca.Leaf("poison.internal")
		ca.Leaf("b.internal")
		time.Sleep(time.Minute)
		require.Len(t, sink.Events(), 2)
		ctx := context.Background()
		dead, err := ca.Authority.DeadLetters(ctx, "queue", 0, 0)
		require.NoError(t, err)
		require.Len(t, dead, 1)
		require.Contains(t, dead[0].Reason, "cannot be read")
		lag, err := ca.Authority.Lag(ctx, "queue")
		require.NoError(t, err)
		require.Zero(t, lag, "a dead letter holds nothing up")

		poison.Store(false)
		require.NoError(t, ca.Authority.Replay(ctx, "queue", []int64{dead[0].Seq}))
		time.Sleep(time.Minute)
		require.Len(t, sink.Events(), 3)
		dead, err = ca.Authority.DeadLetters(ctx, "queue", 0, 0)
		require.NoError(t, err)
		require.Empty(t, dead)
	})
}

func TestEventsOfRemovedSinksEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := event.SinkFunc(func(context.Context, event.Event) error { return errors.New("down") })
		store := authority.NewMemory()
		ca := authoritytest.New(t, func(c *authority.Config) {
			c.Store, c.EventRetention, c.Outbox = store, time.Hour, []authority.Delivery{{Name: "gone", Sink: fail}}
		})
		stop := background(t, ca.Authority)
		ca.Leaf("a.internal")
		time.Sleep(3 * time.Hour)
		ctx := context.Background()
		left, err := store.Outbox(ctx, "gone", 0, 0)
		require.NoError(t, err)
		require.Len(t, left, 1, "as long as the sink is there, its events are")
		stop()

		ca = authoritytest.New(t, func(c *authority.Config) { c.Store, c.EventRetention = store, time.Hour })
		stop = background(t, ca.Authority)
		time.Sleep(time.Minute)
		left, err = store.Outbox(ctx, "gone", 0, 0)
		require.NoError(t, err)
		require.Empty(t, left)
		stop()
	})
}

// What a mandatory sink will never take holds issuance, too, until somebody has dealt with it; nobody has to
// wait for it to find out what is revoked.
func TestDeadLettersHoldIssuance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := event.SinkFunc(func(context.Context, event.Event) error { return event.Permanent(errors.New("too large")) })
		ca := authoritytest.New(t, func(c *authority.Config) {
			c.EventRetention = time.Hour
			c.Outbox = []authority.Delivery{{Name: "audit", HoldAfter: time.Minute, Sink: never}}
		})
		stop := background(t, ca.Authority)
		defer stop()
		ca.Leaf("a.internal")
		time.Sleep(5 * time.Minute)
		_, err := ca.Try(signRequest(t, ca, "b.internal"))
		requireRefused(t, err, authority.Unavailable, "sink-behind")
		_, err = ca.Authority.IssueResponder(t.Context(), "intermediate", newKey(t, kms.ECDSAP256))
		require.NoError(t, err)

		time.Sleep(3 * time.Hour) // nor is it forgotten
		_, err = ca.Try(signRequest(t, ca, "b.internal"))
		requireRefused(t, err, authority.Unavailable, "sink-behind")
		dead, err := ca.Authority.DeadLetters(t.Context(), "audit", 0, 0)
		require.NoError(t, err)
		require.Len(t, dead, 2, "the two certificates")
		var seqs []int64
		for _, d := range dead {
			seqs = append(seqs, d.Seq)
		}
		require.NoError(t, ca.Authority.Dismiss(t.Context(), "audit", seqs))
		time.Sleep(2 * time.Second)
		ca.Leaf("b.internal")
	})
}
