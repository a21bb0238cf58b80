package acmetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/stretchr/testify/require"
)

// externalKey records one.
func externalKey(t *testing.T, s acme.Store, id string, change func(*acme.ExternalKey)) *acme.ExternalKey {
	t.Helper()
	k := &acme.ExternalKey{
		ID: id, Provisioner: Provisioner, Key: []byte("0123456789abcdef0123456789abcdef"), Name: "somebody", CreatedAt: Start,
	}
	if change != nil {
		change(k)
	}
	require.NoError(t, s.PutExternalKey(ctx, k))
	return k
}

func loadKey(t *testing.T, s acme.Store, id string) *acme.ExternalKey {
	t.Helper()
	k, err := s.ExternalKey(ctx, Provisioner, id)
	require.NoError(t, err)
	return k
}

// bound returns an account that is made with an external key.
func bound(n int, key string) *acme.Account {
	a := Account(n)
	a.Binding = key
	return a
}

func keyRoundTrip(t *testing.T, s acme.Store) {
	k := externalKey(t, s, "k", func(k *acme.ExternalKey) { k.CreatedAt = k.CreatedAt.Add(7) })
	require.NotZero(t, k.Version)
	want := *k
	want.CreatedAt = Start
	require.Equal(t, &want, loadKey(t, s, "k"))
	_, err := s.ExternalKey(ctx, "other", "k")
	require.ErrorIs(t, err, acme.ErrNotFound)
	_, err = s.ExternalKey(ctx, Provisioner, "none")
	require.ErrorIs(t, err, acme.ErrNotFound)

	fresh := *k
	fresh.Version = 0
	require.ErrorIs(t, s.PutExternalKey(ctx, &fresh), acme.ErrExists)
	require.Zero(t, fresh.Version)
	fresh.Provisioner = "other"
	require.NoError(t, s.PutExternalKey(ctx, &fresh))

	full := acme.ExternalKey{
		ID: "k", Provisioner: Provisioner, Key: []byte("abcdef0123456789abcdef0123456789"), Name: "other", Reusable: true, CreatedAt: Start.Add(time.Minute),
		Expires: Start.Add(time.Hour), RevokedAt: Start.Add(2 * time.Hour), UsedAt: Start.Add(3 * time.Hour), Account: "account", Version: k.Version,
	}
	require.NoError(t, s.PutExternalKey(ctx, &full))
	require.NotEqual(t, k.Version, full.Version)
	require.Equal(t, &full, loadKey(t, s, "k"))
	require.ErrorIs(t, s.PutExternalKey(ctx, k), acme.ErrConflict)
	full.ID = "none"
	require.ErrorIs(t, s.PutExternalKey(ctx, &full), acme.ErrNotFound)
}

func keyList(t *testing.T, s acme.Store) {
	list := func(provisioner, after string, limit int) []string {
		all, err := s.ExternalKeys(ctx, provisioner, after, limit)
		require.NoError(t, err)
		ids := []string{}
		for _, k := range all {
			require.Equal(t, loadKey(t, s, k.ID), k)
			ids = append(ids, k.ID)
		}
		return ids
	}
	require.Empty(t, list(Provisioner, "", 0))
	var want []string
	for n := range 105 {
		id := fmt.Sprintf("key-%03d", n)
		externalKey(t, s, id, nil)
		want = append(want, id)
	}
	require.Empty(t, list("other", "", 0))
	require.Equal(t, want[:100], list(Provisioner, "", 0))
	require.Equal(t, want[100:], list(Provisioner, want[99], 0))
	require.Equal(t, want[3:5], list(Provisioner, want[2], 2))
	require.Equal(t, want[3:5], list(Provisioner, want[2]+"x", 2), "after what is not there")
	require.Empty(t, list(Provisioner, "z", 0))
}

func keyOnce(t *testing.T, s acme.Store) {
	k := externalKey(t, s, "once", nil)
	a := bound(1, "once")
	a.CreatedAt = Start.Add(time.Minute)
	require.NoError(t, s.NewAccount(ctx, Pass(nil), a))
	got := loadKey(t, s, "once")
	want := *k
	want.UsedAt, want.Account, want.Version = a.CreatedAt, a.ID, got.Version
	require.Equal(t, &want, got)
	require.ErrorIs(t, s.PutExternalKey(ctx, k), acme.ErrConflict, "it was used meanwhile")
	require.ErrorIs(t, s.NewAccount(ctx, Pass(nil), bound(2, "once")), acme.ErrKey)
	stored, err := s.Account(ctx, a.ID)
	require.NoError(t, err)
	require.Equal(t, "once", stored.Binding)

	externalKey(t, s, "often", func(k *acme.ExternalKey) { k.Reusable = true })
	for n := range 3 {
		a := bound(10+n, "often")
		a.CreatedAt = Start.Add(time.Duration(n) * time.Minute)
		require.NoError(t, s.NewAccount(ctx, Pass(nil), a))
		k := loadKey(t, s, "often")
		require.Equal(t, a.ID, k.Account)
		require.Equal(t, a.CreatedAt, k.UsedAt)
	}
}

func keyUnusable(t *testing.T, s acme.Store) {
	externalKey(t, s, "ended", func(k *acme.ExternalKey) { k.Expires = Start })
	externalKey(t, s, "good", func(k *acme.ExternalKey) { k.Expires = Start.Add(time.Microsecond) })
	externalKey(t, s, "revoked", func(k *acme.ExternalKey) { k.RevokedAt, k.Reusable = Start.Add(time.Hour), true })
	externalKey(t, s, "elsewhere", func(k *acme.ExternalKey) { k.Provisioner = "other" })
	for _, id := range []string{"ended", "revoked", "elsewhere", "none"} {
		require.ErrorIs(t, s.NewAccount(ctx, Pass(nil), bound(1, id)), acme.ErrKey, id)
		_, err := s.Account(ctx, bound(1, id).ID)
		require.ErrorIs(t, err, acme.ErrNotFound)
	}
	require.NoError(t, s.NewAccount(ctx, Pass(nil), bound(1, "good")))
	k := externalKey(t, s, "late", nil)
	k.RevokedAt = Start
	require.NoError(t, s.PutExternalKey(ctx, k))
	require.ErrorIs(t, s.NewAccount(ctx, Pass(nil), bound(2, "late")), acme.ErrKey)
}

func keyInVain(t *testing.T, s acme.Store) {
	account(t, s, 1)
	k := externalKey(t, s, "k", nil)
	tally := acme.Tally{Key: "accounts", Limit: 1, Until: Start.Add(time.Hour), What: "accounts"}
	require.ErrorIs(t, s.NewAccount(ctx, Pass(nil), bound(1, "k"), tally), acme.ErrExists)
	require.ErrorIs(t, s.NewAccount(ctx, Pass(nil), bound(2, "none"), tally), acme.ErrKey)
	require.NoError(t, s.Full(ctx, tally))
	require.NoError(t, s.Count(ctx, tally))
	requireLimit(t, s.NewAccount(ctx, Pass(nil), bound(2, "k"), tally), "accounts")
	require.Equal(t, k, loadKey(t, s, "k"))
	require.NoError(t, s.NewAccount(ctx, Pass(nil), bound(2, "k")))
}
