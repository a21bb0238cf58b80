package policy

import (
	"net/netip"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The vocabulary is small so that rules and names meet.
var (
	hosts  = []string{"com", "ex.com", "a.ex.com", "b.ex.com", "a.b.ex.com", "A.ex.com", "x.org"}
	ruleOf = map[string]*rapid.Generator[string]{
		"dns": rapid.Custom(func(t *rapid.T) string {
			return rapid.SampledFrom([]string{"", "*.", "**."}).Draw(t, "star") + rapid.SampledFrom(hosts).Draw(t, "host")
		}),
		"ip":        rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.0/8", "0.0.0.0/0", "fd00::/8", "::/0"}),
		"email":     rapid.SampledFrom([]string{"@ex.com", "joe@ex.com", "Joe@ex.com", "@a.ex.com"}),
		"uri":       rapid.SampledFrom([]string{"ex.com", "*.ex.com", "**.com", "x://ex.com/a/*", "x://ex.com/a/b", "urn:a:*"}),
		"principal": rapid.SampledFrom([]string{"joe", "Joe", "root", "*"}),
		"cn":        rapid.SampledFrom([]string{"a.ex.com", "Joe", "joe", "joe@ex.com", "10.0.0.1"}),
	}
	kinds = []string{"dns", "ip", "email", "uri", "cn", "principal"}
)

func drawRules(t *rapid.T, label string) Rules {
	list := func(kind string) []string {
		return rapid.SliceOfN(ruleOf[kind], 0, 3).Draw(t, label+kind)
	}
	return Rules{list("dns"), list("ip"), list("email"), list("uri"), list("cn"), list("principal")}
}

func drawConfig(t *rapid.T) Config {
	return Config{Allow: drawRules(t, "allow "), Deny: drawRules(t, "deny "), AllowWildcards: rapid.Bool().Draw(t, "wildcards")}
}

func drawNames(t *rapid.T) Names {
	n := Names{
		CommonName: rapid.SampledFrom([]string{"", "a.ex.com", "*.ex.com", "Joe", "joe@ex.com", "10.0.0.1", "x://ex.com/a/b"}).Draw(t, "cn"),
		DNS: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			return rapid.SampledFrom([]string{"", "*.", "c."}).Draw(t, "star") + rapid.SampledFrom(hosts).Draw(t, "host")
		}), 0, 2).Draw(t, "dns"),
		Emails: rapid.SliceOfN(rapid.SampledFrom([]string{"joe@ex.com", "Joe@EX.com", "jim@a.ex.com", "x"}), 0, 1).Draw(t, "emails"),
		URIs:   rapid.SliceOfN(rapid.SampledFrom([]string{"x://ex.com/a/b", "x://a.ex.com", "X://ex.com/A/B", "urn:a:b", "::"}), 0, 1).Draw(t, "uris"),
	}
	n.Principals = rapid.SliceOfN(rapid.SampledFrom([]string{"joe", "root", "JOE", "a,b", ""}), 0, 2).Draw(t, "principals")
	for _, s := range rapid.SliceOfN(rapid.SampledFrom([]string{"10.0.0.1", "::ffff:10.0.0.1", "192.0.2.1", "fd00::1"}), 0, 1).Draw(t, "ips") {
		n.IPs = append(n.IPs, netip.MustParseAddr(s))
	}
	return n
}

func (r *Rules) list(kind string) *[]string {
	return map[string]*[]string{"dns": &r.DNS, "ip": &r.IP, "email": &r.Email, "uri": &r.URI, "cn": &r.CommonName, "principal": &r.Principal}[kind]
}

func with(r Rules, kind, pattern string) Rules {
	l := r.list(kind)
	*l = append(slices.Clone(*l), pattern)
	return r
}

func TestAddingADenyNeverAllows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, n := drawConfig(t), drawNames(t)
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		before := mustNew(t, c).Check(n) == nil
		c.Deny = with(c.Deny, kind, ruleOf[kind].Draw(t, "added"))
		if mustNew(t, c).Check(n) == nil && !before {
			t.Fatal("allowed by denying more")
		}
	})
}

func TestAddingAnAllowNeverDenies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, n := drawConfig(t), drawNames(t)
		c.Allow = with(c.Allow, "cn", "some entry so that the list is not empty")
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		before := mustNew(t, c).Check(n) == nil
		c.Allow = with(c.Allow, kind, ruleOf[kind].Draw(t, "added"))
		if before && mustNew(t, c).Check(n) != nil {
			t.Fatal("denied by allowing more")
		}
	})
}

func TestDenyWins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, n := drawConfig(t), drawNames(t)
		deny := c
		deny.Allow = Rules{}
		if mustNew(t, deny).Check(n) != nil && mustNew(t, c).Check(n) == nil {
			t.Fatal("an allow entry got around a deny entry")
		}
	})
}

func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, n := drawConfig(t), drawNames(t)
		want := mustNew(t, c).Check(n) == nil
		for _, r := range []*Rules{&c.Allow, &c.Deny} {
			for _, k := range kinds {
				*r.list(k) = rapid.Permutation(*r.list(k)).Draw(t, "order")
			}
		}
		n.DNS = rapid.Permutation(n.DNS).Draw(t, "names")
		if got := mustNew(t, c).Check(n) == nil; got != want {
			t.Fatal("the order decided")
		}
	})
}

func TestCheckAgreesWithExplain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, n := mustNew(t, drawConfig(t)), drawNames(t)
		compare(t, p, n)
	})
}

func compare(t require.TestingT, p *Policy, n Names) {
	err := p.Check(n)
	for _, v := range p.Explain(n) {
		if v.Allowed {
			continue
		}
		var d *Denial
		require.ErrorAs(t, err, &d)
		require.Equal(t, Denial{v.Kind, v.Name, v.Rule, "policy-" + v.Kind, v.Reason}, *d)
		return
	}
	require.NoError(t, err)
}

// A wildcard that is allowed stands for names that are all allowed.
func TestWildcardIsNoShortcut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := mustNew(t, drawConfig(t))
		parent := rapid.SampledFrom(hosts).Draw(t, "parent")
		if p.Check(name("dns", "*."+parent)) != nil {
			return
		}
		label := rapid.SampledFrom([]string{"a", "b", "c", "ex", "zz"}).Draw(t, "label")
		if err := p.Check(name("dns", label+"."+parent)); err != nil {
			t.Fatalf("*.%s is allowed, and yet %v", parent, err)
		}
	})
}

func FuzzPolicy(f *testing.F) {
	seeds, err := os.ReadDir("testdata/fuzz/FuzzPolicy")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	f.Fuzz(func(t *testing.T, pattern, s string, wild bool) {
		n := Names{CommonName: s, DNS: []string{s}, Emails: []string{s}, URIs: []string{s}, Principals: []string{s}}
		if a, err := netip.ParseAddr(s); err == nil {
			n.IPs = append(n.IPs, a)
		}
		for _, kind := range kinds {
			var r Rules
			*r.list(kind) = []string{pattern}
			allow, err := New(Config{Allow: r, AllowWildcards: wild})
			if err != nil {
				var pe *PatternError
				require.ErrorAs(t, err, &pe)
				continue
			}
			compare(t, allow, n)
			deny := mustNew(t, Config{Deny: r, AllowWildcards: wild})
			compare(t, deny, n)
			one := Names{}
			switch kind {
			case "dns":
				one.DNS = n.DNS
			case "ip":
				one.IPs = n.IPs
			case "email":
				one.Emails = n.Emails
			case "uri":
				one.URIs = n.URIs
			case "cn":
				one.CommonName = s
			case "principal":
				one.Principals = n.Principals
			}
			// What a pattern allows, it denies.
			if len(allow.Explain(one)) > 0 && allow.Check(one) == nil && deny.Check(one) == nil {
				t.Fatalf("%s pattern %q allows %q and does not deny it", kind, pattern, s)
			}
		}
	})
}
