package authority_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/storetest"
	"github.com/chancery-ca/chancery/event"
)

func TestRevokeAll(t *testing.T) {
	ctx := context.Background()
	store := authority.NewMemory()
	ca := authoritytest.New(t, func(c *authority.Config) { c.Store = store })
	key := ca.Issue(signRequest(t, ca, "before.internal"))
	ca.Revoked("revoked.internal")
	since := time.Now()
	for range 700 { // more than a page
		ca.Leaf("many.internal")
	}
	foreign := storetest.Record(1) // of another authority on the same store
	foreign.Issuer, foreign.NotAfter, foreign.ReservedAt = "other", time.Now().Add(time.Hour), time.Now()
	require.NoError(t, store.Reserve(ctx, foreign, storetest.Spend("")))

	all := func(q authority.Query, dry bool) authority.RevokedAll {
		t.Helper()
		n, err := ca.Authority.RevokeAll(ctx, &authority.RevokeAllRequest{Query: q, ReasonCode: 9, Reason: "gone", By: "alice", DryRun: dry})
		require.NoError(t, err)
		return n
	}
	events := len(ca.Events.Events())
	q := authority.Query{Provisioner: authoritytest.Local, KnownFrom: since}
	require.Equal(t, authority.RevokedAll{Matched: 700}, all(q, true))
	require.Len(t, ca.Events.Events(), events, "a dry run does nothing")
	require.Equal(t, authority.RevokedAll{Matched: 700, Revoked: 700}, all(q, false))
	require.Equal(t, authority.RevokedAll{}, all(q, false), "and once more")
	require.Len(t, ca.Events.OfType(event.CertificateRevoked), 701)

	require.Equal(t, authority.RevokedAll{Matched: 1, Revoked: 1}, all(authority.Query{KeyID: key.Record.KeyID}, false))
	r, err := ca.Authority.Certificate(ctx, key.Record.Serial)
	require.NoError(t, err)
	require.Equal(t, []any{9, "gone", "alice"}, []any{r.Revocation.ReasonCode, r.Revocation.Reason, r.Revocation.By})

	for _, q := range []authority.Query{{}, {Limit: 3}, {Status: authority.Issued}, {NewestFirst: true}} {
		_, err := ca.Authority.RevokeAll(ctx, &authority.RevokeAllRequest{Query: q})
		require.ErrorIs(t, err, authority.BadRequest)
	}
	_, err = ca.Authority.RevokeAll(ctx, &authority.RevokeAllRequest{Query: authority.Query{Issuer: "intermediate"}, ReasonCode: 8})
	require.ErrorIs(t, err, authority.BadRequest)
	other, err := store.Certificate(ctx, foreign.Serial)
	require.NoError(t, err)
	require.Nil(t, other.Revocation)
}

// What is about to be issued when everything is revoked must not slip through.
func TestRevokeAllMeetsReservations(t *testing.T) {
	ctx := context.Background()
	store := authority.NewMemory()
	ca := authoritytest.New(t, func(c *authority.Config) { c.Store = store })
	r := storetest.Record(1)
	r.Issuer, r.Provisioner, r.NotAfter = "intermediate", "web", time.Now().Add(time.Hour)
	require.NoError(t, store.Reserve(ctx, r, storetest.Spend("")))
	n, err := ca.Authority.RevokeAll(ctx, &authority.RevokeAllRequest{Query: authority.Query{Provisioner: "web"}})
	require.NoError(t, err)
	require.Equal(t, 1, n.Revoked)
	require.NoError(t, store.Commit(ctx, r.Serial, storetest.Certificate(r.TBS), time.Now(), nil))
	st, err := ca.Authority.Standing(ctx, "intermediate", r.Serial)
	require.NoError(t, err)
	require.True(t, st.Known)
	require.NotNil(t, st.Revocation)
}
