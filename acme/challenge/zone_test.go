package challenge_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/challenge"
)

// serveDNS answers over UDP and TCP on one port of loopback.
func serveDNS(t *testing.T, h dns.HandlerFunc) netip.AddrPort {
	t.Helper()
	for range 20 { // until a port is free for both
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		p, err := net.ListenPacket("udp", l.Addr().String())
		if err != nil {
			_ = l.Close()
			continue
		}
		for _, s := range []*dns.Server{{Listener: l, Handler: h}, {PacketConn: p, Handler: h}} {
			up := make(chan struct{})
			s.NotifyStartedFunc = func() { close(up) }
			go func() { _ = s.ActivateAndServe() }()
			<-up
			t.Cleanup(func() { _ = s.Shutdown() })
		}
		return netip.MustParseAddrPort(l.Addr().String())
	}
	t.Fatal("no port is free for both UDP and TCP")
	return netip.AddrPort{}
}

// zone is a DNS server's data, in the syntax of zone files.
func zone(t *testing.T, lines ...string) dns.HandlerFunc {
	var rrs []dns.RR
	for _, l := range lines {
		rr, err := dns.NewRR(l)
		require.NoError(t, err, l)
		rrs = append(rrs, rr)
	}
	return func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		m.RecursionAvailable = true
		m.Rcode = dns.RcodeNameError
		for _, rr := range rrs {
			if !strings.EqualFold(rr.Header().Name, q.Question[0].Name) {
				continue
			}
			m.Rcode = dns.RcodeSuccess
			if ty := rr.Header().Rrtype; ty == q.Question[0].Qtype || ty == dns.TypeCNAME {
				m.Answer = append(m.Answer, rr)
			}
		}
		if w.LocalAddr().Network() == "udp" {
			m.Truncate(dns.MinMsgSize)
		}
		_ = w.WriteMsg(m)
	}
}

func client(t *testing.T, h dns.HandlerFunc) *challenge.Client {
	t.Helper()
	c, err := challenge.NewClient(challenge.ClientConfig{Servers: []netip.AddrPort{serveDNS(t, h)}, Timeout: 500 * time.Millisecond, Rounds: 1, MixedCase: true})
	require.NoError(t, err)
	return c
}

// names is a resolver that has answers by heart. Names that it does not know do not exist.
type names struct {
	addrs map[string][]netip.Addr
	txt   map[string][]string
	caa   map[string][]challenge.CAARecord
	errs  map[string]error
	mu    sync.Mutex
	asked []string
}

func (n *names) look(name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = append(n.asked, name)
	return n.errs[name]
}

func (n *names) LookupAddrs(_ context.Context, name string) ([]netip.Addr, error) {
	if err := n.look(name); err != nil {
		return nil, err
	}
	a, ok := n.addrs[name]
	if !ok {
		return nil, challenge.ErrNoName
	}
	return a, nil
}

func (n *names) LookupTXT(_ context.Context, name string) ([]string, error) {
	if err := n.look(name); err != nil {
		return nil, err
	}
	a, ok := n.txt[name]
	if !ok {
		return nil, challenge.ErrNoName
	}
	return a, nil
}

func (n *names) LookupCAA(_ context.Context, name string) ([]challenge.CAARecord, error) {
	if err := n.look(name); err != nil {
		return nil, err
	}
	return n.caa[name], nil
}

func ips(s ...string) (out []netip.Addr) {
	for _, a := range s {
		out = append(out, netip.MustParseAddr(a))
	}
	return out
}

// loopback is the policy of tests that are to get through.
func loopback() challenge.Addresses {
	return challenge.Addresses{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}
}

const (
	token   = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
	thumb   = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
	keyAuth = token + "." + thumb
	account = "https://ca.example/acct/123"
)

func dnsName(name string) *acme.Validation {
	return &acme.Validation{Identifier: acme.Identifier{Type: acme.DNS, Value: name}, Token: token, KeyAuthorization: keyAuth,
		Thumbprint: thumb, AccountURL: account, Issuers: []string{"ca.example"}}
}

func ipAddr(ip string) *acme.Validation {
	c := dnsName(ip)
	c.Identifier.Type = acme.IP
	return c
}

// problem requires err to be a problem of that type that says none of the words.
func problem(t *testing.T, err error, kind acme.ProblemType, not ...string) {
	t.Helper()
	p, ok := errors.AsType[*acme.Problem](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, kind, p.Type, "%s: %v", p.Detail, p.Cause)
	doc, err := p.MarshalJSON()
	require.NoError(t, err)
	for _, word := range append(not, "127.0.0.1", "SECRET", "refused", "timeout", "dial", "read udp", "i/o") {
		require.NotContains(t, string(doc), word)
	}
}
