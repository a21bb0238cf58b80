package challenge

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// ClientConfig is how to ask DNS servers.
type ClientConfig struct {
	Servers []netip.AddrPort // required: recursive ones, in order of preference. [Addresses] is not for them.
	Timeout time.Duration    // of one question to one server; default 3s
	Rounds  int              // how often the servers are gone through; default 2, at most 5

	// MixedCase writes questions in random case and refuses answers that do not repeat it, which makes them
	// harder to forge. Few servers fail to.
	MixedCase bool
}

// Client is a [Resolver] that asks the servers it is told to. Every question has an id and a port of its own,
// drawn at random, goes out over UDP with a small buffer (RFC 9715), and again over TCP if the answer was cut.
type Client struct {
	servers []netip.AddrPort
	timeout time.Duration
	rounds  int
	mixed   bool
}

const (
	udpSize  = 1232 // RFC 9715, section 3: what no path breaks up
	maxAlias = 8    // CNAMEs that are followed
)

// NewClient returns a client. It asks nobody.
func NewClient(c ClientConfig) (*Client, error) {
	if len(c.Servers) == 0 {
		return nil, errors.New("challenge: a DNS client needs servers")
	}
	for _, s := range c.Servers {
		if !s.IsValid() || s.Port() == 0 {
			return nil, fmt.Errorf("challenge: DNS server %q is not an address and a port", s)
		}
	}
	if c.Timeout < 0 || c.Rounds < 0 || c.Rounds > 5 {
		return nil, errors.New("challenge: a DNS client has a timeout above zero and at most 5 rounds")
	}
	cl := &Client{servers: append([]netip.AddrPort(nil), c.Servers...), timeout: c.Timeout, rounds: c.Rounds, mixed: c.MixedCase}
	if cl.timeout == 0 {
		cl.timeout = 3 * time.Second
	}
	if cl.rounds == 0 {
		cl.rounds = 2
	}
	return cl, nil
}

// LookupAddrs implements [Resolver]. It fails only if neither AAAA nor A can be had.
func (c *Client) LookupAddrs(ctx context.Context, name string) ([]netip.Addr, error) {
	six, errSix := c.lookup(ctx, name, dns.TypeAAAA)
	four, errFour := c.lookup(ctx, name, dns.TypeA)
	if errSix != nil && errFour != nil {
		return nil, errFour
	}
	addrs := append(addrsOf(six), addrsOf(four)...)
	if err := errors.Join(errSix, errFour); err != nil && len(addrs) == 0 && !errors.Is(err, ErrNoName) {
		return nil, err
	}
	return addrs, nil
}

// LookupTXT implements [Resolver].
func (c *Client) LookupTXT(ctx context.Context, name string) ([]string, error) {
	rrs, err := c.lookup(ctx, name, dns.TypeTXT)
	return txtOf(rrs), err
}

// LookupCAA implements [Resolver].
func (c *Client) LookupCAA(ctx context.Context, name string) ([]CAARecord, error) {
	rrs, err := c.lookup(ctx, name, dns.TypeCAA)
	return caaOf(rrs), err
}

// lookup asks, and asks on where an answer ends in an alias.
func (c *Client) lookup(ctx context.Context, name string, kind uint16) ([]dns.RR, error) {
	failed := func(err error) ([]dns.RR, error) {
		return nil, fmt.Errorf("challenge: %s of %s: %w", dns.TypeToString[kind], name, err)
	}
	if _, ok := dns.IsDomainName(name); !ok || name == "" || len(name) > 253 {
		return failed(errors.New("not a name"))
	}
	for at, hops := dns.Fqdn(name), 0; ; {
		m, err := c.ask(ctx, at, kind)
		if err != nil {
			return failed(err)
		}
		found, err := read(m, at, kind)
		if err != nil {
			return failed(err)
		}
		if hops += found.hops; hops > maxAlias {
			return failed(errAliases)
		}
		if len(found.rrs) > 0 || found.alias == "" {
			return found.rrs, nil
		}
		at = found.alias
	}
}

// ask puts a question to the servers until one has an answer, be it that there is no such name.
func (c *Client) ask(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	var last error
	for range c.rounds {
		for _, server := range c.servers {
			m, err := c.exchange(ctx, server, name, kind)
			if err == nil {
				return m, nil
			}
			if last = err; ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
	}
	return nil, last
}

func (c *Client) exchange(ctx context.Context, server netip.AddrPort, name string, kind uint16) (*dns.Msg, error) {
	if c.mixed {
		name = mixCase(name)
	}
	q := new(dns.Msg)
	q.SetQuestion(name, kind)
	q.SetEdns0(udpSize, false)
	for _, network := range []string{"udp", "tcp"} {
		q.Id = dns.Id()
		m, err := c.roundTrip(ctx, network, server, q)
		if err != nil {
			return nil, err
		}
		if err := matches(q, m, c.mixed); err != nil {
			return nil, err
		}
		if !m.Truncated {
			return m, nil
		}
	}
	return nil, errors.New("the answer is cut short even over TCP")
}

func (c *Client) roundTrip(ctx context.Context, network string, server netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, server.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // dns looks at deadlines, not at cancellation
	via := dns.Client{Net: network, UDPSize: udpSize, Timeout: c.timeout}
	m, _, err := via.ExchangeWithConnContext(ctx, q, &dns.Conn{Conn: conn, UDPSize: udpSize})
	return m, err
}

// mixCase turns letters at random into capitals (draft-vixie-dnsext-dns0x20).
func mixCase(name string) string {
	b, coins := []byte(name), make([]byte, len(name))
	_, _ = rand.Read(coins) // never fails
	for i, c := range b {
		if c >= 'a' && c <= 'z' && coins[i]&1 == 1 {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}
