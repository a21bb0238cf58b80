package storetest

import (
	"context"
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/chancery-ca/chancery/authority"
	"github.com/stretchr/testify/require"
)

func listPages(t *testing.T, s authority.Store) {
	p, err := s.List(context.Background(), authority.Query{})
	require.NoError(t, err)
	require.Empty(t, p.Records)
	require.Empty(t, p.Next)
	var want []authority.Serial
	for n := range 250 {
		want = append(want, reserve(t, s, n).Serial)
	}
	for _, limit := range []int{0, 1, 7, 50, 250, 251, 100000} {
		var got []authority.Serial
		q := authority.Query{Limit: limit}
		for {
			p, err := s.List(context.Background(), q)
			require.NoError(t, err)
			if limit == 0 {
				require.LessOrEqual(t, len(p.Records), 100)
			} else {
				require.LessOrEqual(t, len(p.Records), limit)
			}
			got = append(got, serials(p.Records)...)
			if q.Cursor = p.Next; p.Next == "" {
				break
			}
		}
		require.Equal(t, want, got, "limit %d", limit)
	}
}

func listStable(t *testing.T, s authority.Store) {
	ctx := context.Background()
	for n := range 30 {
		reserve(t, s, n)
	}
	seen := map[authority.Serial]int{}
	q := authority.Query{Limit: 7}
	for i := 0; ; i++ {
		p, err := s.List(ctx, q)
		require.NoError(t, err)
		for _, r := range p.Records {
			seen[r.Serial]++
		}
		if i < 5 { // the list goes on while it changes under us
			reserve(t, s, 100+i)
			require.NoError(t, s.Commit(ctx, serial(i), Certificate(Record(i).TBS), issuedAt, nil))
			require.NoError(t, s.Abandon(ctx, serial(20+i), true, issuedAt, nil))
		}
		if q.Cursor = p.Next; p.Next == "" {
			break
		}
	}
	for n := range 30 {
		require.Equal(t, 1, seen[serial(n)], "record %d", n)
	}
	for _, n := range seen {
		require.Equal(t, 1, n)
	}
}

func listFilters(t *testing.T, s authority.Store) {
	ctx := context.Background()
	for n := range 12 {
		r := Record(n)
		if n%2 == 1 {
			r.Issuer, r.Provisioner = "other", "oidc"
		}
		if n >= 8 {
			r.Names = append(r.Names, "shared.internal", "db.internal")
			r.Subject = "db.internal" // the subject of some is the name of others
		}
		if n == 3 {
			r.Names = []string{"db.internal"}
		}
		require.NoError(t, s.Reserve(ctx, r, Spend(fmt.Sprint(n))))
		switch {
		case n < 6:
			require.NoError(t, s.Commit(ctx, r.Serial, Certificate(r.TBS), issuedAt, nil))
		case n < 9:
			require.NoError(t, s.Abandon(ctx, r.Serial, false, issuedAt, nil))
		}
		if n%4 == 0 {
			require.NoError(t, s.Revoke(ctx, &authority.Revocation{Serial: r.Serial, RevokedAt: issuedAt}, nil, Spend(fmt.Sprint("revoke ", n)), nil))
		}
	}
	yes, no := true, false
	from, until := Record(3).NotAfter, Record(7).NotAfter
	for _, c := range []struct {
		name string
		q    authority.Query
		want []int
	}{
		{"reserved", authority.Query{Status: authority.Reserved}, []int{9, 10, 11}},
		{"issued", authority.Query{Status: authority.Issued}, []int{0, 1, 2, 3, 4, 5}},
		{"abandoned", authority.Query{Status: authority.Abandoned}, []int{6, 7, 8}},
		{"no such status", authority.Query{Status: "odd"}, nil},
		{"issuer", authority.Query{Issuer: "other"}, []int{1, 3, 5, 7, 9, 11}},
		{"provisioner", authority.Query{Provisioner: "admin"}, []int{0, 2, 4, 6, 8, 10}},
		{"subject", authority.Query{Subject: "db.internal"}, []int{8, 9, 10, 11}},
		{"name", authority.Query{Name: "db.internal"}, []int{3, 8, 9, 10, 11}},
		{"second name", authority.Query{Name: "www.host-2.internal"}, []int{2}},
		{"name is exact", authority.Query{Name: "host-2"}, nil},
		{"name is case sensitive", authority.Query{Name: "DB.internal"}, nil},
		{"key", authority.Query{KeyID: Record(5).KeyID}, []int{5}},
		{"a name is no key", authority.Query{KeyID: "db.internal"}, nil},
		{"revoked", authority.Query{Revoked: &yes}, []int{0, 4, 8}},
		{"not revoked", authority.Query{Revoked: &no}, []int{1, 2, 3, 5, 6, 7, 9, 10, 11}},
		{"from", authority.Query{NotAfterFrom: from}, []int{3, 4, 5, 6, 7, 8, 9, 10, 11}},
		{"until", authority.Query{NotAfterUntil: until}, []int{0, 1, 2, 3, 4, 5, 6}},
		{"between", authority.Query{NotAfterFrom: from, NotAfterUntil: until}, []int{3, 4, 5, 6}},
		{"just after", authority.Query{NotAfterFrom: from.Add(1), NotAfterUntil: until.Add(1)}, []int{4, 5, 6, 7}},
		{"revoked and issued", authority.Query{Revoked: &yes, Status: authority.Issued}, []int{0, 4}},
		{"revoked and named", authority.Query{Revoked: &yes, Name: "db.internal"}, []int{8}},
		{"all at once", authority.Query{
			Status: authority.Issued, Issuer: "default", Provisioner: "admin", Subject: Record(4).Subject, Name: Record(4).Names[0],
			KeyID: Record(4).KeyID, Revoked: &yes, NotAfterFrom: from, NotAfterUntil: until,
		}, []int{4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := []authority.Serial{}
			for _, n := range c.want {
				want = append(want, serial(n))
			}
			require.Equal(t, want, serials(list(t, s, c.q)))
			c.q.Limit = 1
			require.Equal(t, want, serials(list(t, s, c.q)), "one by one")
		})
	}
}

func listCursors(t *testing.T, s authority.Store) {
	ctx := context.Background()
	for n := range 3 {
		reserve(t, s, n)
	}
	p, err := s.List(ctx, authority.Query{Limit: 1})
	require.NoError(t, err)
	require.NotEmpty(t, p.Next)
	for _, bad := range []string{"1", "x", "!", " ", p.Next + "A", p.Next[1:], p.Next + "=", base64.RawURLEncoding.EncodeToString([]byte("elsewhere:1"))} {
		_, err := s.List(ctx, authority.Query{Cursor: bad})
		require.ErrorIs(t, err, authority.ErrCursor, "%q", bad)
	}
}
