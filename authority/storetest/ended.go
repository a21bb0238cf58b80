package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/stretchr/testify/require"
)

func copies(t *testing.T, s authority.Store) {
	ctx := context.Background()
	in := Record(1)
	require.NoError(t, s.Reserve(ctx, in, Spend("token")))
	der := Certificate(in.TBS)
	require.NoError(t, s.Commit(ctx, in.Serial, der, issuedAt, nil))
	v := &authority.Revocation{Serial: in.Serial, Reason: "because", RevokedAt: issuedAt}
	require.NoError(t, s.Revoke(ctx, v, nil, Spend("revoke"), nil))
	want := get(t, s, in.Serial)

	v.Reason = "changed"
	der[10]++
	spoil := func(r *authority.Record) {
		r.TBS[5]++
		r.Names[0], r.Identifiers[0].Value, r.Subject = "changed", "changed", "changed"
		if r.Revocation != nil {
			r.Revocation.Reason = "changed"
			r.DER[5]++
		}
	}
	spoil(in)
	spoil(get(t, s, in.Serial))
	for _, r := range list(t, s, authority.Query{}) {
		spoil(r)
	}
	require.Equal(t, want, get(t, s, in.Serial))

	reserve(t, s, 2)
	want2 := get(t, s, serial(2))
	want2.Status = authority.Abandoned
	got, err := s.Reconcile(ctx, time.Now().AddDate(100, 0, 0), issuedAt, 10, func(r *authority.Record) []authority.Post { spoil(r); return nil })
	require.NoError(t, err)
	require.Equal(t, []*authority.Record{want2}, got)
	spoil(got[0])
	require.Equal(t, want2, get(t, s, serial(2)))
}

func contextEnded(t *testing.T, s authority.Store) {
	ctx, cancel := context.WithCancel(context.Background())
	reserve(t, s, 1)
	require.NoError(t, s.Post(ctx, posts("1", "sink")))
	cancel()
	v := &authority.Revocation{Serial: serial(1)}
	for name, err := range map[string]error{
		"Reserve":   s.Reserve(ctx, Record(2), Spend("token")),
		"Commit":    s.Commit(ctx, serial(1), Certificate(Record(1).TBS), issuedAt, posts("2", "sink")),
		"Abandon":   s.Abandon(ctx, serial(1), true, issuedAt, posts("2", "sink")),
		"Revoke":    s.Revoke(ctx, v, nil, Spend("token"), posts("2", "sink")),
		"Post":      s.Post(ctx, posts("2", "sink")),
		"Delivered": s.Delivered(ctx, "sink", []int64{outbox(t, s, "sink")[0].Seq}),
		"Certificate": func() error {
			_, err := s.Certificate(ctx, serial(1))
			return err
		}(),
		"List":   func() error { _, err := s.List(ctx, authority.Query{}); return err }(),
		"Outbox": func() error { _, err := s.Outbox(ctx, "sink", 0, 1); return err }(),
		"Prune": func() error {
			_, err := s.Prune(ctx, authority.Prune{Now: time.Now().AddDate(100, 0, 0)})
			return err
		}(),
		"Release":  s.Release(ctx, serial(1), issuedAt, posts("2", "sink")),
		"PutCRL":   s.PutCRL(ctx, crlOf("default", 0, false, 1), posts("2", "sink")),
		"Bury":     s.Bury(ctx, "sink", outbox(t, s, "sink")[0].Seq, "reason", issuedAt),
		"Replay":   s.Replay(ctx, "sink", []int64{1}),
		"SetMark":  s.SetMark(ctx, "mark", issuedAt),
		"Revision": func() error { _, err := s.Revision(ctx); return err }(),
		"Changes":  func() error { _, err := s.Changes(ctx, authority.ChangeQuery{Issuer: "default"}); return err }(),
		"CRL":      func() error { _, err := s.CRL(ctx, authority.CRLScope{Issuer: "default"}, 0); return err }(),
		"CRLs":     func() error { _, err := s.CRLs(ctx, "default"); return err }(),
		"Buried":   func() error { _, err := s.Buried(ctx, "sink", 0, 1); return err }(),
		"Mark":     func() error { _, err := s.Mark(ctx, "mark"); return err }(),
		"Lease":    func() error { _, _, err := s.Lease(ctx, t.Name()); return err }(),
		"Ending": func() error {
			_, err := s.Ending(ctx, issuedAt, issuedAt, "", 1)
			return err
		}(),
		"Reconcile": func() error { _, err := s.Reconcile(ctx, time.Now().AddDate(100, 0, 0), issuedAt, 1, nil); return err }(),
	} {
		require.ErrorIs(t, err, context.Canceled, name)
	}
	require.Equal(t, Record(1), get(t, s, serial(1)))
	require.Len(t, outbox(t, s, "sink"), 1)
	bg := context.Background()
	_, err := s.CRL(bg, authority.CRLScope{Issuer: "default"}, 0)
	require.ErrorIs(t, err, authority.ErrNotFound)
	at, err := s.Mark(bg, "mark")
	require.NoError(t, err)
	require.True(t, at.IsZero())
	_, release, err := s.Lease(bg, t.Name())
	require.NoError(t, err)
	release()
	require.NoError(t, s.Reserve(bg, Record(2), Spend("token")))
	require.ErrorIs(t, s.Reserve(bg, Record(3), Spend("token-1")), authority.ErrSpent)
}
