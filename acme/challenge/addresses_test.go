package challenge_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme/challenge"
)

// hostile is where nobody is let in by default.
var hostile = []string{
	"127.0.0.1", "127.255.255.254", "127.1.2.3", "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1", "169.254.170.2",
	"168.63.129.16", "100.100.100.200", "192.0.0.192", "192.0.0.8", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1",
	"198.19.255.255", "192.88.99.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
	"::", "::1", "fe80::1", "febf::1", "fec0::1", "ff02::1", "ff0e::1", "100::1", "2001:db8::1", "3fff::1", "2001:2::1",
	"2001:10::1", "2001:20::1", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42",
	"64:ff9b:1::1", "4000::1", "5f00::1", "1234::1", "::2",
	"::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:0.0.0.0", "::ffff:224.0.0.1",
	"::127.0.0.1", "::169.254.169.254",
	"64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b::",
	"2002:7f00:1::", "2002:a9fe:a9fe::1", "2002::1",
	"2001::7f00:1", "2001:0:7f00:1::", "2001:0:4136:e378:8000:63bf:5601:5601", // a Teredo client at 169.254.169.254
	"2600::5efe:7f00:1", "2600::200:5efe:a9fe:a9fe", "fd12::5efe:7f00:1", "fe80::5efe:808:808", "ff02::5efe:808:808", "fd00:ec2::5efe:808:808",
}

var friendly = []string{
	"8.8.8.8", "1.1.1.1", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "192.0.1.1", "192.1.2.3", "223.255.255.255",
	"2606:4700::1111", "fd12:3456::1", "fc00::1", "2a00:1450::1", "::ffff:10.0.0.1", "64:ff9b::8.8.8.8", "2002:808:808::1", "2600::5efe:808:808",
	"2001:0:808:808:8000:63bf:f7f7:f7f7", // a Teredo client at 8.8.8.8
}

func TestDefaultPolicy(t *testing.T) {
	require.GreaterOrEqual(t, len(hostile), 60)
	for _, s := range hostile {
		require.ErrorIs(t, challenge.Addresses{}.Check(netip.AddrPortFrom(netip.MustParseAddr(s), 80)), challenge.ErrRefused, s)
	}
	for _, s := range friendly {
		require.NoError(t, challenge.Addresses{}.Check(netip.AddrPortFrom(netip.MustParseAddr(s), 80)), s)
	}
	for _, to := range []netip.AddrPort{{}, netip.MustParseAddrPort("8.8.8.8:0"), netip.MustParseAddrPort("[fe80::1%eth0]:80"), netip.MustParseAddrPort("[2606::1%1]:80")} {
		require.ErrorIs(t, challenge.Addresses{}.Check(to), challenge.ErrRefused, to.String())
	}
}

func TestAddresses(t *testing.T) {
	prefixes := func(s ...string) (out []netip.Prefix) {
		for _, p := range s {
			out = append(out, netip.MustParsePrefix(p))
		}
		return out
	}
	for name, c := range map[string]struct {
		a       challenge.Addresses
		in, out []string
	}{
		"public":  {challenge.Addresses{Scope: challenge.PublicOnly}, []string{"8.8.8.8", "2606::1"}, []string{"10.0.0.1", "100.64.0.1", "fd12::1", "127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1"}},
		"private": {challenge.Addresses{Scope: challenge.PrivateOnly}, []string{"10.0.0.1", "fd12::1"}, []string{"8.8.8.8", "2606::1", "169.254.1.1"}},
		"listed":  {challenge.Addresses{Scope: challenge.ListedOnly, Allow: prefixes("10.1.0.0/16")}, []string{"10.1.2.3", "::ffff:10.1.2.3"}, []string{"10.2.0.1", "8.8.8.8"}},
		"opened":  {challenge.Addresses{Allow: prefixes("127.0.0.0/8")}, []string{"127.0.0.1", "::ffff:127.0.0.1", "8.8.8.8"}, []string{"::1", "169.254.1.1"}},
		"denied": {challenge.Addresses{Allow: prefixes("10.0.0.0/8"), Deny: prefixes("10.9.0.0/16", "2002::/16")},
			[]string{"10.1.2.3"}, []string{"10.9.0.1", "::ffff:10.9.0.1", "64:ff9b::10.9.0.1", "2002:808:808::1"}},
		"NAT64 is not opened by its prefix": {challenge.Addresses{Allow: prefixes("::/0")}, []string{"::1", "2001:db8::1"}, []string{"64:ff9b::127.0.0.1", "::ffff:127.0.0.1", "2002:7f00:1::"}},
		"unmasked":                          {challenge.Addresses{Scope: challenge.ListedOnly, Allow: []netip.Prefix{netip.PrefixFrom(netip.MustParseAddr("10.1.2.3"), 8)}}, []string{"10.200.0.1"}, nil},
		"listeners": {challenge.Addresses{Allow: prefixes("10.0.0.0/8"), Listeners: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.5:80"), netip.MustParseAddrPort("[fd12::5]:0"), netip.MustParseAddrPort("10.0.0.6:443")}},
			[]string{"10.0.0.6", "fd12::6"}, []string{"10.0.0.5", "::ffff:10.0.0.5", "64:ff9b::10.0.0.5", "fd12::5"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, s := range c.in {
				require.NoError(t, c.a.Check(netip.AddrPortFrom(netip.MustParseAddr(s), 80)), s)
			}
			for _, s := range c.out {
				require.ErrorIs(t, c.a.Check(netip.AddrPortFrom(netip.MustParseAddr(s), 80)), challenge.ErrRefused, s)
			}
		})
	}
}

func TestConfigFaults(t *testing.T) {
	for name, c := range map[string]challenge.Config{
		"no resolver":      {},
		"negative timeout": {Resolver: &names{}, Timeout: -1},
		"scope":            {Resolver: &names{}, Addresses: challenge.Addresses{Scope: 9}},
		"zero prefix":      {Resolver: &names{}, Addresses: challenge.Addresses{Deny: make([]netip.Prefix, 1)}},
		"mapped prefix":    {Resolver: &names{}, Addresses: challenge.Addresses{Deny: []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}}},
		"any listener":     {Resolver: &names{}, Addresses: challenge.Addresses{Listeners: []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:443")}}},
	} {
		_, err := challenge.NewHTTP01(c)
		require.Error(t, err, name)
		_, err = challenge.NewTLSALPN01(c)
		require.Error(t, err, name)
		_, err = challenge.NewDNS01(c)
		require.Error(t, err, name)
		_, err = challenge.NewDNSAccount01(c)
		require.Error(t, err, name)
	}
	for _, c := range []challenge.Config{{Resolver: &names{}}, {Resolver: &names{}, AccountHashPrefixes: []string{""}}, {PlainAccountURI: true}} {
		_, err := challenge.NewDNSPersist01(c)
		require.Error(t, err)
	}
}

func TestOwnListeners(t *testing.T) {
	got, err := challenge.OwnListeners(&net.TCPAddr{IP: net.ParseIP("10.0.0.1"), Port: 443}, &net.TCPAddr{Port: 80}, &net.UDPAddr{Port: 53}, &net.TCPAddr{IP: net.IPv6unspecified, Port: 81})
	require.NoError(t, err)
	require.Contains(t, got, netip.MustParseAddrPort("10.0.0.1:443"))
	require.Contains(t, got, netip.MustParseAddrPort("127.0.0.1:80"))
	require.Contains(t, got, netip.MustParseAddrPort("127.0.0.1:81"))
	a := challenge.Addresses{Allow: loopback().Allow, Listeners: got}
	require.Error(t, a.Check(netip.MustParseAddrPort("127.0.0.1:80")))
	require.NoError(t, a.Check(netip.MustParseAddrPort("127.0.0.1:82")))
}
