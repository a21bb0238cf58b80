package postgres_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/postgres"
	"github.com/chancery-ca/chancery/authority/storetest"
	"github.com/chancery-ca/chancery/internal/pgtest"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/stretchr/testify/require"
)

// An event with a low number that is committed late is not overtaken.
func TestSlowWriterHoldsBackTheOutbox(t *testing.T) {
	url := pgtest.Start(t).Database(t)
	s := open(t, url)
	issue(t, s, 1)
	slow, err := connect(t, url).Begin(ctx)
	require.NoError(t, err)
	defer slow.Rollback(ctx)
	_, err = slow.Exec(ctx, `INSERT INTO outbox (seq, sink, at, payload) SELECT base + pg_current_xact_id()::text::bigint << 20, sink, at, payload
		FROM clock, outbox`)
	require.NoError(t, err)
	horizon, err := s.Revision(ctx)
	require.NoError(t, err)

	require.NoError(t, s.Post(ctx, posts("fast")))
	require.NoError(t, s.Revoke(ctx, &authority.Revocation{Serial: storetest.Record(1).Serial, RevokedAt: time.Now()}, nil, provisioner.Spend{}, nil))
	got, err := s.Outbox(ctx, "sink", 0, 0)
	require.NoError(t, err)
	require.Len(t, got, 1, "the fast one overtook")
	now, err := s.Revision(ctx)
	require.NoError(t, err)
	require.Equal(t, horizon, now)

	require.NoError(t, slow.Commit(ctx))
	got, err = s.Outbox(ctx, "sink", got[0].Seq, 0)
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.Equal(t, "fast", got[1].Event.ID)
	page, err := s.Changes(ctx, authority.ChangeQuery{Issuer: "default", Above: horizon})
	require.NoError(t, err)
	require.Len(t, page.Changes, 1)
	now, err = s.Revision(ctx)
	require.NoError(t, err)
	require.GreaterOrEqual(t, now, page.Changes[0].Revision)
}

func issue(t testing.TB, s *postgres.Store, n int) *authority.Record {
	t.Helper()
	r := storetest.Record(n)
	require.NoError(t, s.Reserve(ctx, r, provisioner.Spend{}))
	require.NoError(t, s.Commit(ctx, r.Serial, storetest.Certificate(r.TBS), time.Now(), posts(fmt.Sprint(n))))
	return r
}

// Readers that follow the outbox while several nodes write to it, in transactions of any length, see every
// event, once, in order.
func TestFollowers(t *testing.T) {
	url := pgtest.Start(t).Database(t)
	stores := []*postgres.Store{open(t, url), open(t, url)}
	const writers, each = 8, 60
	var writing, reading sync.WaitGroup
	done := make(chan struct{})
	for w := range writers {
		writing.Go(func() {
			for n := range each {
				var all []authority.Post
				for i := range 1 + n%5 {
					all = append(all, posts(fmt.Sprint(w, "-", n, "-", i))...)
				}
				if err := stores[w%2].Post(ctx, all); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, s := range stores {
		reading.Go(func() {
			seen, after := map[string]bool{}, int64(0)
			for last := false; ; {
				got, err := s.Outbox(ctx, "sink", after, 50)
				if err != nil {
					t.Error(err)
					return
				}
				for _, e := range got {
					if e.Seq <= after || seen[e.Event.ID] {
						t.Errorf("event %s twice, or out of order", e.Event.ID)
					}
					seen[e.Event.ID], after = true, e.Seq
				}
				if len(got) == 0 && last {
					break
				}
				select {
				case <-done:
					last = len(got) == 0
				default:
				}
			}
			if len(seen) != writers*each*3 {
				t.Errorf("%d events seen", len(seen))
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()
}

// A dump is restored into a cluster that has done less: everything of it is delivered, what is new comes
// after it, and nothing is missing from a delta.
func TestRestoredDump(t *testing.T) {
	url := pgtest.Start(t).Database(t)
	s := open(t, url)
	issue(t, s, 1)
	issue(t, s, 2)
	require.NoError(t, s.Revoke(ctx, &authority.Revocation{Serial: storetest.Record(1).Serial, RevokedAt: time.Now()}, nil, provisioner.Spend{}, nil))
	base, err := s.Revision(ctx)
	require.NoError(t, err)
	const ahead = 5_000_000_000 // transactions that the former cluster was ahead by
	pool := connect(t, url)
	for _, q := range []string{
		"UPDATE outbox SET seq = seq + $1 << 20", "UPDATE revocations SET revision = revision + $1 << 20", "UPDATE clock SET seen = seen + $1",
	} {
		_, err := pool.Exec(ctx, strings.ReplaceAll(strings.ReplaceAll(q, "seq + $1 << 20", "seq + ($1::bigint << 20)"), "revision + $1 << 20", "revision + ($1::bigint << 20)"), int64(ahead))
		require.NoError(t, err)
	}
	base += ahead << 20
	before, err := s.Outbox(ctx, "sink", 0, 0)
	require.NoError(t, err)
	require.Empty(t, before, "not in the future")
	require.NoError(t, s.Close())

	for range 2 { // the second time nothing is to be done
		s = open(t, url)
		old, err := s.Outbox(ctx, "sink", 0, 0)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(old), 2)
		require.NoError(t, s.Post(ctx, posts("new")))
		added, err := s.Outbox(ctx, "sink", old[len(old)-1].Seq, 0)
		require.NoError(t, err)
		require.Len(t, added, 1)
	}
	require.NoError(t, s.Revoke(ctx, &authority.Revocation{Serial: storetest.Record(2).Serial, RevokedAt: time.Now()}, nil, provisioner.Spend{}, nil))
	page, err := s.Changes(ctx, authority.ChangeQuery{Issuer: "default", Above: base})
	require.NoError(t, err)
	require.Len(t, page.Changes, 1)
	require.Equal(t, storetest.Record(2).Serial, page.Changes[0].Serial)
	now, err := s.Revision(ctx)
	require.NoError(t, err)
	require.GreaterOrEqual(t, now, page.Changes[0].Revision)
	var added int64
	require.NoError(t, pool.QueryRow(ctx, "SELECT base FROM clock").Scan(&added))
	require.Less(t, added, int64(ahead+1000))
}
