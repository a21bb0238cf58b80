package provisioner_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/provisioner"
)

var now = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func payload(t testing.TB, change func(m map[string]any)) []byte {
	t.Helper()
	m := map[string]any{
		"iss": "admin", "sub": "db.internal", "aud": "https://ca.internal/1.0/sign", "jti": "1",
		"exp": now.Add(5 * time.Minute).Unix(), "nbf": now.Unix(), "iat": now.Unix(), "sans": []string{"db.internal"},
	}
	if change != nil {
		change(m)
	}
	b, err := json.Marshal(m)
	require.NoError(t, err)
	return b
}

func check(t *testing.T, r *provisioner.Request, change func(m map[string]any)) error {
	t.Helper()
	c, err := provisioner.ParseClaims(payload(t, change))
	if err != nil {
		return err
	}
	return c.Check(r, provisioner.ClaimRules{Issuer: "admin"})
}

func codeOf(err error) string {
	if r, ok := errors.AsType[*provisioner.Refusal](err); ok {
		return r.Code
	}
	return fmt.Sprint(err)
}

func TestClaimsCheck(t *testing.T) {
	root := strings.Repeat("ab", 32)
	set := func(k string, v any) func(map[string]any) { return func(m map[string]any) { m[k] = v } }
	at := func(k string, d time.Duration) func(map[string]any) { return set(k, now.Add(d).Unix()) }
	cases := []struct {
		name   string
		change func(map[string]any)
		want   string // the refusal's code; empty: believed
	}{
		{"as it is", nil, ""},
		{"without jti, nbf, iat, sans", func(m map[string]any) {
			for _, k := range []string{"jti", "nbf", "iat", "sans"} {
				delete(m, k)
			}
		}, ""},
		{"null is absent", set("sans", nil), ""},
		{"null expiry", set("exp", nil), "expiry"},
		{"other issuer", set("iss", "admin "), "issuer"},
		{"no subject", set("sub", ""), "subject"},
		{"audience of many", set("aud", []string{"https://other", "https://ca.internal/1.0/sign"}), ""},
		{"audience null", set("aud", nil), "audience"},
		{"audience of another kind", set("aud", "https://ca.internal/1.0/sign#x5c/admin"), "audience"},
		{"no expiry", func(m map[string]any) { delete(m, "exp") }, "expiry"},
		{"expired within leeway", at("exp", -59*time.Second), ""},
		{"expired at leeway", at("exp", -time.Minute), "expired"},
		{"not before within leeway", at("nbf", time.Minute), ""},
		{"not before", at("nbf", time.Minute+time.Second), "not-before"},
		{"issued within leeway", at("iat", time.Minute), ""},
		{"issued in the future", at("iat", time.Minute+time.Second), "issued-in-future"},
		{"issued long ago", at("iat", -1000*time.Hour), ""},
		{"life within leeway", at("exp", time.Hour+time.Minute), ""},
		{"life", at("exp", time.Hour+time.Minute+time.Second), "lifetime"},
		{"fraction of a second", set("exp", float64(now.Unix())+60.5), ""},
		{"expiry beyond all years", set("exp", 1e15), "claims"},
		{"right root", set("sha", root), ""},
		{"right root, upper case", set("sha", strings.ToUpper(root)), ""},
		{"wrong root", set("sha", strings.Repeat("cd", 32)), "sha"},
		{"key id for a root", set("sha", "ScQl1NkqIpKOKhAEqQ0UVr5aVpcdMb5hDqE2kRTtnsU"), ""},
		{"64 letters that are not hex", set("sha", strings.Repeat("zz", 32)), ""},
		{"unknown confirmation", set("cnf", map[string]any{"jkt": "x"}), "cnf"},
		{"registration authority", set("step", map[string]any{"ra": map[string]any{"authorityId": "x"}}), ""},
		{"upper case is another claim", func(m map[string]any) { m["EXP"] = 1; m["Sub"] = "root" }, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := &provisioner.Request{Audiences: []string{"https://ca.internal/1.0/sign"}, Roots: []string{root}, Now: now}
			err := check(t, r, c.change)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, provisioner.Unauthenticated)
			require.Equal(t, c.want, codeOf(err))
		})
	}
	require.NoError(t, check(t, &provisioner.Request{Audiences: []string{"https://ca.internal/1.0/sign"}, Now: now}, set("sha", root)),
		"an authority that does not say its roots does not judge by them")
}

func TestSpendIDs(t *testing.T) {
	id := func(name, jti, input string) string { return (&provisioner.Claims{ID: jti}).Spend(name, input).ID }
	require.Equal(t, id("a", "1", "x"), id("a", "1", "y"), "jti names the token")
	require.NotEqual(t, id("a", "1", "x"), id("b", "1", "x"), "provisioners do not collide")
	require.NotEqual(t, id("a/b", "c", ""), id("a", "b/c", ""))
	require.NotEqual(t, id("a", "", "x"), id("a", "", "y"))
	require.NotEqual(t, id("a", "", "x"), id("a", "x", ""), "no jti can be made to look like a token")
	c := &provisioner.Claims{ID: "1", Expires: now}
	require.Equal(t, now.Add(provisioner.Leeway), c.Spend("a", "").Until, "not forgotten while it is still good")
}

func TestGrantedNames(t *testing.T) {
	cases := []struct {
		name    string
		cn      string
		asked   []string
		subject string
		sans    []string
		want    []string // nil: refused
	}{
		{"nothing asked", "", nil, "db", []string{"db", "192.0.2.1"}, []string{"db", "192.0.2.1"}},
		{"subject alone", "db", []string{"db"}, "db", nil, []string{"db"}},
		{"case does not matter", "DB.Internal", []string{"DB.internal"}, "db.internal", nil, []string{"db.internal"}},
		{"one type asked", "db", []string{"db"}, "db", []string{"db", "192.0.2.1"}, []string{"db", "192.0.2.1"}},
		{"all types asked", "", []string{"db", "192.0.2.1", "a@b.c", "spiffe://x/y"}, "db", []string{"192.0.2.1", "db", "a@b.c", "spiffe://x/y"}, []string{"db", "192.0.2.1", "a@b.c", "spiffe://x/y"}},
		{"common name is one of the sans", "web", nil, "db", []string{"db", "web"}, []string{"db", "web"}},
		{"common name is the subject only", "db", nil, "db", []string{"web"}, []string{"web"}},
		{"common name of somebody else", "web", nil, "db", nil, nil},
		{"one more", "db", []string{"db", "web"}, "db", nil, nil},
		{"one less", "db", []string{"db"}, "db", []string{"db", "web"}, nil},
		{"wildcard for a name", "", []string{"*.internal"}, "db.internal", nil, nil},
		{"another type", "", []string{"192.0.2.1"}, "db", nil, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := provisioner.GrantedNames(newCSR(t, c.cn, c.asked...), c.subject, c.sans)
			if c.want == nil {
				require.ErrorIs(t, err, provisioner.NotAllowed)
				require.Zero(t, got)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got.Strings())
		})
	}
}

func TestConfirms(t *testing.T) {
	csr := newCSR(t, "db", "db")
	sum := sha256.Sum256(csr.Raw)
	c, err := provisioner.ParseClaims(payload(t, func(m map[string]any) {
		m["cnf"] = map[string]any{"x5rt#S256": base64.RawURLEncoding.EncodeToString(sum[:])}
	}))
	require.NoError(t, err)
	require.True(t, c.Confirms(csr.Raw))
	require.False(t, c.Confirms(newCSR(t, "db", "db").Raw))
	require.True(t, new(provisioner.Claims).Confirms(csr.Raw))
}
