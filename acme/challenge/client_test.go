package challenge_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme/challenge"
)

func TestClient(t *testing.T) {
	long := strings.Repeat("x", 200)
	big := []string{}
	for i := range 100 { // some 24 kB: only TCP has room
		big = append(big, `big.example. 1 IN TXT "`+strings.Repeat(string(rune('a'+i%26)), 230)+`"`)
	}
	many := []string{}
	for range 257 {
		many = append(many, `many.example. 1 IN TXT "a"`)
	}
	chain := []string{`c12.example. 1 IN TXT "end"`}
	for i := range 12 {
		chain = append(chain, fmt.Sprintf("c%d.example. 1 IN CNAME c%d.example.", i, i+1))
	}
	c := client(t, zone(t, append(append(append(chain, big...), many...),
		`a.example. 1 IN A 10.0.0.1`, `a.example. 1 IN AAAA 2001:db8::1`, `a.example. 1 IN AAAA ::ffff:127.0.0.1`,
		`www.example. 1 IN CNAME a.example.`, `loop.example. 1 IN CNAME loop.example.`,
		`dangling.example. 1 IN CNAME nowhere.example.`,
		`t.example. 1 IN TXT "one" "two"`, `t.example. 1 IN TXT "quote\" \\ \195\188"`,
		`empty.example. 1 IN A 10.0.0.1`,
		`huge.example. 1 IN TXT `+strings.Repeat(`"`+long+`" `, 21), `huge.example. 1 IN TXT "small"`,
		`caa.example. 1 IN CAA 128 issue "ca.example; accounturi=https://x/1"`)...))
	ctx := t.Context()

	addrs, err := c.LookupAddrs(ctx, "www.example")
	require.NoError(t, err)
	require.ElementsMatch(t, ips("2001:db8::1", "::ffff:127.0.0.1", "10.0.0.1"), addrs)
	txt, err := c.LookupTXT(ctx, "t.example")
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"onetwo", `quote" \ ü`}, txt)
	txt, err = c.LookupTXT(ctx, "c4.example")
	require.NoError(t, err, "eight aliases")
	require.Equal(t, []string{"end"}, txt)
	txt, err = c.LookupTXT(ctx, "empty.example")
	require.NoError(t, err)
	require.Empty(t, txt)
	txt, err = c.LookupTXT(ctx, "big.example")
	require.NoError(t, err, "over TCP")
	require.Len(t, txt, 100)
	txt, err = c.LookupTXT(ctx, "huge.example")
	require.NoError(t, err)
	require.Equal(t, []string{"small"}, txt)
	caa, err := c.LookupCAA(ctx, "caa.example")
	require.NoError(t, err)
	require.Equal(t, []challenge.CAARecord{{Flag: 128, Tag: "issue", Value: "ca.example; accounturi=https://x/1"}}, caa)

	for _, name := range []string{"nowhere.example", "dangling.example"} {
		_, err = c.LookupTXT(ctx, name)
		require.ErrorIs(t, err, challenge.ErrNoName, name)
	}
	for _, name := range []string{"loop.example", "c0.example", "many.example", "", strings.Repeat("a.", 130), strings.Repeat("a", 64) + ".example"} {
		_, err = c.LookupTXT(ctx, name)
		require.Error(t, err, name)
		require.NotErrorIs(t, err, challenge.ErrNoName, name)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = c.LookupTXT(canceled, "t.example")
	require.ErrorIs(t, err, context.Canceled)
}

func TestClientDistrusts(t *testing.T) {
	a, _ := dns.NewRR(`x.example. 1 IN A 10.0.0.1`)
	for name, spoil := range map[string]func(*dns.Msg){
		"SERVFAIL":          func(m *dns.Msg) { m.Rcode = dns.RcodeServerFailure },
		"REFUSED":           func(m *dns.Msg) { m.Rcode = dns.RcodeRefused },
		"another id":        func(m *dns.Msg) { m.Id++ },
		"another name":      func(m *dns.Msg) { m.Question[0].Name = "y.example." },
		"another type":      func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeMX },
		"another class":     func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS },
		"another case":      func(m *dns.Msg) { m.Question[0].Name = "X.eXaMpLe." },
		"no question":       func(m *dns.Msg) { m.Question = nil },
		"two questions":     func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) },
		"a question":        func(m *dns.Msg) { m.Response = false },
		"an update":         func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate },
		"always cut":        func(m *dns.Msg) { m.Truncated = true },
		"a lame delegation": func(m *dns.Msg) { m.Answer, m.RecursionAvailable = nil, false },
	} {
		t.Run(name, func(t *testing.T) {
			c := client(t, func(w dns.ResponseWriter, q *dns.Msg) {
				m := new(dns.Msg)
				m.SetReply(q)
				m.RecursionAvailable, m.Answer = true, []dns.RR{a}
				spoil(m)
				_ = w.WriteMsg(m)
			})
			got, err := c.LookupAddrs(t.Context(), "x.example")
			require.Error(t, err)
			require.NotErrorIs(t, err, challenge.ErrNoName)
			require.Empty(t, got)
		})
	}
	t.Run("records of others", func(t *testing.T) {
		c := client(t, func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg)
			m.SetReply(q)
			m.RecursionAvailable, m.Answer = true, []dns.RR{a}
			_ = w.WriteMsg(m)
		})
		got, err := c.LookupAddrs(t.Context(), "z.example")
		require.NoError(t, err)
		require.Empty(t, got, "of x.example, and not asked for")
	})
	t.Run("silence, then the next server", func(t *testing.T) {
		var n atomic.Int32
		silent := serveDNS(t, func(dns.ResponseWriter, *dns.Msg) { n.Add(1) })
		good := serveDNS(t, zone(t, a.String()))
		c, err := challenge.NewClient(challenge.ClientConfig{Servers: []netip.AddrPort{silent, good}, Timeout: 50 * time.Millisecond})
		require.NoError(t, err)
		got, err := c.LookupAddrs(t.Context(), "x.example")
		require.NoError(t, err)
		require.Equal(t, ips("10.0.0.1"), got)
		require.Positive(t, n.Load())
	})
	t.Run("ids differ", func(t *testing.T) {
		ids := map[uint16]bool{}
		var mu sync.Mutex
		h := zone(t, a.String())
		c := client(t, func(w dns.ResponseWriter, q *dns.Msg) {
			mu.Lock()
			ids[q.Id] = true
			mu.Unlock()
			h(w, q)
		})
		for range 10 {
			_, err := c.LookupTXT(t.Context(), "x.example")
			require.NoError(t, err)
		}
		mu.Lock()
		defer mu.Unlock()
		require.Greater(t, len(ids), 5)
	})
}

func TestClientConfig(t *testing.T) {
	at := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53")}
	for _, c := range []challenge.ClientConfig{{}, {Servers: []netip.AddrPort{{}}}, {Servers: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}}, {Servers: at, Timeout: -1}, {Servers: at, Rounds: 6}} {
		_, err := challenge.NewClient(c)
		require.Error(t, err)
	}
}

func TestSystem(t *testing.T) {
	at := serveDNS(t, zone(t, `a.example. 1 IN A 10.0.0.1`, `a.example. 1 IN TXT "x" "y"`))
	s := challenge.System{Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, at.String())
	}}}
	addrs, err := s.LookupAddrs(t.Context(), "a.example")
	require.NoError(t, err)
	require.Len(t, addrs, 1)
	require.Equal(t, "10.0.0.1", addrs[0].Unmap().String())
	txt, err := s.LookupTXT(t.Context(), "a.example")
	require.NoError(t, err)
	require.Equal(t, []string{"xy"}, txt)
	_, err = s.LookupTXT(t.Context(), "nowhere.example")
	require.ErrorIs(t, err, challenge.ErrNoName)
	_, err = s.LookupCAA(t.Context(), "a.example")
	require.ErrorIs(t, err, challenge.ErrUnsupported)
}
