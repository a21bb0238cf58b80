package policy

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func mustNew(t require.TestingT, c Config) *Policy {
	p, err := New(c)
	require.NoError(t, err)
	return p
}

func dns(s ...string) Rules { return Rules{DNS: s} }

func name(kind, s string) Names {
	switch kind {
	case "cn":
		return Names{CommonName: s}
	case "dns":
		return Names{DNS: []string{s}}
	case "ip":
		return Names{IPs: []netip.Addr{netip.MustParseAddr(s)}}
	case "email":
		return Names{Emails: []string{s}}
	}
	return Names{URIs: []string{s}}
}

func TestMatching(t *testing.T) {
	for _, c := range []struct {
		kind, pattern string
		yes, no       []string // as an allow list of one
	}{
		{"dns", "Host.ex.com", []string{"host.ex.com", "HOST.EX.COM"}, []string{"ex.com", "a.host.ex.com", "host.ex.com.", "*.ex.com"}},
		{"dns", "*.ex.com", []string{"a.ex.com", "A.Ex.com", "_x.ex.com"}, []string{"ex.com", "a.b.ex.com", ".ex.com", "aex.com", "*.ex.com"}},
		{"dns", "**.ex.com", []string{"a.ex.com", "a.b.c.ex.com"}, []string{"ex.com", "aex.com", "a..ex.com", "é.ex.com", ""}},
		{"dns", "**.com", []string{"ex.com", "a.ex.com"}, []string{"com", "org"}},
		{"ip", "10.0.0.1", []string{"10.0.0.1", "::ffff:10.0.0.1"}, []string{"10.0.0.2", "::a00:1"}},
		{"ip", "10.1.2.3/8", []string{"10.255.0.1", "::ffff:10.0.0.1"}, []string{"11.0.0.1", "fe80::1%eth0"}},
		{"ip", "::ffff:10.0.0.0/104", []string{"10.9.9.9"}, []string{"11.0.0.1"}},
		{"ip", "fd00::/8", []string{"fd12::1"}, []string{"fe80::1", "10.0.0.1"}},
		{"email", "@Ex.com", []string{"joe@ex.com", "joe@EX.COM"}, []string{"joe@a.ex.com", "joe@ex.com.", "@ex.com", "ex.com", `"joe"@ex.com`, "a@b@ex.com", "Joe <joe@ex.com>"}},
		{"email", "Joe@ex.com", []string{"Joe@EX.com"}, []string{"joe@ex.com", "jim@ex.com"}},
		{"uri", "*.ex.com", []string{"https://a.ex.com/x", "https://A.ex.com:8443"}, []string{"https://ex.com", "https://a.b.ex.com", "https://a.ex.com@evil.com/", "https://10.0.0.1/", "urn:x:y", "https://a.ex.com./"}},
		{"uri", "a.ex.com", []string{"https://a.ex.com", "ssh://git@a.ex.com:22/x"}, []string{"https://b.ex.com", "a.ex.com", "https:a.ex.com"}},
		{"uri", "**.ex.com", []string{"x://a.b.ex.com"}, []string{"x://ex.com"}},
		{"uri", "spiffe://td/ns/prod/*", []string{"spiffe://td/ns/prod/x", "SPIFFE://TD/ns/prod/x/y"}, []string{
			"spiffe://td/ns/prod", "spiffe://td/ns/prod/", "spiffe://td/ns/production", "spiffe://td/ns/PROD/x", "spiffe://td2/ns/prod/x",
			"spiffe://td/ns/prod/../admin", "spiffe://td/ns/prod/%2e%2e/admin", "spiffe://td/ns/prod/.", "https://td/ns/prod/x"}},
		{"uri", "https://ex.com/a", []string{"https://ex.com/a", "https://ex.com:8443/a"}, []string{"https://ex.com/a/", "https://ex.com/a?x", "https://ex.com/A"}},
		{"uri", "https://ex.com:8443/*", []string{"https://ex.com:8443/a"}, []string{"https://ex.com/a", "https://ex.com:443/a"}},
		{"uri", "spiffe://td", []string{"spiffe://td", "spiffe://td/"}, []string{"spiffe://td/x"}},
		{"uri", "urn:uuid:*", []string{"urn:uuid:1"}, []string{"urn:uuid:", "urn:uuidx", "urn:isbn:1"}},
		{"uri", "urn:uuid:1", []string{"urn:uuid:1", "URN:uuid:1"}, []string{"urn:uuid:12"}},
		{"cn", "Some CN", []string{"Some CN"}, []string{"some cn", "Some CN "}},
		{"cn", "*", []string{"*"}, []string{"x"}},
	} {
		var r Rules
		switch c.kind {
		case "dns":
			r.DNS = []string{c.pattern}
		case "ip":
			r.IP = []string{c.pattern}
		case "email":
			r.Email = []string{c.pattern}
		case "uri":
			r.URI = []string{c.pattern}
		case "cn":
			r.CommonName = []string{c.pattern}
		}
		allow, deny := mustNew(t, Config{Allow: r}), mustNew(t, Config{Deny: r})
		for _, s := range c.yes {
			require.NoError(t, allow.Check(name(c.kind, s)), "%s allows %s", c.pattern, s)
			require.Error(t, deny.Check(name(c.kind, s)), "%s denies %s", c.pattern, s)
		}
		for _, s := range c.no {
			require.Error(t, allow.Check(name(c.kind, s)), "%s allows %s", c.pattern, s)
		}
	}
}

func TestDenyIsGenerous(t *testing.T) {
	p := mustNew(t, Config{Deny: Rules{
		Email: []string{"joe@ex.com"}, URI: []string{"spiffe://td/admin/*", "urn:uuid:*", "https://ex.com/*"}, CommonName: []string{"Admin"},
	}})
	for kind, names := range map[string][]string{
		"email": {"JOE@ex.com"},
		"uri":   {"spiffe://td/ADMIN/x", "spiffe://td/admin/", "spiffe://td/admin", "urn:uuid:", "https://u@ex.com:1/x", "https://ex.com", "https://ex.com?x", "spiffe://td/%61dmin/x"},
		"cn":    {"ADMIN", "joe@ex.com", "urn:uuid:1"},
	} {
		for _, s := range names {
			require.Error(t, p.Check(name(kind, s)), s)
		}
	}
}

func TestCombining(t *testing.T) {
	p := mustNew(t, Config{Allow: dns("**.ex.com"), Deny: dns("secret.ex.com")})
	require.NoError(t, p.Check(name("dns", "a.ex.com")))
	require.Error(t, p.Check(name("dns", "secret.ex.com")), "deny wins")
	require.Error(t, p.Check(name("ip", "10.0.0.1")), "a type without an allow list")
	require.Error(t, p.Check(Names{DNS: []string{"a.ex.com", "b.org"}}))
	require.NoError(t, p.Check(Names{}))

	p = mustNew(t, Config{Deny: dns("secret.ex.com")})
	require.NoError(t, p.Check(Names{DNS: []string{"b.org"}, CommonName: "Any Body", Emails: []string{"a@b.c"}}))
	require.Error(t, p.Check(name("dns", "secret.ex.com.")), "malformed under a policy that only denies")

	var none *Policy
	require.NoError(t, none.Check(name("dns", "..")))
	require.True(t, none.Explain(name("dns", ".."))[0].Allowed)
	require.True(t, none.Empty())
	require.True(t, mustNew(t, Config{AllowWildcards: true}).Empty())
	require.False(t, p.Empty())
}

func TestCommonName(t *testing.T) {
	p := mustNew(t, Config{
		Allow: Rules{DNS: []string{"*.ex.com"}, Email: []string{"@ex.com"}, IP: []string{"10.0.0.0/8"}, CommonName: []string{"Free Text"}},
		Deny:  Rules{DNS: []string{"bad.ex.com"}, CommonName: []string{"evil.ex.com"}},
	})
	for _, cn := range []string{"", "a.ex.com", "A.EX.COM", "joe@ex.com", "10.1.1.1", "Free Text"} {
		require.NoError(t, p.Check(name("cn", cn)), cn)
	}
	for _, cn := range []string{"evil.ex.com", "EVIL.ex.com", "bad.ex.com", "bad.ex.com.", " bad.ex.com", "b.org", "Other Text", "11.0.0.1", "*.ex.com"} {
		require.Error(t, p.Check(name("cn", cn)), cn)
	}
	p = mustNew(t, Config{Allow: Rules{DNS: []string{"*.ex.com"}}})
	var d *Denial
	require.ErrorAs(t, p.Check(name("cn", "Some CN")), &d)
	require.Equal(t, Denial{Kind: "cn", Name: "Some CN", Code: "policy-cn", Reason: `common name "Some CN" is not in any allow list`}, *d)

	p = mustNew(t, Config{Allow: Rules{CommonName: []string{"bad.ex.com"}}, Deny: dns("bad.ex.com")})
	require.Error(t, p.Check(name("cn", "bad.ex.com")), "its type's deny list counts")
	p = mustNew(t, Config{Deny: dns("bad.ex.com")})
	for _, cn := range []string{"bad.ex.com.", "bad.ex.com ", "BAD.ex.com"} {
		require.Error(t, p.Check(name("cn", cn)), "%q reads as a denied name", cn)
	}
}

func TestWildcards(t *testing.T) {
	for _, c := range []struct {
		allow, deny []string
		on, ok      bool
	}{
		{nil, nil, false, false},
		{nil, []string{"x.org"}, false, false},
		{[]string{"*.ex.com"}, nil, false, false},
		{nil, nil, true, true},
		{[]string{"*.ex.com"}, nil, true, true},
		{[]string{"**.ex.com"}, nil, true, true},
		{[]string{"**.com"}, nil, true, true},
		{[]string{"*.com"}, nil, true, false},
		{[]string{"a.ex.com"}, nil, true, false},
		{[]string{"**.a.ex.com"}, nil, true, false},
		{nil, []string{"secret.ex.com"}, true, false},
		{nil, []string{"*.ex.com"}, true, false},
		{nil, []string{"**.ex.com"}, true, false},
		{nil, []string{"**.com"}, true, false},
		{nil, []string{"ex.com", "a.b.ex.com", "*.b.ex.com", "**.b.ex.com", "*.com"}, true, true},
		{[]string{"**.ex.com"}, []string{"secret.ex.com"}, true, false},
	} {
		p := mustNew(t, Config{Allow: dns(c.allow...), Deny: dns(c.deny...), AllowWildcards: c.on})
		for _, n := range []Names{name("dns", "*.Ex.com"), name("cn", "*.ex.com")} {
			require.Equal(t, c.ok, p.Check(n) == nil, "%+v", c)
		}
	}
	p := mustNew(t, Config{AllowWildcards: true})
	for _, s := range []string{"*", "*.", "**.ex.com", "a*.ex.com", "a.*.com", "*.*.com"} {
		require.Error(t, p.Check(name("dns", s)), s)
	}
}

func TestPatternErrors(t *testing.T) {
	_, err := New(Config{
		Allow: Rules{
			DNS:   []string{"ok.com", "*.*.x", ".ex.com", "ex.com.", "bücher.example", "*", "", "10.0.0.1", "a..b", "https://x"},
			IP:    []string{"10.0.0.0/33", "x", "fe80::1%eth0", "::ffff:0:0/90"},
			Email: []string{"ex.com", "*@ex.com", "@*.ex.com", "@", "a b@ex.com"},
			URI:   []string{"ex.com:443", "ex.com/x", "https://*", "https://ex.com/a*", "https://*.ex.com/", "urn:*", "https://ex.com/../x", "https://exämple/"},
		},
		Deny: Rules{CommonName: []string{""}},
	})
	require.Error(t, err)
	all := err.(interface{ Unwrap() []error }).Unwrap()
	require.Len(t, all, 27)
	seen := map[string]bool{}
	for _, e := range all {
		var pe *PatternError
		require.True(t, errors.As(e, &pe))
		require.NotEmpty(t, pe.Reason)
		seen[pe.List] = true
	}
	require.True(t, seen["allow.dns[2]"] && seen["allow.ip[0]"] && seen["deny.cn[0]"])
	require.False(t, seen["allow.dns[0]"])
}

func TestExplain(t *testing.T) {
	p := mustNew(t, Config{Allow: dns("*.ex.com"), Deny: dns("b.ex.com")})
	v := p.Explain(Names{CommonName: "a.ex.com", DNS: []string{"b.ex.com"}, IPs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}})
	require.Len(t, v, 3)
	require.Equal(t, Verdict{Kind: "cn", Name: "a.ex.com", Allowed: true, Rule: "*.ex.com", Reason: `common name "a.ex.com" is allowed by "*.ex.com"`}, v[0])
	require.Equal(t, "b.ex.com", v[1].Rule)
	require.Equal(t, "10.0.0.1", v[2].Name)
	require.False(t, v[1].Allowed || v[2].Allowed)
}

func BenchmarkCheck(b *testing.B) {
	p := mustNew(b, Config{
		Allow: Rules{DNS: []string{"**.ex.com", "a.org"}, IP: []string{"10.0.0.0/8"}, Email: []string{"@ex.com"}, URI: []string{"spiffe://td/ns/*"}},
		Deny:  Rules{DNS: []string{"secret.ex.com", "**.dev.ex.com"}},
	})
	for what, n := range map[string]Names{
		"server": {CommonName: "db.ex.com", DNS: []string{"db.ex.com", "db.prod.ex.com"}, IPs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}},
		"spiffe": {URIs: []string{"spiffe://td/ns/prod/sa/db"}},
	} {
		b.Run(what, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Check(n); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
