package stepconfig

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/challenge"
	"github.com/chancery-ca/chancery/acme/server"
	"github.com/chancery-ca/chancery/authority"
)

// withACME is a ca.json with an ACME provisioner of those members beside its type and name, which is "acme".
func withACME(t *testing.T, members map[string]any) string {
	return edit(t, "acme", func(m map[string]any) {
		for k, v := range members {
			at(m, "authority", "provisioners", 1).(map[string]any)[k] = v
		}
	})
}

// public is what clients see of the provisioner "acme", or the error.
func public(t *testing.T, ca, own string) (map[string]any, error) {
	t.Helper()
	f, err := load(ca, own)
	if err != nil {
		return nil, err
	}
	var all faults
	s, err := f.acmeServer(f.spec("acme"), Options{Store: memory{authority.NewMemory(), acme.NewMemory()}}, &all)
	if err == nil {
		err = all.err()
	}
	if err != nil {
		return nil, err
	}
	m, ok := s.Public().(map[string]any)
	require.True(t, ok)
	return m, nil
}

func TestACME(t *testing.T) {
	m, err := public(t, withACME(t, nil), "")
	require.NoError(t, err)
	require.Equal(t, map[string]any{"type": "ACME", "name": "acme", "challenges": []string{"http-01", "dns-01", "tls-alpn-01"}}, m)

	m, err = public(t, withACME(t, map[string]any{
		"forceCN": true, "requireEAB": true, "termsOfService": "https://ca.internal/terms", "website": "https://ca.internal/", "caaIdentities": []any{"ca.internal"},
		"challenges": []any{"dns-01"}, "attestationFormats": []any{}, "claims": map[string]any{"defaultTLSCertDuration": "12h"},
		"options": map[string]any{"x509": map[string]any{"template": "{}"}},
	}), `{"acme": {"challenges": ["dns-persist-01"]}}`)
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"type": "ACME", "name": "acme", "forceCN": true, "requireEAB": true, "termsOfService": "https://ca.internal/terms", "website": "https://ca.internal/",
		"caaIdentities": []any{"ca.internal"}, "challenges": []string{"dns-01", "dns-persist-01"}, "claims": map[string]any{"defaultTLSCertDuration": "12h"},
	}, m)
}

func TestInitACME(t *testing.T) {
	o := InitOptions{Dir: "ca", Name: "x", DNSNames: []string{"localhost"}, Password: []byte("x"), ACME: "acme"}
	_, err := o.check()
	require.NoError(t, err)
	text, err := indent(o.config("/ca", map[string]string{"kty": "EC"}, ""))
	require.NoError(t, err)
	f, err := load(string(text), "")
	require.NoError(t, err)
	require.Equal(t, Provisioner{Type: "ACME", Name: "acme"}, f.Provisioners[1])
	for _, bad := range []string{"admin", "a/b", "a?b"} {
		o.ACME = bad
		_, err := o.check()
		require.ErrorContains(t, err, "cannot be called")
	}
}

func TestACMERefuses(t *testing.T) {
	const p = "authority.provisioners[1]."
	for _, c := range []struct {
		members map[string]any
		own     string
		path    string
		reason  string
	}{
		{map[string]any{"forceCn": true}, "", p + "forceCn", "did you mean forceCN?"},
		{map[string]any{"forceCN": "yes"}, "", p + "forceCN", "must be true or false"},
		{map[string]any{"challenges": []any{"http-01", "http-02"}}, "", p + "challenges[1]", `"http-02" is not a challenge`},
		{map[string]any{"challenges": []any{"http-01", "HTTP-01"}}, "", p + "challenges[1]", "there twice"},
		{map[string]any{"challenges": []any{"device-attest-01"}}, "", p + "attestationRoots", "is missing"},
		{map[string]any{"challenges": []any{"dns-account-01"}}, "", p + "challenges[0]", OwnFile},
		{map[string]any{"attestationFormats": []any{"packed"}}, "", p + "attestationFormats[0]", "is not a format that is supported"},
		{map[string]any{"attestationRoots": "LS0t"}, "", p + "attestationRoots", "is not certificates in PEM"},
		{map[string]any{"website": "ca.internal"}, "", p + "website", "not an absolute http"},
		{map[string]any{"caaIdentities": []any{"a b"}}, "", p + "caaIdentities", "not a domain"},
		{map[string]any{"options": map[string]any{"webhooks": []any{map[string]any{"name": "x"}}}}, "", p + "options.webhooks", "not supported"},
		{map[string]any{"policy": map[string]any{"x": 1}}, "", p + "policy", OwnFile},
		{nil, `{"acme": {"resolver": []}}`, "acme.resolver", "not a setting"},
		{nil, `{"acme": {"resolvers": ["dns.internal"]}}`, "acme.resolvers[0]", "address of a DNS server"},
		{nil, `{"acme": {"resolvers": ["127.0.0.1:0"]}}`, "acme.resolvers[0]", "address of a DNS server"},
		{nil, `{"acme": {"scope": "everything"}}`, "acme.scope", "none of all, public"},
		{nil, `{"acme": {"allow": ["10.0.0.0/33"]}}`, "acme.allow[0]", "address or a prefix"},
		{nil, `{"acme": {"deny": ["::ffff:10.0.0.0/104"]}}`, "acme.deny[0]", "address or a prefix"},
		{nil, `{"acme": {"proxy": "https://u:secret@proxy:1"}}`, "acme.proxy", "must be http://host:port"},
		{nil, `{"acme": {"httpPort": 65536}}`, "acme.httpPort", "up to 65535"},
		{nil, `{"acme": {"orderLife": "30s"}}`, "acme.orderLife", "at least 1m"},
		{nil, `{"acme": {"limits": {"orders": 0}}}`, "acme.limits.orders", "above zero"},
		{nil, `{"acme": {"limits": {"orders": -2}}}`, "acme.limits.orders", "above zero"},
		{nil, `{"acme": {"limits": {"order": 1}}}`, "acme.limits.order", "not a setting"},
		{nil, `{"acme": {"challenges": ["dns-01"]}}`, "acme.challenges[0]", "belongs in ca.json"},
		{nil, `{"acme": {"caa": true}}`, "acme", "caa needs resolvers"},
		{nil, `{"acme": {"caa": true, "resolvers": ["127.0.0.1"]}}`, "acme", "caa needs caaIdentities"},
		{nil, `{"provisioners": {"acme": {"acme": {"challenges": ["dns-persist-01"]}}}}`, "provisioners.acme.acme", "dns-persist-01 needs caaIdentities"},
		{nil, `{"provisioners": {"admin": {"acme": {"caa": true}}}}`, "provisioners.admin.acme", `"admin" is of type JWK`},
	} {
		_, err := public(t, withACME(t, c.members), c.own)
		require.Error(t, err, c.path+c.own)
		fs := Faults(err)
		require.Len(t, fs, 1, "%v", err)
		require.Equal(t, c.path, fs[0].Path)
		require.Contains(t, fs[0].Message(), c.reason)
		require.NotContains(t, fs[0].Error(), "secret")
	}
}

func TestACMENeedsAStore(t *testing.T) {
	f, err := load(withACME(t, nil), "")
	require.NoError(t, err)
	var all faults
	_, err = f.acmeServer(f.spec("acme"), Options{Store: authority.NewMemory()}, &all)
	require.ErrorContains(t, err, "keeps no ACME accounts")
	own := acme.NewMemory()
	s, err := f.acmeServer(f.spec("acme"), Options{Store: authority.NewMemory(), ACME: ACME{Store: own}}, &all)
	require.NoError(t, err)
	require.Same(t, own, s.Store())
}

// TestACMERules: what is said about a provisioner goes before what is said about all, but what either denies is denied.
func TestACMERules(t *testing.T) {
	f, err := load(withACME(t, map[string]any{"caaIdentities": []any{"ca.internal"}}), `{
		"acme": {"resolvers": ["192.0.2.53", "[::1]:5353"], "scope": "public", "allow": ["10.0.0.0/8"], "deny": ["10.9.0.0/16"], "httpPort": 5080, "caa": true,
			"requireContact": true, "orderLife": "2h", "limits": {"orders": 7, "identifiers": -1}},
		"provisioners": {"acme": {"acme": {"scope": "private", "allow": ["192.0.2.1"], "deny": ["10.8.0.0/16"], "tlsPort": 5443, "caa": false, "limits": {"orders": 9}}}}}`)
	require.NoError(t, err)
	r := f.spec("acme").own.acme.under(f.acme)
	require.Equal(t, []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53"), netip.MustParseAddrPort("[::1]:5353")}, r.resolvers)
	require.Equal(t, challenge.PrivateOnly, *r.scope)
	require.Equal(t, []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}, r.allow)
	require.Equal(t, []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16"), netip.MustParsePrefix("10.8.0.0/16")}, r.deny)
	require.Equal(t, []int{5080, 5443}, []int{r.httpPort, r.tlsPort})
	require.False(t, *r.caa)
	require.True(t, *r.contact)
	require.Equal(t, 2*time.Hour, r.order)
	require.Equal(t, server.Limits{Orders: 9, Identifiers: -1}, r.limits)
	require.Equal(t, challenge.PublicOnly, *(*acmeRules)(nil).under(f.acme).scope)
}

// TestACMEAddresses: where validations may connect to by default, and that nothing opens the program's own listeners.
func TestACMEAddresses(t *testing.T) {
	own := []net.Addr{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9000}, &net.TCPAddr{IP: net.IPv4zero.To4(), Port: 9080}}
	loopback := ACME{Listeners: own, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}
	for _, c := range []struct {
		own  string
		o    ACME
		good string
		bad  string
	}{
		{"", ACME{Listeners: own}, "192.168.1.1:80 10.1.2.3:443 8.8.8.8:80 [2600::1]:80 [fd00::1]:80",
			"127.0.0.1:80 [::1]:80 169.254.169.254:80 100.100.100.200:80 0.0.0.0:80 224.0.0.1:80 [fe80::1]:80 [::]:80 [ff02::1]:80 [::ffff:127.0.0.1]:80"},
		{"", loopback, "127.0.0.1:80 127.9.9.9:9000 [::1]:80 192.168.1.1:80", "127.0.0.1:9000 127.0.0.1:9080 169.254.169.254:80"},
		{`{"acme": {"deny": ["127.0.0.1", "10.0.0.0/8"]}}`, loopback, "127.0.0.2:80 192.168.1.1:80", "127.0.0.1:80 10.1.1.1:80"},
		{`{"acme": {"allow": ["127.0.0.0/8"]}}`, ACME{Listeners: own}, "127.0.0.1:80", "127.0.0.1:9000 127.0.0.1:9080 [::1]:80"},
		{`{"acme": {"scope": "public"}}`, ACME{}, "8.8.8.8:80", "192.168.1.1:80 127.0.0.1:80"},
		{`{"acme": {"scope": "listed", "allow": ["192.168.1.0/24"]}}`, ACME{}, "192.168.1.1:80", "192.168.2.1:80 8.8.8.8:80"},
	} {
		f, err := load(withACME(t, nil), c.own)
		require.NoError(t, err)
		r := (*acmeRules)(nil).under(f.acme)
		conf, err := r.config(&c.o)
		require.NoError(t, err)
		for to := range strings.FieldsSeq(c.good) {
			require.NoError(t, conf.Addresses.Check(netip.MustParseAddrPort(to)), c.own+to)
		}
		for to := range strings.FieldsSeq(c.bad) {
			require.ErrorIs(t, conf.Addresses.Check(netip.MustParseAddrPort(to)), challenge.ErrRefused, c.own+to)
		}
	}
}
