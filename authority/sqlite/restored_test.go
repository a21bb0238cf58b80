package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/sqlite"
	"github.com/chancery-ca/chancery/authority/storetest"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/stretchr/testify/require"
)

// copyFile is a backup, or its restoration, of a store that is closed.
func copyFile(t testing.TB, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, b, 0o600))
}

// session opens the store, does something, and closes it.
func session(t testing.TB, path string, o *sqlite.Options, do func(s *sqlite.Store)) {
	t.Helper()
	s, err := sqlite.Open(ctx, path, o)
	require.NoError(t, err)
	do(s)
	require.NoError(t, s.Close())
}

func issue(t testing.TB, s *sqlite.Store, numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		r := storetest.Record(n)
		require.NoError(t, s.Reserve(ctx, r, provisioner.Spend{}))
		require.NoError(t, s.Commit(ctx, r.Serial, storetest.Certificate(r.TBS), r.ReservedAt.Add(time.Second), nil))
	}
}

func revoke(t testing.TB, s *sqlite.Store, n, reason int) {
	t.Helper()
	v := &authority.Revocation{Serial: serialOf(n), ReasonCode: reason, Reason: "lost <&>\u2028", RevokedAt: time.Unix(1800000000, 0).UTC(), Provisioner: "admin", By: "op\xff"}
	require.NoError(t, s.Revoke(ctx, v, nil, provisioner.Spend{}, nil))
}

func putCRL(t testing.TB, s *sqlite.Store, number int64, delta bool) {
	t.Helper()
	c := &authority.CRL{CRLScope: authority.CRLScope{Issuer: "default", Delta: delta}, Number: number, ThisUpdate: time.Now(), NextUpdate: time.Now(), DER: []byte{1}}
	require.NoError(t, s.PutCRL(ctx, c, nil))
}

func serialOf(n int) authority.Serial { return storetest.Record(n).Serial }

// history makes a database, copies it to path+".old", and lets much happen since.
func history(t testing.TB) (path string) {
	path = filepath.Join(t.TempDir(), "ca.db")
	session(t, path, nil, func(s *sqlite.Store) {
		require.Nil(t, s.Gap())
		issue(t, s, 1, 2, 3, 4, 5, 6)
		require.NoError(t, s.Reserve(ctx, storetest.Record(7), provisioner.Spend{}))
		require.NoError(t, s.Reserve(ctx, storetest.Record(8), provisioner.Spend{}))
		revoke(t, s, 1, 1)
		revoke(t, s, 2, 6)
		revoke(t, s, 3, 6)
		putCRL(t, s, 10, false)
	})
	copyFile(t, path, path+".old")
	session(t, path, nil, func(s *sqlite.Store) {
		issue(t, s, 20, 21, 22)
		require.NoError(t, s.Commit(ctx, serialOf(8), storetest.Certificate(storetest.Record(8).TBS), storetest.Record(8).ReservedAt, nil))
		revoke(t, s, 8, 1)                                               // was only reserved in it
		revoke(t, s, 4, 1)                                               // known to the copy
		revoke(t, s, 20, 4)                                              // not known to it
		require.NoError(t, s.Release(ctx, serialOf(2), time.Now(), nil)) // was on hold in it
		revoke(t, s, 3, 1)                                               // was on hold in it
		require.NoError(t, s.Abandon(ctx, serialOf(7), false, time.Now(), nil))
		putCRL(t, s, 11, true)
		putCRL(t, s, 12, false)
	})
	return path
}

var revokedNow = map[int]int{1: 1, 3: 1, 4: 1, 8: 1, 20: 4}

// standings checks that what is read is what was acknowledged, for all that is known of it.
func standings(t testing.TB, s *sqlite.Store, lost ...int) {
	t.Helper()
	for _, n := range []int{1, 2, 3, 4, 5, 6, 7, 8, 20, 21, 22} {
		r, err := s.Certificate(ctx, serialOf(n))
		if slices.Contains(lost, n) {
			require.ErrorIs(t, err, authority.ErrNotFound, n)
			continue
		}
		require.NoError(t, err, n)
		require.Equal(t, storetest.Record(n).Names, r.Names, n)
		require.Equal(t, storetest.Record(n).Identifiers, r.Identifiers, n)
		require.Equal(t, storetest.Record(n).NotAfter, r.NotAfter, n)
		reason, is := revokedNow[n]
		require.Equal(t, is, r.Revocation != nil, n)
		if is {
			require.Equal(t, reason, r.Revocation.ReasonCode, n)
			require.Equal(t, "admin", r.Revocation.Provisioner)
			require.Equal(t, "lost <&>\u2028", r.Revocation.Reason)
			require.EqualValues(t, 1800000000, r.Revocation.RevokedAt.Unix())
		}
		want := authority.Issued
		if n == 7 {
			want = authority.Abandoned
		}
		require.Equal(t, want, r.Status, n)
		page, err := s.List(ctx, authority.Query{Serial: serialOf(n), Revoked: &is})
		require.NoError(t, err)
		require.Len(t, page.Records, 1, n)
		no := !is
		page, err = s.List(ctx, authority.Query{Serial: serialOf(n), Revoked: &no})
		require.NoError(t, err)
		require.Empty(t, page.Records, n)
	}
	listed := map[authority.Serial]bool{}
	for q := (authority.ChangeQuery{Issuer: "default", Limit: 2}); ; {
		page, err := s.Changes(ctx, q)
		require.NoError(t, err)
		for _, c := range page.Changes {
			require.False(t, listed[c.Serial], "twice")
			listed[c.Serial] = true
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	require.Equal(t, map[authority.Serial]bool{serialOf(1): true, serialOf(3): true, serialOf(4): true, serialOf(7): true, serialOf(8): true, serialOf(20): true}, listed)
}

func TestRestoredWritesNothing(t *testing.T) {
	path := history(t)
	copyFile(t, path+".old", path)
	before, err := os.ReadFile(path + ".ledger")
	require.NoError(t, err)
	session(t, path, nil, func(s *sqlite.Store) {
		_, err := sqlite.Open(ctx, path, nil)
		require.ErrorIs(t, err, authority.ErrLocked)
		g := s.Gap()
		require.NotNil(t, g)
		require.Equal(t, sqlite.Gap{Reason: g.Reason, Revocations: 4, Changes: 6, CRLs: 2, Certificates: 3, Since: storetest.Record(8).ReservedAt, Until: g.Until}, *g)
		require.WithinDuration(t, time.Now(), g.Until, time.Minute)
		require.Contains(t, g.String(), "4 revocations")
		standings(t, s, 21, 22)

		_, _, leased := s.Lease(ctx, "x")
		_, outbox := s.Outbox(ctx, "x", 0, 0)
		_, pruned := s.Prune(ctx, authority.Prune{})
		_, reconciled := s.Reconcile(ctx, time.Now(), time.Now(), 0, nil)
		_, crl := s.CRL(ctx, authority.CRLScope{Issuer: "default"}, 0)
		_, delta := s.CRL(ctx, authority.CRLScope{Issuer: "default", Delta: true}, 0)
		_, crls := s.CRLs(ctx, "default")
		for name, err := range map[string]error{
			"reserve": s.Reserve(ctx, storetest.Record(30), provisioner.Spend{}), "commit": s.Commit(ctx, serialOf(7), []byte{1}, time.Now(), nil),
			"revoke": s.Revoke(ctx, &authority.Revocation{Serial: serialOf(5)}, nil, provisioner.Spend{}, nil), "lease": leased,
			"release": s.Release(ctx, serialOf(2), time.Now(), nil), "mark": s.SetMark(ctx, "x", time.Now()), "outbox": outbox, "prune": pruned,
			"reconcile": reconciled, "crl": crl, "delta": delta, "crls": crls,
		} {
			require.ErrorIs(t, err, sqlite.ErrRestored, name)
			require.ErrorIs(t, err, authority.ErrReadOnly, name)
			require.ErrorIs(t, err, authority.ErrUnavailable, name)
		}
		_, err = s.CRL(ctx, authority.CRLScope{Issuer: "default"}, 12)
		require.ErrorIs(t, err, authority.ErrNotFound, "there is none above the newest")
		_, err = s.CRLs(ctx, "other")
		require.NoError(t, err)

		yes, no := true, false
		for q, want := range map[*authority.Query][]int{
			{Revoked: &yes}: {1, 3, 4, 8}, {Revoked: &no}: {2, 5, 6, 7}, {Status: authority.Abandoned}: {7}, {Status: authority.Reserved}: nil,
		} {
			page, err := s.List(ctx, *q)
			require.NoError(t, err)
			requireSerials(t, page, want)
		}
		page, err := s.Ending(ctx, time.Time{}, storetest.Record(99).NotAfter, "", 0)
		require.NoError(t, err)
		requireSerials(t, page, []int{5, 6}) // the hold on 2, which ended since, is only too careful
	})
	session(t, path, &sqlite.Options{ReadOnly: true}, func(s *sqlite.Store) {
		require.NotNil(t, s.Gap())
		standings(t, s, 21, 22)
		_, err := s.CRL(ctx, authority.CRLScope{Issuer: "default"}, 0)
		require.ErrorIs(t, err, sqlite.ErrRestored)

		// It sees when somebody has replayed the journal.
		session(t, path, &sqlite.Options{Restored: sqlite.Replay}, func(w *sqlite.Store) { putCRL(t, w, 13, false) })
		c, err := s.CRL(ctx, authority.CRLScope{Issuer: "default"}, 0)
		require.NoError(t, err)
		require.EqualValues(t, 13, c.Number)
	})
	after, err := os.ReadFile(path + ".ledger")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(after[300:]), string(before[300:])), "the journal has lost something")
}

func requireSerials(t testing.TB, page *authority.Page, want []int) {
	t.Helper()
	var got, serials []authority.Serial
	for _, r := range page.Records {
		got = append(got, r.Serial)
	}
	for _, n := range want {
		serials = append(serials, serialOf(n))
	}
	require.ElementsMatch(t, serials, got)
}

func TestReplay(t *testing.T) {
	path := history(t)
	for range 2 { // the same copy again, after it was replayed once
		copyFile(t, path+".old", path)
		session(t, path, &sqlite.Options{Restored: sqlite.Replay}, func(s *sqlite.Store) {
			require.Equal(t, 4, s.Gap().Revocations)
			standings(t, s, 21, 22)
			_, err := s.CRL(ctx, authority.CRLScope{Issuer: "default"}, 0)
			require.ErrorIs(t, err, authority.ErrNotFound, "the old one is not to be handed out")
			c := &authority.CRL{CRLScope: authority.CRLScope{Issuer: "default"}, Number: 12, DER: []byte{1}}
			require.ErrorIs(t, s.PutCRL(ctx, c, nil), authority.ErrExists, "a number is used twice")
			before, err := s.Revision(ctx)
			require.NoError(t, err)
			require.GreaterOrEqual(t, before, int64(8))
		})
	}
	session(t, path, nil, func(s *sqlite.Store) {
		require.Nil(t, s.Gap(), "all is well")
		issue(t, s, 40)
		revoke(t, s, 5, 1)
		putCRL(t, s, 14, false)
	})
	copyFile(t, path+".old", path)
	session(t, path, nil, func(s *sqlite.Store) { require.EqualValues(t, 4, s.Gap().Certificates) })
	checkIntegrity(t, path)
}

// A database that is gone altogether is made anew from what the journal has.
func TestDatabaseLost(t *testing.T) {
	path := history(t)
	require.NoError(t, os.Remove(path))
	session(t, path, nil, func(s *sqlite.Store) {
		require.NotNil(t, s.Gap())
		standings(t, s, 5, 6, 21, 22)
	})
	session(t, path, &sqlite.Options{Restored: sqlite.Replay}, func(s *sqlite.Store) { standings(t, s, 5, 6, 21, 22) })
	session(t, path, nil, func(s *sqlite.Store) {
		require.Nil(t, s.Gap())
		issue(t, s, 50)
	})
	require.NoError(t, os.Remove(path))
	session(t, path, &sqlite.Options{Restored: sqlite.Accept}, func(s *sqlite.Store) { // another CA in its place
		_, err := s.Certificate(ctx, serialOf(4))
		require.ErrorIs(t, err, authority.ErrNotFound)
	})
	session(t, path, nil, func(s *sqlite.Store) { require.Nil(t, s.Gap()) })
}

// Only certificates are missing: that, too, is noticed.
func TestOnlyCertificatesMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.db")
	session(t, path, nil, func(s *sqlite.Store) { issue(t, s, 1) })
	copyFile(t, path, path+".old")
	session(t, path, nil, func(s *sqlite.Store) { issue(t, s, 2, 3) })
	copyFile(t, path+".old", path)
	session(t, path, nil, func(s *sqlite.Store) {
		require.EqualValues(t, 2, s.Gap().Certificates)
		require.Zero(t, s.Gap().Changes)
		require.ErrorIs(t, s.Reserve(ctx, storetest.Record(9), provisioner.Spend{}), sqlite.ErrRestored)
	})
	session(t, path, &sqlite.Options{Restored: sqlite.Replay}, func(s *sqlite.Store) { issue(t, s, 9) })
	session(t, path, nil, func(s *sqlite.Store) { require.Nil(t, s.Gap()) })
}

// Whoever looks while others revoke finds nothing amiss.
func TestLookWhileWriting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.db")
	w := open(t, path)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for n := g; ; n += 4 {
				select {
				case <-stop:
					return
				default:
					issue(t, w, n)
					revoke(t, w, n, 1)
				}
			}
		})
	}
	for range 100 {
		s, err := sqlite.Open(ctx, path, readOnly)
		require.NoError(t, err)
		require.Nil(t, s.Gap(), fmt.Sprint(s.Gap()))
		require.NoError(t, s.Close())
	}
	close(stop)
	wg.Wait()
}
