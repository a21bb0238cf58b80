package challenge

import "net/netip"

// special are the addresses that nobody is validated at unless the operator lists them: those of the IANA
// registries of special-purpose addresses that are no host's, and the services that clouds answer their own
// machines with.
var special = []struct {
	prefix netip.Prefix
	what   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local, and cloud metadata"},
	{netip.MustParsePrefix("192.0.0.0/24"), "protocol assignments, and Oracle's metadata"},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation"},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation"},
	{netip.MustParsePrefix("192.88.99.0/24"), "6to4 relays"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarks"},
	{netip.MustParsePrefix("100.100.100.200/32"), "Alibaba's metadata"},
	{netip.MustParsePrefix("168.63.129.16/32"), "Azure's platform"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved, and broadcast"},

	{netip.MustParsePrefix("::/128"), "unspecified"},
	{netip.MustParsePrefix("::1/128"), "loopback"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("fec0::/10"), "site-local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
	{netip.MustParsePrefix("100::/64"), "discarded"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "local NAT64"}, // where in it the IPv4 address is, nobody says
	{netip.MustParsePrefix("2001:2::/48"), "benchmarks"},
	{netip.MustParsePrefix("2001:10::/28"), "ORCHID"},
	{netip.MustParsePrefix("2001:20::/28"), "ORCHID"},
	{netip.MustParsePrefix("2001:db8::/32"), "documentation"},
	{netip.MustParsePrefix("3fff::/20"), "documentation"},
	{netip.MustParsePrefix("fd00:ec2::/32"), "Amazon's metadata"},
	{netip.MustParsePrefix("fd20:ce::254/128"), "Google's metadata"},
	{netip.MustParsePrefix("fd00:c1::a9fe:a9fe/128"), "Oracle's metadata"},
	{netip.MustParsePrefix("fd00:42::42/128"), "Scaleway's metadata"},
}

var privateUse = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("fc00::/7"),
}

var (
	globalUnicast = netip.MustParsePrefix("2000::/3")
	compatible    = netip.MustParsePrefix("::/96")
	nat64         = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052
	sixToFour     = netip.MustParsePrefix("2002::/16")    // RFC 3056
	teredo        = netip.MustParsePrefix("2001::/32")    // RFC 4380
)

// embedded returns the IPv4 addresses that an IPv6 address carries, and whether it stands for nothing else. A
// mapped one is IPv4 in every respect and carries none.
func embedded(ip netip.Addr) (carried []netip.Addr, only bool) {
	if !ip.Is6() || ip.Is4In6() {
		return nil, false
	}
	b := ip.As16()
	at := func(i int, flip byte) netip.Addr {
		return netip.AddrFrom4([4]byte{b[i] ^ flip, b[i+1] ^ flip, b[i+2] ^ flip, b[i+3] ^ flip})
	}
	switch {
	case ip.IsUnspecified(), ip.IsLoopback():
		return nil, false
	case compatible.Contains(ip), nat64.Contains(ip):
		return []netip.Addr{at(12, 0)}, true
	case sixToFour.Contains(ip):
		return []netip.Addr{at(2, 0)}, true
	case teredo.Contains(ip):
		return []netip.Addr{at(4, 0), at(12, 0xff)}, true // the server; the client, which is written inverted
	case b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe: // ISATAP, RFC 5214, section 6.1: in any network
		return []netip.Addr{at(12, 0)}, false
	}
	return nil, false
}
