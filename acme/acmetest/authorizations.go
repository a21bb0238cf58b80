package acmetest

import (
	"math"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/stretchr/testify/require"
)

// An order rests on what the account has proved, or is about to prove, already.
func orderRests(t *testing.T, s acme.Store) {
	a, b := account(t, s, 1), account(t, s, 2)
	order(t, s, NewOrder(a, "o", "a.example", "b.example"))
	rests := func(id string, want ...string) {
		t.Helper()
		_, auths := order(t, s, NewOrder(a, id, "c.example"+id, "b.example", "a.example"))
		require.Equal(t, append([]string{id + "-0"}, want...), authIDs(auths))
		_, auths = load(t, s, id)
		require.Equal(t, append([]string{id + "-0"}, want...), authIDs(auths))
	}
	rests("p", "o-1", "o-0") // which are pending
	_, err := s.Authorization(ctx, nil, "p-1")
	require.ErrorIs(t, err, acme.ErrNotFound, "not recorded: it is not needed")
	_, auths := order(t, s, NewOrder(b, "other", "a.example"))
	require.Equal(t, []string{"other-0"}, authIDs(auths), "what another account has proved is its own")

	set(t, s, "o-0", acme.Valid, Start.Add(time.Hour))
	rests("q", "o-1", "o-0") // one of them valid, until exactly then
	set(t, s, "o-0", acme.Valid, Start.Add(time.Hour-time.Microsecond))
	rests("r", "o-1", "r-2")
	rests("s", "o-1", "r-2")
	require.Equal(t, acme.Valid, loadAuth(t, s, "o-0").Status, "orders that rest on it may go on")
	for i, status := range []acme.Status{acme.Invalid, acme.Deactivated, acme.Revoked} {
		id := string(rune('t' + i))
		before := authIDs(second(load(t, s, string(rune('s'+i)))))
		set(t, s, before[1], status, Start.AddDate(0, 0, 7))
		rests(id, id+"-1", "r-2")
	}
}

func second[T, U any](_ T, u U) U { return u }

func orderWildcards(t *testing.T, s acme.Store) {
	a := account(t, s, 1)
	_, auths := order(t, s, NewOrder(a, "o", "a.example"))
	require.Equal(t, []string{"o-0"}, authIDs(auths))
	_, auths = order(t, s, NewOrder(a, "p", "*.a.example"))
	require.Equal(t, []string{"p-0"}, authIDs(auths))
	_, auths = order(t, s, NewOrder(a, "q", "*.a.example", "a.example"))
	require.Equal(t, []string{"p-0", "o-0"}, authIDs(auths))
	require.True(t, auths[0].Wildcard)
	require.False(t, auths[1].Wildcard)
	n := NewOrder(a, "ip", "a.example")
	n.Order.Identifiers[0].Type, n.Authorizations[0].Identifier.Type, n.Key = acme.PermanentIdentifier, acme.PermanentIdentifier, "ip"
	_, auths = order(t, s, n)
	require.Equal(t, []string{"ip-0"}, authIDs(auths), "another type of identifier")
}

func authRoundTrip(t *testing.T, s acme.Store) {
	a := account(t, s, 1)
	n := NewOrder(a, "o", "*.a.example")
	n.Authorizations[0].Expires = n.Authorizations[0].Expires.In(time.FixedZone("somewhere", 60)).Add(9)
	n.Authorizations[0].Due = Start.Add(time.Minute)
	_, auths := order(t, s, n)
	want := NewOrder(a, "o", "*.a.example").Authorizations[0]
	want.Version, want.Due = auths[0].Version, Start.Add(time.Minute)
	got, err := s.Authorization(ctx, Pass(a), "o-0")
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, want, auths[0])
	_, err = s.Authorization(ctx, Pass(a), "none")
	require.ErrorIs(t, err, acme.ErrNotFound)
}

func authUpdate(t *testing.T, s acme.Store) {
	a := account(t, s, 1)
	_, auths := order(t, s, NewOrder(a, "o", "a.example"))
	first, want := *auths[0], *auths[0]
	want.Status, want.Expires, want.Due = acme.Valid, Start.Add(time.Hour), Start.Add(time.Minute)
	want.Challenges = []acme.Challenge{{
		Type: acme.DeviceAttest01, Token: "token", Status: acme.Invalid, Validated: Start, Attempts: 3, Payload: []byte(`{"x":"y"}`), Address: "10.0.0.1:80",
		RemoteIP: "10.0.0.2", KeyID: "ab", Data: map[string]any{"model": "x", "list": []any{"a", 1.5, true, nil}, "deep": map[string]any{"n": 7.0}},
		Error: &acme.Problem{Type: acme.Connection, Status: 400, Detail: "nobody there"},
	}, {Type: acme.DNS01, Status: acme.Pending}}
	changed := want
	changed.Expires, changed.Due = want.Expires.Local().Add(1), want.Due.Local().Add(1)
	changed.Account, changed.Provisioner, changed.Identifier, changed.Wildcard = "x", "x", acme.Identifier{}, true
	require.NoError(t, s.UpdateAuthorization(ctx, Pass(a), &changed))
	require.NotEqual(t, first.Version, changed.Version)
	want.Version = changed.Version
	require.Equal(t, &want, loadAuth(t, s, "o-0"), "what may change, and nothing else")
	_, auths = load(t, s, "o")
	require.Equal(t, []*acme.Authorization{&want}, auths)

	require.ErrorIs(t, s.UpdateAuthorization(ctx, nil, &first), acme.ErrConflict)
	none := want
	none.ID = "none"
	require.ErrorIs(t, s.UpdateAuthorization(ctx, nil, &none), acme.ErrNotFound)
	require.Equal(t, &want, loadAuth(t, s, "o-0"))
}

// Problems and data come back as JSON has them, whatever the store is made of.
func authData(t *testing.T, s acme.Store) {
	a := account(t, s, 1)
	_, auths := order(t, s, NewOrder(a, "o", "a.example"))
	z := auths[0]
	z.Challenges[0].Data = map[string]any{"n": 7, "bytes": []byte{1}, "strings": []string{"a"}, "time": Start}
	z.Challenges[1].Data = map[string]any{}
	z.Challenges[0].Error = &acme.Problem{Type: acme.CAA, Detail: "d", RetryAfter: time.Hour, Cause: acme.ErrSpent, Subproblems: []*acme.Problem{{Type: acme.DNSProblem}}}
	require.NoError(t, s.UpdateAuthorization(ctx, nil, z))
	got := loadAuth(t, s, "o-0")
	require.Equal(t, map[string]any{"n": 7.0, "bytes": "AQ==", "strings": []any{"a"}, "time": "2026-03-04T05:06:07.891234Z"}, got.Challenges[0].Data)
	require.Nil(t, got.Challenges[1].Data)
	require.Equal(t, &acme.Problem{Type: acme.CAA, Detail: "d", Status: 403, Subproblems: []*acme.Problem{{Type: acme.DNSProblem, Status: 400}}}, got.Challenges[0].Error)

	version := got.Version
	got.Challenges[0].Data["n"] = math.Inf(1)
	p := Pass(a)
	require.Error(t, s.UpdateAuthorization(ctx, p, got))
	require.NoError(t, s.Spend(ctx, p))
	require.Equal(t, version, loadAuth(t, s, "o-0").Version)
}

func holds(t *testing.T, s acme.Store) {
	a, b := account(t, s, 1), account(t, s, 2)
	id := func(name string) acme.Identifier { return acme.Identifier{Type: acme.DNS, Value: name} }
	check := func(want bool, a *acme.Account, now time.Time, names ...string) {
		t.Helper()
		var ids []acme.Identifier
		for _, n := range names {
			ids = append(ids, id(n))
		}
		got, err := s.Holds(ctx, a.ID, ids, now)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	order(t, s, NewOrder(a, "o", "a.example", "*.b.example", "c.example"))
	check(false, a, Start, "a.example")
	set(t, s, "o-0", acme.Valid, Start.Add(time.Hour))
	set(t, s, "o-1", acme.Valid, Start.Add(2*time.Hour))
	check(true, a, Start, "a.example")
	check(true, a, Start, "*.b.example", "a.example")
	check(true, a, Start, "a.example", "*.b.example", "a.example")
	check(false, a, Start, "a.example", "c.example")
	check(false, a, Start, "a.example", "none.example")
	check(false, a, Start, "*.a.example")
	check(false, a, Start, "b.example")
	check(false, b, Start, "a.example")
	check(true, a, Start.Add(time.Hour-time.Microsecond), "a.example")
	check(false, a, Start.Add(time.Hour), "a.example")
	check(true, a, Start.Add(time.Hour), "*.b.example")
	got, err := s.Holds(ctx, a.ID, []acme.Identifier{{Type: acme.PermanentIdentifier, Value: "a.example"}}, Start)
	require.NoError(t, err)
	require.False(t, got)

	n := NewOrder(a, "p", "a.example") // pending, in place of one that ends soon
	n.NotEndingBefore = Start.Add(3 * time.Hour)
	order(t, s, n)
	check(true, a, Start, "a.example")
	set(t, s, "o-0", acme.Revoked, Start.Add(time.Hour))
	check(false, a, Start, "a.example")
	set(t, s, "p-0", acme.Valid, Start.Add(time.Hour))
	check(true, a, Start, "a.example")
	set(t, s, "p-0", acme.Deactivated, Start.Add(time.Hour))
	check(false, a, Start, "a.example")
}
