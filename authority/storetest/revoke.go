package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/stretchr/testify/require"
)

func revocation(n int) *authority.Revocation {
	return &authority.Revocation{
		Serial: serial(n), ReasonCode: 1, Reason: "key in a public repository", RevokedAt: issuedAt.Add(time.Hour), Provisioner: "admin", By: "ops",
	}
}

func revokeRoundTrip(t *testing.T, s authority.Store) {
	ctx := context.Background()
	r := issue(t, s, 1)
	require.NoError(t, s.Revoke(ctx, revocation(1), nil, Spend("revoke"), posts("1", "sink")))
	r.Revocation = revocation(1)
	require.Equal(t, r, get(t, s, r.Serial))
	require.Len(t, outbox(t, s, "sink"), 1)
	require.ErrorIs(t, s.Reserve(ctx, Record(2), Spend("revoke")), authority.ErrSpent, "one set of credentials for all methods")
}

func revokeErrors(t *testing.T, s authority.Store) {
	ctx := context.Background()
	issue(t, s, 1)
	issue(t, s, 2)
	require.ErrorIs(t, s.Revoke(ctx, revocation(9), nil, Spend("fresh"), posts("1", "sink")), authority.ErrNotFound)
	require.ErrorIs(t, s.Revoke(ctx, revocation(1), nil, Spend("token-2"), posts("1", "sink")), authority.ErrSpent)
	require.Nil(t, get(t, s, serial(1)).Revocation)
	require.NoError(t, s.Revoke(ctx, revocation(1), nil, provisioner.Spend{}, nil))
	second := revocation(1)
	second.Reason = "again"
	require.ErrorIs(t, s.Revoke(ctx, second, nil, Spend("fresh"), posts("1", "sink")), authority.ErrRevoked)
	require.Equal(t, revocation(1), get(t, s, serial(1)).Revocation)
	require.Empty(t, outbox(t, s, "sink"))
	require.NoError(t, s.Reserve(ctx, Record(3), Spend("fresh")), "a failed Revoke spent the credential")
}

func revokeKnown(t *testing.T, s authority.Store) {
	ctx := context.Background()
	known := Record(1)
	known.Status, known.DER, known.IssuedAt = authority.Issued, Certificate(known.TBS), issuedAt
	require.ErrorIs(t, s.Revoke(ctx, revocation(1), nil, provisioner.Spend{}, nil), authority.ErrNotFound)
	issue(t, s, 2)
	require.ErrorIs(t, s.Revoke(ctx, revocation(1), known, Spend("token-2"), nil), authority.ErrSpent)
	_, err := s.Certificate(ctx, serial(1))
	require.ErrorIs(t, err, authority.ErrNotFound, "the failed Revoke recorded")
	require.Error(t, s.Revoke(ctx, revocation(3), known, provisioner.Spend{}, nil), "one serial, the record of another")

	require.NoError(t, s.Revoke(ctx, revocation(1), known, Spend("revoke"), posts("1", "sink")))
	known.Revocation = revocation(1)
	require.Equal(t, known, get(t, s, serial(1)))
	require.Equal(t, []authority.Serial{serial(1)}, serials(list(t, s, authority.Query{Name: known.Names[1]})))
	require.ErrorIs(t, s.Revoke(ctx, revocation(1), known, provisioner.Spend{}, nil), authority.ErrRevoked)
	require.ErrorIs(t, s.Reserve(ctx, Record(1), provisioner.Spend{}), authority.ErrExists)

	other := Record(2) // a record that exists stays
	other.Subject = "somebody else"
	require.NoError(t, s.Revoke(ctx, revocation(2), other, provisioner.Spend{}, nil))
	require.Equal(t, Record(2).Subject, get(t, s, serial(2)).Subject)
}

func revokeStatuses(t *testing.T, s authority.Store) {
	ctx := context.Background()
	reserve(t, s, 1)
	require.NoError(t, s.Revoke(ctx, revocation(1), nil, provisioner.Spend{}, nil))
	require.NoError(t, s.Commit(ctx, serial(1), Certificate(Record(1).TBS), issuedAt, nil))
	require.Equal(t, authority.Issued, get(t, s, serial(1)).Status)
	require.NotNil(t, get(t, s, serial(1)).Revocation, "a commit undid the revocation")

	reserve(t, s, 2)
	require.NoError(t, s.Abandon(ctx, serial(2), false, issuedAt, nil))
	require.NoError(t, s.Revoke(ctx, revocation(2), nil, provisioner.Spend{}, nil))
	require.Equal(t, authority.Abandoned, get(t, s, serial(2)).Status)
	require.Equal(t, revocation(2), get(t, s, serial(2)).Revocation)
}

func outboxOrder(t *testing.T, s authority.Store) {
	ctx := context.Background()
	require.NoError(t, s.Post(ctx, posts("1", "a", "b")))
	require.NoError(t, s.Post(ctx, append(posts("2", "a"), posts("3", "b", "a")...)))
	reserve(t, s, 1)
	require.NoError(t, s.Commit(ctx, serial(1), Certificate(Record(1).TBS), issuedAt, posts("4", "b")))
	require.NoError(t, s.Post(ctx, posts("nobody")))
	require.NoError(t, s.Post(ctx, nil))

	ids := func(ps []authority.Posted) (out []string) {
		last := int64(0)
		for _, p := range ps {
			require.Greater(t, p.Seq, last)
			last, out = p.Seq, append(out, p.Event.ID)
		}
		return out
	}
	require.Equal(t, []string{"1", "2", "3"}, ids(outbox(t, s, "a")))
	require.Equal(t, []string{"1", "3", "4"}, ids(outbox(t, s, "b")))
	require.Empty(t, outbox(t, s, ""))
	require.Empty(t, outbox(t, s, "c"))

	first, err := s.Outbox(ctx, "a", 0, 2)
	require.NoError(t, err)
	require.Equal(t, []string{"1", "2"}, ids(first))
	rest, err := s.Outbox(ctx, "a", first[1].Seq, 2)
	require.NoError(t, err)
	require.Equal(t, []string{"3"}, ids(rest))
	require.Equal(t, posts("1")[0].Event, first[0].Event)
}

func outboxDelivered(t *testing.T, s authority.Store) {
	ctx := context.Background()
	require.NoError(t, s.Post(ctx, append(posts("1", "a", "b"), posts("2", "a", "b")...)))
	require.Equal(t, outbox(t, s, "a"), outbox(t, s, "a"), "reading is not delivering")
	a, b := outbox(t, s, "a"), outbox(t, s, "b")
	require.NoError(t, s.Delivered(ctx, "a", []int64{a[0].Seq, 987654321, -1}))
	require.NoError(t, s.Delivered(ctx, "a", []int64{a[0].Seq}), "again")
	require.NoError(t, s.Delivered(ctx, "nobody", []int64{1}))
	require.Equal(t, a[1:], outbox(t, s, "a"))
	require.Equal(t, b, outbox(t, s, "b"), "one sink's delivery is not another's")
	require.NoError(t, s.Delivered(ctx, "b", []int64{a[1].Seq}), "another sink's event is not ours to forget")
	require.Equal(t, a[1:], outbox(t, s, "a"))

	require.NoError(t, s.Delivered(ctx, "a", []int64{a[1].Seq}))
	require.NoError(t, s.Delivered(ctx, "b", []int64{b[0].Seq, b[1].Seq}))
	require.NoError(t, s.Post(ctx, posts("3", "a")))
	after := outbox(t, s, "a")
	require.Len(t, after, 1)
	require.Greater(t, after[0].Seq, max(a[1].Seq, b[1].Seq), "Seq went back after the outbox was empty")
}

func outboxEvents(t *testing.T, s authority.Store) {
	data := map[event.Type]event.Data{
		event.CertificateRevoked: event.Revocation{Serial: "1", RevokedAt: issuedAt}, event.RequestRefused: event.Refusal{Names: []string{"a"}},
		event.ValidityTruncated: event.Truncation{Requested: issuedAt, NotAfter: issuedAt}, event.IssuerExpiring: event.Issuer{NotAfter: issuedAt},
		event.ConfigChanged: event.Config{Issuers: []string{"a"}},
	}
	for _, typ := range []event.Type{event.CertificateRevoked, event.RequestRefused, event.ValidityTruncated, event.IssuerExpiring, event.ConfigChanged} {
		e := event.Event{ID: string(typ), Type: typ, Source: "test", Time: issuedAt, Data: data[typ]}
		require.NoError(t, s.Post(context.Background(), []authority.Post{{Event: e, To: []string{string(typ)}}}))
		require.Equal(t, e, outbox(t, s, string(typ))[0].Event)
	}
}
