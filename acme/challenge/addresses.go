package challenge

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

// ErrRefused is what [Addresses.Check] wraps when an address is not to be connected to.
var ErrRefused = errors.New("refused by the address policy")

// Scope is which ordinary unicast addresses are let in.
type Scope int

// The scopes. Private is RFC 1918, RFC 4193 (fc00::/7) and the shared space of RFC 6598 (100.64.0.0/10),
// where overlay networks live.
const (
	PublicAndPrivate Scope = iota
	PublicOnly
	PrivateOnly
	ListedOnly // nothing but Allow
)

// Addresses says where a validation may connect to. The zero value lets in public and private unicast
// addresses, and refuses loopback, link-local, multicast, broadcast, unspecified, documentation, benchmark and
// other special-purpose ones, and the metadata services of clouds.
//
// An IPv6 address that carries an IPv4 one (mapped, compatible, NAT64, 6to4, Teredo, ISATAP) is judged by the
// one it carries, as the packets may end there, and refused if Deny has either.
type Addresses struct {
	Scope Scope

	// Allow is let in whatever Scope and the list of special addresses say; Deny and Listeners go before it.
	Allow []netip.Prefix
	Deny  []netip.Prefix

	// Listeners are the CA's own, which nobody is to reach through it; port 0 is every port. See
	// [OwnListeners] for those that listen on all addresses.
	Listeners []netip.AddrPort
}

// Check returns an error that wraps [ErrRefused] if to is not to be connected to. It asks nobody.
func (a Addresses) Check(to netip.AddrPort) error {
	ip := to.Addr()
	if !ip.IsValid() || ip.Zone() != "" || to.Port() == 0 {
		return refused(to, "not an address and a port")
	}
	carried, only := embedded(ip)
	for _, c := range carried {
		if err := a.Check(netip.AddrPortFrom(c, to.Port())); err != nil {
			return fmt.Errorf("%s carries another address: %w", ip, err)
		}
	}
	plain := ip.Unmap()
	for _, l := range a.Listeners {
		if l.Addr().Unmap() == plain && (l.Port() == 0 || l.Port() == to.Port()) {
			return refused(to, "a listener of the CA")
		}
	}
	if within(a.Deny, ip) || within(a.Deny, plain) {
		return refused(to, "denied")
	}
	if only { // judged above, and Allow is not to open what is inside
		return nil
	}
	if within(a.Allow, plain) {
		return nil
	}
	return a.unlisted(to, plain)
}

// unlisted judges an address that the operator said nothing about.
func (a Addresses) unlisted(to netip.AddrPort, ip netip.Addr) error {
	for _, s := range special {
		if s.prefix.Contains(ip) {
			return refused(to, s.what)
		}
	}
	private := within(privateUse, ip)
	switch {
	case !private && ip.Is6() && !globalUnicast.Contains(ip):
		return refused(to, "not assigned")
	case a.Scope == PublicAndPrivate, a.Scope == PublicOnly && !private, a.Scope == PrivateOnly && private:
		return nil
	}
	return refused(to, "out of scope")
}

func refused(to netip.AddrPort, why string) error {
	return fmt.Errorf("challenge: %s: %s: %w", to, why, ErrRefused)
}

func within(list []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Masked().Contains(ip) })
}

// fault says what is wrong with the policy itself.
func (a Addresses) fault() error {
	if a.Scope < PublicAndPrivate || a.Scope > ListedOnly {
		return errors.New("challenge: Addresses: no such scope")
	}
	for _, p := range slices.Concat(a.Allow, a.Deny) {
		if !p.IsValid() || p.Addr().Is4In6() {
			return fmt.Errorf("challenge: Addresses: %q is not a prefix; one of IPv4 is written as such", p)
		}
	}
	for _, l := range a.Listeners {
		if !l.Addr().IsValid() || l.Addr().IsUnspecified() {
			return fmt.Errorf("challenge: Addresses: listener %q has no address: use OwnListeners", l)
		}
	}
	return nil
}

// OwnListeners returns what [Addresses] needs to keep validations away from listeners with these addresses
// (TCP only; others are left out). One that listens on all addresses is written out as every address that this
// machine has at the moment.
func OwnListeners(addrs ...net.Addr) ([]netip.AddrPort, error) {
	var out []netip.AddrPort
	for _, addr := range addrs {
		tcp, ok := addr.(*net.TCPAddr)
		if !ok {
			continue
		}
		at := tcp.AddrPort()
		if a := at.Addr().Unmap(); a.IsValid() && !a.IsUnspecified() {
			out = append(out, netip.AddrPortFrom(a.WithZone(""), at.Port()))
			continue
		}
		here, err := net.InterfaceAddrs()
		if err != nil {
			return nil, fmt.Errorf("challenge: addresses of this machine: %w", err)
		}
		for _, h := range here {
			if p, err := netip.ParsePrefix(h.String()); err == nil {
				out = append(out, netip.AddrPortFrom(p.Addr().Unmap(), at.Port()))
			}
		}
	}
	return out, nil
}
