package challenge

import (
	"encoding/asn1"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
)

func seeded(f *testing.F) {
	f.Helper()
	if seeds, err := os.ReadDir(filepath.Join("testdata", "fuzz", f.Name())); err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
}

var asker = &acme.Validation{Identifier: acme.Identifier{Type: acme.DNS, Value: "x.example"}, AccountURL: "https://ca.example/acct/1", Issuers: []string{"ca.example"}}

func FuzzIssueValue(f *testing.F) {
	seeded(f)
	f.Fuzz(func(t *testing.T, s string) {
		v, ok := parseIssueValue(s)
		if !ok {
			require.False(t, permits(s, asker, acme.DNS01))
			return
		}
		written := v.domain
		for tag, value := range v.params {
			written += ";" + tag + "=" + value
		}
		again, ok := parseIssueValue(written)
		require.True(t, ok, "%q", written)
		require.Equal(t, v, again)
		if permits(s, asker, acme.DNS01) {
			require.Equal(t, "ca.example", v.domain)
			if uri, ok := v.params["accounturi"]; ok {
				require.Equal(t, asker.AccountURL, uri)
			}
			require.True(t, strings.HasPrefix(strings.ToLower(trimWSP(s)), "ca.example"))
		}
	})
}

func FuzzPersistRecord(f *testing.F) {
	seeded(f)
	now := time.Unix(1_800_000_000, 0)
	f.Fuzz(func(t *testing.T, s string) {
		r, err := parsePersist(s)
		if err != nil || r.grants(asker, []string{asker.AccountURL}, now) != nil {
			return
		}
		require.Equal(t, "ca.example", r.domain)
		require.Contains(t, s, asker.AccountURL)
		require.False(t, r.until.Before(now) && strings.Contains(strings.ToLower(s), "persistuntil"))
		wild := *asker
		wild.Wildcard = true
		if r.grants(&wild, []string{asker.AccountURL}, now) == nil {
			require.Contains(t, strings.ToLower(s), "wildcard")
		}
	})
}

func FuzzACMEIdentifier(f *testing.F) {
	seeded(f)
	f.Fuzz(func(t *testing.T, der []byte) {
		if d, ok := parseACMEIdentifier(der); ok {
			again, err := asn1.Marshal(d[:])
			require.NoError(t, err)
			require.Equal(t, again, der)
		}
		if n, ok := soleName(der); ok {
			var all []asn1.RawValue
			rest, err := asn1.Unmarshal(der, &all)
			require.NoError(t, err)
			require.Empty(t, rest)
			require.Len(t, all, 1)
			require.Equal(t, string(all[0].Bytes), n.value)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	seeded(f)
	f.Fuzz(func(t *testing.T, wire []byte) {
		var m dns.Msg
		if m.Unpack(wire) != nil {
			return
		}
		for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeTXT, dns.TypeCAA} {
			q := new(dns.Msg)
			q.SetQuestion("a.example.", kind)
			q.Id = m.Id
			_ = matches(q, &m, true)
			got, err := read(&m, "a.example.", kind)
			if err != nil {
				require.Empty(t, got.rrs)
				continue
			}
			require.LessOrEqual(t, len(got.rrs), maxRecords)
			require.LessOrEqual(t, got.hops, maxAlias)
			for _, rr := range got.rrs {
				require.Equal(t, kind, rr.Header().Rrtype)
			}
			require.LessOrEqual(t, len(addrsOf(got.rrs)), maxAddrs)
			for _, txt := range txtOf(got.rrs) {
				require.LessOrEqual(t, len(txt), maxTXT)
			}
			_ = forbids(caaOf(got.rrs), asker, acme.DNS01)
		}
	})
}

// FuzzAddresses holds the default to what nobody may doubt, whatever form the address has.
func FuzzAddresses(f *testing.F) {
	seeded(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		ip, ok := netip.AddrFromSlice(b)
		if !ok || (Addresses{}).Check(netip.AddrPortFrom(ip, 80)) != nil {
			return
		}
		carried, _ := embedded(ip)
		for _, a := range append(carried, ip.Unmap()) {
			require.True(t, a.IsGlobalUnicast(), "%s in %s", a, ip)
			require.False(t, a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified(), "%s in %s", a, ip)
		}
	})
}

// What is dialled is checked on the socket, too, should anybody ever get here without a check.
func TestDirectChecksTheSocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	to := netip.MustParseAddrPort(l.Addr().String())
	d, err := NewDialer(Config{Resolver: System{}})
	require.NoError(t, err)
	_, err = d.direct(t.Context(), to)
	require.ErrorIs(t, err, ErrRefused)
	d.addresses.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	conn, err := d.direct(t.Context(), to)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
}

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{`a`: "a", `\"`: `"`, `\\`: `\`, `\000\255`: "\x00\xff", `\`: `\`, `a\12`: "a12", `\\065`: `\065`} {
		require.Equal(t, want, unescape(in), in)
	}
}

func TestFailBlamesTheRightSide(t *testing.T) {
	_, ok := errors.AsType[*acme.Problem](fail(t.Context(), acme.CAA, ErrUnsupported, "x"))
	require.False(t, ok)
	_, ok = errors.AsType[*acme.Problem](fail(t.Context(), acme.CAA, nil, "x"))
	require.True(t, ok)
}
