package challenge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// DialFunc connects to an address that has been checked, and to no other.
type DialFunc func(ctx context.Context, to netip.AddrPort) (net.Conn, error)

// errLookup is why a connection was not even tried.
var errLookup = errors.New("its addresses could not be looked up")

const (
	maxTries   = 4 // addresses of a name that are tried
	tryTimeout = 3 * time.Second
)

// Dialer connects to hosts that strangers name. It looks names up itself, once, and connects to an address
// that [Addresses] let in; a name that has another address a moment later gains nothing by it. Safe for
// concurrent use.
type Dialer struct {
	resolver  Resolver
	addresses Addresses
	dial      DialFunc
}

// NewDialer returns a dialer with the Resolver, the Addresses and the Dial of c.
func NewDialer(c Config) (*Dialer, error) {
	if err := c.fault(); err != nil {
		return nil, err
	}
	d := &Dialer{resolver: c.Resolver, addresses: c.Addresses, dial: c.Dial}
	if d.dial == nil {
		d.dial = d.direct
	}
	return d, nil
}

// Dial connects to a port of host, a name or an IP address: IPv6 addresses first, at most four. It returns the
// address that was reached. An error is for the CA's log, not for a client.
func (d *Dialer) Dial(ctx context.Context, host string, port uint16) (net.Conn, netip.AddrPort, error) {
	addrs, err := d.candidates(ctx, host)
	if err != nil {
		return nil, netip.AddrPort{}, err
	}
	tried := 0
	last := fmt.Errorf("challenge: %w: %s has none", errLookup, host)
	for _, ip := range addrs {
		to := netip.AddrPortFrom(ip, port)
		if err := d.addresses.Check(to); err != nil {
			last = err
			continue
		}
		if tried++; tried > maxTries {
			break
		}
		conn, err := d.try(ctx, to)
		if err == nil {
			return conn, to, nil
		}
		if last = err; ctx.Err() != nil {
			break
		}
	}
	return nil, netip.AddrPort{}, last
}

// candidates lists the addresses of host: IPv6 and IPv4 in turn, so that a few tries see both.
func (d *Dialer) candidates(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	all, err := d.resolver.LookupAddrs(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errLookup, err)
	}
	var six, four, out []netip.Addr
	for _, ip := range all[:min(len(all), maxAddrs)] {
		if ip.Unmap().Is4() {
			four = append(four, ip)
		} else {
			six = append(six, ip)
		}
	}
	for i := range max(len(six), len(four)) {
		if i < len(six) {
			out = append(out, six[i])
		}
		if i < len(four) {
			out = append(out, four[i])
		}
	}
	return out, nil
}

func (d *Dialer) try(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	return d.dial(ctx, to)
}

// direct connects from this machine. The address is checked once more, on the socket: what is dialled is what
// was checked, whatever is changed in between.
func (d *Dialer) direct(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	nd := net.Dialer{KeepAlive: -1, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return d.addresses.Check(at)
	}}
	return nd.DialContext(ctx, "tcp", to.String())
}
