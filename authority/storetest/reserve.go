package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/stretchr/testify/require"
)

func reserveRoundTrip(t *testing.T, s authority.Store) {
	r := reserve(t, s, 1)
	require.Equal(t, r, get(t, s, r.Serial))

	bare := &authority.Record{Serial: "1f", Status: authority.Reserved} // a short serial, of odd length, and nothing else
	require.NoError(t, s.Reserve(context.Background(), bare, provisioner.Spend{}))
	require.Equal(t, bare, get(t, s, "1f"))
	require.True(t, get(t, s, "1f").NotAfter.IsZero())

	far := Record(2)
	far.NotAfter = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) // RFC 5280, section 4.1.2.5
	far.Names = []string{"ünïcode", `quote"d`, "\x00nul", "spiffe://a/b?c=d&e=<f>"}
	far.Subject = "x'); DROP TABLE certificates; --"
	require.NoError(t, s.Reserve(context.Background(), far, provisioner.Spend{}))
	require.Equal(t, far, get(t, s, far.Serial))

	_, err := s.Certificate(context.Background(), serial(3))
	require.ErrorIs(t, err, authority.ErrNotFound)
	for _, bad := range []authority.Serial{"", "0", "01F", "01f", "1F", "zz", "-1"} {
		_, err := s.Certificate(context.Background(), bad)
		require.ErrorIs(t, err, authority.ErrNotFound, bad)
	}
}

func reserveExists(t *testing.T, s authority.Store) {
	ctx := context.Background()
	r := reserve(t, s, 1)
	other := Record(2)
	other.Serial = r.Serial
	require.ErrorIs(t, s.Reserve(ctx, other, Spend("fresh")), authority.ErrExists)
	require.Equal(t, r, get(t, s, r.Serial), "the first record was touched")
	require.Empty(t, list(t, s, authority.Query{Subject: other.Subject}))
	require.NoError(t, s.Reserve(ctx, Record(3), Spend("fresh")), "the failed Reserve spent the credential")

	issue(t, s, 4)
	require.ErrorIs(t, s.Reserve(ctx, Record(4), provisioner.Spend{}), authority.ErrExists)
	reserve(t, s, 5)
	require.NoError(t, s.Abandon(ctx, serial(5), true, issuedAt, nil))
	require.ErrorIs(t, s.Reserve(ctx, Record(5), provisioner.Spend{}), authority.ErrExists)
}

func reserveSpent(t *testing.T, s authority.Store) {
	ctx := context.Background()
	require.NoError(t, s.Reserve(ctx, Record(1), Spend("token")))
	later := Spend("token")
	later.Until = later.Until.Add(time.Hour)
	require.ErrorIs(t, s.Reserve(ctx, Record(2), later), authority.ErrSpent)
	_, err := s.Certificate(ctx, serial(2))
	require.ErrorIs(t, err, authority.ErrNotFound, "the failed Reserve recorded")
	require.NoError(t, s.Reserve(ctx, Record(2), Spend("Token")), "ids are compared exactly")

	err = s.Reserve(ctx, Record(1), Spend("token")) // both are wrong: either error, nothing else
	require.True(t, errors.Is(err, authority.ErrSpent) || errors.Is(err, authority.ErrExists), "%v", err)
}

func reserveWithoutSpend(t *testing.T, s authority.Store) {
	for n := range 3 {
		require.NoError(t, s.Reserve(context.Background(), Record(n), provisioner.Spend{Until: time.Now()}))
	}
}

func reserveNoSerial(t *testing.T, s authority.Store) {
	for _, bad := range []authority.Serial{"", "0", "01F", "01f", "1F", "zz", "-1", "10000000000000000000000000000000000000000"} {
		r := Record(1)
		r.Serial = bad
		require.Error(t, s.Reserve(context.Background(), r, Spend("token")), bad)
	}
	require.NoError(t, s.Reserve(context.Background(), Record(1), Spend("token")))
}

func reserveIgnores(t *testing.T, s authority.Store) {
	r := Record(1)
	r.Status, r.DER, r.IssuedAt = authority.Issued, []byte("der"), issuedAt
	r.Revocation = &authority.Revocation{Serial: r.Serial}
	require.NoError(t, s.Reserve(context.Background(), r, provisioner.Spend{}))
	require.Equal(t, Record(1), get(t, s, r.Serial))
}

func commitRoundTrip(t *testing.T, s authority.Store) {
	r := issue(t, s, 1)
	require.Equal(t, r, get(t, s, r.Serial))
}

func commitAgain(t *testing.T, s authority.Store) {
	ctx := context.Background()
	r := reserve(t, s, 1)
	der := Certificate(r.TBS)
	require.NoError(t, s.Commit(ctx, r.Serial, der, issuedAt, posts("1", "sink")))
	require.NoError(t, s.Commit(ctx, r.Serial, der, issuedAt.Add(time.Hour), posts("1", "sink")))
	require.True(t, get(t, s, r.Serial).IssuedAt.Equal(issuedAt))
	require.Len(t, outbox(t, s, "sink"), 1)
	require.ErrorIs(t, s.Commit(ctx, r.Serial, Certificate(Record(2).TBS), issuedAt, posts("2", "sink")), authority.ErrState)
	require.Equal(t, der, get(t, s, r.Serial).DER)
	require.Len(t, outbox(t, s, "sink"), 1)
}

func commitWrongState(t *testing.T, s authority.Store) {
	ctx := context.Background()
	der := Certificate(Record(1).TBS)
	require.ErrorIs(t, s.Commit(ctx, serial(1), der, issuedAt, posts("1", "sink")), authority.ErrNotFound)
	require.ErrorIs(t, s.Commit(ctx, "01F", der, issuedAt, nil), authority.ErrNotFound)
	reserve(t, s, 1)
	require.Error(t, s.Commit(ctx, serial(1), nil, issuedAt, nil), "committed nothing")
	require.NoError(t, s.Abandon(ctx, serial(1), false, issuedAt, nil))
	require.ErrorIs(t, s.Commit(ctx, serial(1), der, issuedAt, posts("1", "sink")), authority.ErrState)
	require.Equal(t, authority.Abandoned, get(t, s, serial(1)).Status)
	require.Nil(t, get(t, s, serial(1)).DER)
	require.Empty(t, outbox(t, s, "sink"))
}

// A remote issuer decides the TBS itself, so the certificate need not hold what was reserved; and no
// length of it may confuse a store that keeps it in pieces.
func commitAnyBytes(t *testing.T, s authority.Store) {
	for n, der := range [][]byte{
		[]byte("no DER at all"), {0x30, 0x00}, {0}, {1}, sequence(nil), sequence(sequence(nil)), sequence(make([]byte, 200)),
		append(Certificate(Record(7).TBS), 0), Certificate(Record(999).TBS), {0x30, 0x81, 0x02, 0x30, 0x00},
		append([]byte{0x30, 0x83, 1, 0, 5}, append(Record(10).TBS, make([]byte, 65541-len(Record(10).TBS))...)...),
	} {
		reserve(t, s, n)
		require.NoError(t, s.Commit(context.Background(), serial(n), der, issuedAt, nil))
		require.NoError(t, s.Commit(context.Background(), serial(n), der, issuedAt, nil))
		require.Equal(t, der, get(t, s, serial(n)).DER)
		require.Equal(t, Record(n).TBS, get(t, s, serial(n)).TBS)
	}
	for i, n := range []int{1, 100, 121, 122, 127, 128, 129, 240, 250, 255, 256, 65000, 65530} {
		r := Record(100 + i)
		r.TBS = sequence(make([]byte, n))
		if n > 65000 {
			r.TBS = sequence(make([]byte, 65300))
		}
		require.NoError(t, s.Reserve(context.Background(), r, provisioner.Spend{}))
		require.NoError(t, s.Commit(context.Background(), r.Serial, Certificate(r.TBS), issuedAt, nil))
		require.Equal(t, Certificate(r.TBS), get(t, s, r.Serial).DER)
	}
}

func abandonKeeps(t *testing.T, s authority.Store) {
	ctx := context.Background()
	r := reserve(t, s, 1)
	require.NoError(t, s.Abandon(ctx, r.Serial, false, issuedAt, posts("1", "sink")))
	r.Status = authority.Abandoned
	require.Equal(t, r, get(t, s, r.Serial))
	require.ErrorIs(t, s.Reserve(ctx, Record(2), Spend("token-1")), authority.ErrSpent)
	require.Len(t, outbox(t, s, "sink"), 1)
}

func abandonReleases(t *testing.T, s authority.Store) {
	ctx := context.Background()
	reserve(t, s, 1)
	reserve(t, s, 2)
	require.NoError(t, s.Abandon(ctx, serial(1), true, issuedAt, posts("1", "sink")))
	require.NoError(t, s.Reserve(ctx, Record(3), Spend("token-1")))
	require.ErrorIs(t, s.Reserve(ctx, Record(4), Spend("token-1")), authority.ErrSpent, "released twice")
	require.ErrorIs(t, s.Reserve(ctx, Record(4), Spend("token-2")), authority.ErrSpent, "released somebody else's")
	require.NoError(t, s.Reserve(ctx, Record(5), provisioner.Spend{}))
	require.NoError(t, s.Abandon(ctx, serial(5), true, issuedAt, nil), "nothing to release")
}

func abandonWrongState(t *testing.T, s authority.Store) {
	ctx := context.Background()
	require.ErrorIs(t, s.Abandon(ctx, serial(1), true, issuedAt, posts("1", "sink")), authority.ErrNotFound)
	issue(t, s, 1)
	require.ErrorIs(t, s.Abandon(ctx, serial(1), true, issuedAt, posts("1", "sink")), authority.ErrState)
	require.ErrorIs(t, s.Reserve(ctx, Record(9), Spend("token-1")), authority.ErrSpent)
	reserve(t, s, 2)
	require.NoError(t, s.Abandon(ctx, serial(2), false, issuedAt, nil))
	require.ErrorIs(t, s.Abandon(ctx, serial(2), true, issuedAt, posts("1", "sink")), authority.ErrState)
	require.ErrorIs(t, s.Reserve(ctx, Record(9), Spend("token-2")), authority.ErrSpent, "released after the fact")
	require.Empty(t, outbox(t, s, "sink"))
}

func reconcileOld(t *testing.T, s authority.Store) {
	ctx := context.Background()
	for n := range 6 {
		reserve(t, s, n)
	}
	issue(t, s, 10)
	require.NoError(t, s.Abandon(ctx, serial(0), true, issuedAt, nil))
	require.NoError(t, s.Commit(ctx, serial(1), Certificate(Record(1).TBS), issuedAt, nil))
	got, err := s.Reconcile(ctx, Record(4).ReservedAt, issuedAt, 10, func(r *authority.Record) []authority.Post {
		return posts(string(r.Serial), "sink")
	})
	require.NoError(t, err)
	require.Equal(t, []authority.Serial{serial(2), serial(3)}, serials(got), "before is exclusive; oldest first")
	for _, r := range got {
		require.Equal(t, authority.Abandoned, r.Status)
		require.Equal(t, r, get(t, s, r.Serial))
	}
	require.Len(t, outbox(t, s, "sink"), 2)
	require.Equal(t, string(serial(2)), outbox(t, s, "sink")[0].Event.ID)
	require.Equal(t, authority.Reserved, get(t, s, serial(4)).Status)
	require.Equal(t, authority.Issued, get(t, s, serial(1)).Status)
	require.ErrorIs(t, s.Reserve(ctx, Record(20), Spend("token-2")), authority.ErrSpent, "Reconcile released")
	require.ErrorIs(t, s.Commit(ctx, serial(2), Certificate(Record(2).TBS), issuedAt, nil), authority.ErrState)

	got, err = s.Reconcile(ctx, Record(4).ReservedAt, issuedAt, 10, nil)
	require.NoError(t, err)
	require.Empty(t, got)
	got, err = s.Reconcile(ctx, Record(4).ReservedAt.Add(time.Microsecond), issuedAt, 10, nil)
	require.NoError(t, err)
	require.Len(t, got, 1)
}

func reconcileSlices(t *testing.T, s authority.Store) {
	for n := range 25 {
		reserve(t, s, n)
	}
	var all []authority.Serial
	for i := 0; ; i++ {
		got, err := s.Reconcile(context.Background(), Record(100).ReservedAt, issuedAt, 10, nil)
		require.NoError(t, err)
		require.LessOrEqual(t, len(got), 10)
		if len(got) == 0 {
			break
		}
		all = append(all, serials(got)...)
		require.LessOrEqual(t, len(all), 25, "the same ones again")
	}
	require.Len(t, all, 25)
	for n, got := range all {
		require.Equal(t, serial(n), got, fmt.Sprint(n))
	}
}
