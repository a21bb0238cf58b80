package acmetest

import (
	"testing"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/stretchr/testify/require"
)

func accountRoundTrip(t *testing.T, s acme.Store) {
	a := Account(1)
	a.CreatedAt = Start.In(time.FixedZone("somewhere", 3600)).Add(999)
	require.NoError(t, s.NewAccount(ctx, Pass(nil), a))
	require.NotZero(t, a.Version)
	want := Account(1)
	want.Version = a.Version
	got, err := s.Account(ctx, a.ID)
	require.NoError(t, err)
	require.Equal(t, want, got)
	got, err = s.AccountByKey(ctx, a.Provisioner, a.Thumbprint)
	require.NoError(t, err)
	require.Equal(t, want, got)

	bare := &acme.Account{ID: "bare", Provisioner: "p", Key: []byte(`{}`), Thumbprint: "t", Status: acme.Valid, CreatedAt: Start}
	require.NoError(t, s.NewAccount(ctx, nil, bare))
	got, err = s.Account(ctx, "bare")
	require.NoError(t, err)
	require.Equal(t, bare, got)

	_, err = s.Account(ctx, "none")
	require.ErrorIs(t, err, acme.ErrNotFound)
	_, err = s.AccountByKey(ctx, a.Provisioner, "t")
	require.ErrorIs(t, err, acme.ErrNotFound)
	_, err = s.AccountByKey(ctx, "p", a.Thumbprint)
	require.ErrorIs(t, err, acme.ErrNotFound)
}

func accountExists(t *testing.T, s acme.Store) {
	a := account(t, s, 1)
	same := Account(2)
	same.Thumbprint = a.Thumbprint
	require.ErrorIs(t, s.NewAccount(ctx, Pass(nil), same), acme.ErrExists)
	_, err := s.Account(ctx, same.ID)
	require.ErrorIs(t, err, acme.ErrNotFound)

	elsewhere := Account(3)
	elsewhere.Provisioner, elsewhere.Thumbprint = "other", a.Thumbprint
	require.NoError(t, s.NewAccount(ctx, Pass(nil), elsewhere))
	got, err := s.AccountByKey(ctx, "other", a.Thumbprint)
	require.NoError(t, err)
	require.Equal(t, elsewhere.ID, got.ID)

	a.Status = acme.Deactivated
	require.NoError(t, s.UpdateAccount(ctx, nil, a))
	require.ErrorIs(t, s.NewAccount(ctx, Pass(nil), same), acme.ErrExists, "it has the key still")
	got, err = s.AccountByKey(ctx, a.Provisioner, a.Thumbprint)
	require.NoError(t, err)
	require.Equal(t, acme.Deactivated, got.Status)
}

func accountUpdate(t *testing.T, s acme.Store) {
	a := account(t, s, 1)
	first := *a
	changed := *a
	changed.Contacts, changed.Agreed = []string{"mailto:other@example.com", "mailto:third@example.com"}, false
	changed.URL, changed.Provisioner, changed.Binding, changed.CreatedAt = "elsewhere", "elsewhere", "elsewhere", time.Time{}
	require.NoError(t, s.UpdateAccount(ctx, Pass(a), &changed))
	require.NotEqual(t, a.Version, changed.Version)
	want := Account(1)
	want.Contacts, want.Agreed, want.Version = changed.Contacts, false, changed.Version
	got, err := s.Account(ctx, a.ID)
	require.NoError(t, err)
	require.Equal(t, want, got, "what may change, and nothing else")

	require.ErrorIs(t, s.UpdateAccount(ctx, nil, &first), acme.ErrConflict)
	require.Equal(t, a.Version, first.Version)
	require.NoError(t, s.UpdateAccount(ctx, nil, got))
	require.NotEqual(t, changed.Version, got.Version)
	require.ErrorIs(t, s.UpdateAccount(ctx, nil, &changed), acme.ErrConflict)
	none := Account(7)
	none.Version = got.Version
	require.ErrorIs(t, s.UpdateAccount(ctx, nil, none), acme.ErrNotFound)

	got.Contacts = nil
	require.NoError(t, s.UpdateAccount(ctx, nil, got))
	got, err = s.Account(ctx, a.ID)
	require.NoError(t, err)
	require.Nil(t, got.Contacts)
}

func accountRollover(t *testing.T, s acme.Store) {
	a, b := account(t, s, 1), account(t, s, 2)
	taken := *a
	taken.Thumbprint = b.Thumbprint
	require.ErrorIs(t, s.UpdateAccount(ctx, nil, &taken), acme.ErrExists)
	stale := *a
	stale.Version, stale.Thumbprint = a.Version+7, "fresh"
	require.ErrorIs(t, s.UpdateAccount(ctx, nil, &stale), acme.ErrConflict)
	_, err := s.AccountByKey(ctx, a.Provisioner, "fresh")
	require.ErrorIs(t, err, acme.ErrNotFound)

	old := a.Thumbprint
	a.Thumbprint, a.Key = "fresh", []byte(`{"kty":"fresh"}`)
	require.NoError(t, s.UpdateAccount(ctx, nil, a))
	got, err := s.AccountByKey(ctx, a.Provisioner, "fresh")
	require.NoError(t, err)
	require.Equal(t, a, got)
	_, err = s.AccountByKey(ctx, a.Provisioner, old)
	require.ErrorIs(t, err, acme.ErrNotFound)

	b.Thumbprint = old
	require.NoError(t, s.UpdateAccount(ctx, nil, b), "the old key is free")
	got, err = s.AccountByKey(ctx, a.Provisioner, old)
	require.NoError(t, err)
	require.Equal(t, b.ID, got.ID)
	c := Account(3)
	c.Thumbprint = Account(2).Thumbprint
	require.NoError(t, s.NewAccount(ctx, nil, c))
}
