package storetest

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// moments are few, so that many records share one.
func moment(n int) time.Time { return Record(0).ReservedAt.Add(time.Duration(n) * time.Minute) }

// populate adds records that have much in common, and returns them as they are then, in the order in
// which they came.
func populate(t *testing.T, s authority.Store) []*authority.Record {
	ctx := context.Background()
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(what string, n int) string { return fmt.Sprint(what, random.IntN(n)) }
	var all []*authority.Record
	for n := range 80 {
		r := Record(n)
		r.Issuer, r.Provisioner, r.Profile, r.Entity = pick("i", 3), pick("p", 3), pick("f", 3), pick("s", 4)
		r.Subject, r.Names, r.KeyID = pick("s", 4), []string{pick("s", 4), "n" + pick("s", 4)}, pick("k", 4)
		r.ReservedAt, r.NotBefore, r.NotAfter = moment(random.IntN(9)), moment(random.IntN(9)), moment(random.IntN(9))
		require.NoError(t, s.Reserve(ctx, r, provisioner.Spend{}))
		switch random.IntN(3) {
		case 0:
			require.NoError(t, s.Commit(ctx, r.Serial, Certificate(r.TBS), issuedAt, nil))
		case 1:
			require.NoError(t, s.Abandon(ctx, r.Serial, random.IntN(2) == 0, issuedAt, nil))
		}
		switch random.IntN(4) {
		case 0:
			revoke(t, s, revocation(n))
		case 1:
			revoke(t, s, hold(n))
			require.NoError(t, s.Release(ctx, r.Serial, issuedAt, nil))
		}
		all = append(all, get(t, s, r.Serial))
	}
	return all
}

func drawQuery(t *rapid.T) authority.Query {
	text := func(label, what string) string {
		return rapid.SampledFrom([]string{"", "", "", "", what + "0", what + "1", "none"}).Draw(t, label)
	}
	at := func(label string) (out time.Time) {
		if n := rapid.IntRange(-12, 9).Draw(t, label); n >= 0 {
			out = moment(n).Add(time.Duration(rapid.IntRange(0, 1).Draw(t, "ns")))
		}
		return out
	}
	q := authority.Query{
		Issuer: text("issuer", "i"), Provisioner: text("provisioner", "p"), Profile: text("profile", "f"), Subject: text("subject", "s"),
		Name: text("name", "s"), KeyID: text("key", "k"), Entity: text("entity", "s"),
		Status:    rapid.SampledFrom([]authority.Status{"", "", "", authority.Reserved, authority.Issued, authority.Abandoned}).Draw(t, "status"),
		KnownFrom: at("known from"), KnownUntil: at("known until"), NotBeforeFrom: at("not before from"), NotBeforeUntil: at("not before until"),
		NotAfterFrom: at("not after from"), NotAfterUntil: at("not after until"),
		NewestFirst: rapid.Bool().Draw(t, "newest first"), Limit: rapid.SampledFrom([]int{0, 1, 2, 7}).Draw(t, "limit"),
	}
	if rapid.IntRange(0, 9).Draw(t, "by serial") == 0 {
		q.Serial = serial(rapid.IntRange(0, 90).Draw(t, "serial"))
	}
	if rapid.Bool().Draw(t, "revoked or not") {
		v := rapid.Bool().Draw(t, "revoked")
		q.Revoked = &v
	}
	return q
}

// listProperty compares lists with what Query says they are.
func listProperty(t *testing.T, s authority.Store) {
	all := populate(t, s)
	rapid.Check(t, func(rt *rapid.T) {
		q := drawQuery(rt)
		var want []*authority.Record
		for _, r := range all {
			if q.Matches(r) {
				want = append(want, r)
			}
		}
		slices.SortStableFunc(want, func(a, b *authority.Record) int {
			if q.ByEnd() {
				return a.NotAfter.Compare(b.NotAfter)
			}
			return cmp.Compare(a.ReservedAt.UnixMicro(), b.ReservedAt.UnixMicro())
		})
		if q.NewestFirst {
			slices.Reverse(want)
		}
		var got []*authority.Record
		for {
			p, err := s.List(context.Background(), q)
			require.NoError(rt, err)
			got = append(got, p.Records...)
			require.LessOrEqual(rt, len(got), len(want))
			if q.Cursor = p.Next; p.Next == "" {
				break
			}
		}
		require.Equal(rt, want, got)
	})
}

// listNewestFirst reads backwards one by one while records come and go.
func listNewestFirst(t *testing.T, s authority.Store) {
	for _, q := range []authority.Query{
		{}, {Issuer: "default"}, {Provisioner: "admin"}, {Name: "10.0.0.1"}, {NotAfterUntil: Record(100000).NotAfter},
	} {
		t.Run(fmt.Sprint(q.Issuer, q.Provisioner, q.Name, q.ByEnd()), func(t *testing.T) {
			had := list(t, s, authority.Query{})
			for n := len(had); n < len(had)+10; n++ {
				reserve(t, s, n)
			}
			want := serials(list(t, s, authority.Query{}))
			slices.Reverse(want)
			q.NewestFirst, q.Limit = true, 1
			var got []authority.Serial
			for n := len(want); ; n++ {
				p, err := s.List(context.Background(), q)
				require.NoError(t, err)
				got = append(got, serials(p.Records)...)
				if q.Cursor = p.Next; p.Next == "" {
					break
				}
				if n < len(want)+5 {
					reserve(t, s, n) // newer than where the list is
				}
			}
			require.Equal(t, want, got)
		})
	}
}

// listBehindOthers looks for a name that many have as their subject.
func listBehindOthers(t *testing.T, s authority.Store) {
	for n := range 450 {
		r := Record(n)
		if n%220 == 219 {
			r.Names = []string{"shared"}
		} else {
			r.Subject = "shared"
		}
		require.NoError(t, s.Reserve(context.Background(), r, provisioner.Spend{}))
	}
	for _, q := range []authority.Query{{Name: "shared"}, {Name: "shared", Limit: 1}, {Name: "shared", NewestFirst: true}} {
		got := serials(list(t, s, q))
		if q.NewestFirst {
			slices.Reverse(got)
		}
		require.Equal(t, []authority.Serial{serial(219), serial(439)}, got)
	}
	require.Len(t, list(t, s, authority.Query{Subject: "shared"}), 448)
}
