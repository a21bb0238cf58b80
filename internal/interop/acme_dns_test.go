package interop

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"
)

// acmeZone is a DNS server on loopback for everything below interop.test, where every name is this machine. TXT records
// are the lines of a file that has the record's name, so that a hook of any client can write them.
type acmeZone struct {
	at  netip.AddrPort
	dir string
	caa map[string]string // immutable; name without the dot at the end → issuer
}

const acmeDomain = "interop.test"

func newACMEZone(t *testing.T, dir string, caa map[string]string) *acmeZone {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o700))
	z := &acmeZone{dir: dir, caa: caa}
	for range 20 { // until a port is free for both
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		p, err := net.ListenPacket("udp", l.Addr().String())
		if err != nil {
			require.NoError(t, l.Close())
			continue
		}
		for _, s := range []*dns.Server{{Listener: l, Handler: z}, {PacketConn: p, Handler: z}} {
			up := make(chan struct{})
			s.NotifyStartedFunc = func() { close(up) }
			go func() { _ = s.ActivateAndServe() }()
			<-up
			t.Cleanup(func() { _ = s.Shutdown() })
		}
		z.at = netip.MustParseAddrPort(l.Addr().String())
		return z
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil
}

// ServeDNS answers as an authoritative server does that is asked recursively, too.
func (z *acmeZone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(q)
	m.Authoritative, m.RecursionAvailable = true, true
	asked := q.Question[0]
	name := strings.ToLower(strings.TrimSuffix(asked.Name, "."))
	soa := must1(dns.NewRR(acmeDomain + ". 1 IN SOA ns." + acmeDomain + ". root." + acmeDomain + ". 1 1 1 1 1"))
	if name != acmeDomain && !strings.HasSuffix(name, "."+acmeDomain) || strings.HasPrefix(name, "nowhere.") {
		m.Rcode = dns.RcodeNameError
		m.Ns = append(m.Ns, soa)
		_ = w.WriteMsg(m)
		return
	}
	h := dns.RR_Header{Name: asked.Name, Rrtype: asked.Qtype, Class: dns.ClassINET, Ttl: 1}
	switch asked.Qtype {
	case dns.TypeA:
		m.Answer = append(m.Answer, &dns.A{Hdr: h, A: net.IPv4(127, 0, 0, 1)})
	case dns.TypeTXT:
		for _, v := range z.txt(name) {
			m.Answer = append(m.Answer, &dns.TXT{Hdr: h, Txt: []string{v}})
		}
	case dns.TypeCAA:
		if issuer, ok := z.caa[name]; ok {
			m.Answer = append(m.Answer, &dns.CAA{Hdr: h, Tag: "issue", Value: issuer})
		}
	case dns.TypeNS, dns.TypeSOA:
		if name == acmeDomain && asked.Qtype == dns.TypeSOA {
			m.Answer = append(m.Answer, soa)
		} else if name == acmeDomain {
			m.Answer = append(m.Answer, &dns.NS{Hdr: h, Ns: "ns." + acmeDomain + "."})
		}
	}
	if len(m.Answer) == 0 {
		m.Ns = append(m.Ns, soa)
	}
	if w.LocalAddr().Network() == "udp" {
		m.Truncate(dns.MinMsgSize)
	}
	_ = w.WriteMsg(m)
}

func must1[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (z *acmeZone) txt(name string) []string {
	b, err := os.ReadFile(filepath.Join(z.dir, name))
	if err != nil {
		return nil
	}
	return strings.Fields(string(b))
}

// set makes a TXT record the only one of its name. It may have no spaces.
func (z *acmeZone) set(t *testing.T, name, value string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(z.dir, name), []byte(value+"\n"), 0o600))
}

// hook is a piece of a script for sh that adds a TXT record, or with the verb "clean" removes it. Name and value may be
// variables that a client sets.
func (z *acmeZone) hook(verb, name, value string) string {
	file := `"` + z.dir + `/` + name + `"`
	if verb == "clean" {
		return "grep -vxF -e " + value + " " + file + " >" + file + ".new || true\nmv " + file + ".new " + file + "\n"
	}
	return "echo " + value + " >>" + file + "\n"
}
