package challenge_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/challenge"
)

func portOf(t *testing.T, addr net.Addr) uint16 {
	t.Helper()
	return netip.MustParseAddrPort(addr.String()).Port()
}

// site serves HTTP and HTTPS on loopback and returns a configuration that finds it under every name of known.
func site(t *testing.T, h http.HandlerFunc) challenge.Config {
	t.Helper()
	plain, secure := httptest.NewServer(h), httptest.NewTLSServer(h)
	t.Cleanup(func() {
		plain.CloseClientConnections()
		secure.CloseClientConnections()
		plain.Close()
		secure.Close()
	})
	known := map[string][]netip.Addr{}
	for _, n := range []string{"ok.example", "other.example", "a.example"} {
		known[n] = ips("127.0.0.1")
	}
	return challenge.Config{Resolver: &names{addrs: known}, Addresses: loopback(), Timeout: 5 * time.Second,
		HTTPPort: portOf(t, plain.Listener.Addr()), TLSPort: portOf(t, secure.Listener.Addr())}
}

func validateHTTP(t *testing.T, c challenge.Config, v *acme.Validation) (*acme.Evidence, error) {
	t.Helper()
	h, err := challenge.NewHTTP01(c)
	require.NoError(t, err)
	return h.Validate(t.Context(), v)
}

const path = "/.well-known/acme-challenge/" + token

func TestHTTP01(t *testing.T) {
	var hosts []string
	cfg := site(t, func(w http.ResponseWriter, r *http.Request) {
		hosts = append(hosts, r.Host)
		if r.URL.Path != path || r.Method != http.MethodGet || r.Header.Get("User-Agent") != "chancery" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, keyAuth+" \r\n\t")
	})
	e, err := validateHTTP(t, cfg, dnsName("ok.example"))
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("127.0.0.1:%d", cfg.HTTPPort), e.Address)
	_, err = validateHTTP(t, cfg, ipAddr("127.0.0.1"))
	require.NoError(t, err)
	require.Equal(t, []string{"ok.example", "127.0.0.1"}, hosts)
}

func TestHTTP01OverIPv6(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6 loopback")
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == "[::1]" {
			_, _ = io.WriteString(w, keyAuth)
		}
	})}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	_, err = validateHTTP(t, challenge.Config{Resolver: &names{}, Addresses: loopback(), HTTPPort: portOf(t, l.Addr())}, ipAddr("::1"))
	require.NoError(t, err)
}

func TestHTTP01Redirects(t *testing.T) {
	var cfg challenge.Config
	cfg = site(t, func(w http.ResponseWriter, r *http.Request) {
		if to, ok := strings.CutPrefix(r.URL.Path, "/n/"); ok {
			if n, _ := strconv.Atoi(to); n > 1 {
				http.Redirect(w, r, "/n/"+strconv.Itoa(n-1), http.StatusFound)
				return
			}
		}
		if loc := r.Host; r.URL.Path == path && loc == "ok.example" {
			http.Redirect(w, r, fmt.Sprintf("https://OTHER.example:%d/n/9?q=1", cfg.TLSPort), http.StatusMovedPermanently)
			return
		}
		_, _ = io.WriteString(w, keyAuth)
	})
	e, err := validateHTTP(t, cfg, dnsName("ok.example"))
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("127.0.0.1:%d", cfg.TLSPort), e.Address)
}

func TestValidateEndsWithItsContext(t *testing.T) {
	cfg := site(t, drip("HTTP/1.1 200 OK\r\n", "X: y\r\n"))
	v, err := challenge.NewHTTP01(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = v.Validate(ctx, dnsName("ok.example"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, isProblem := errors.AsType[*acme.Problem](err)
	require.False(t, isProblem, "the client is not to blame")
}

func TestUnusableValidations(t *testing.T) {
	v, err := challenge.NewHTTP01(challenge.Config{Resolver: &names{}})
	require.NoError(t, err)
	for name, spoil := range map[string]func(*acme.Validation){
		"wildcard":      func(c *acme.Validation) { c.Identifier.Value = "*.x.example" },
		"upper case":    func(c *acme.Validation) { c.Identifier.Value = "X.example" },
		"with a port":   func(c *acme.Validation) { c.Identifier.Value = "x.example:22" },
		"no type":       func(c *acme.Validation) { c.Identifier.Type = "" },
		"device":        func(c *acme.Validation) { c.Identifier.Type = acme.PermanentIdentifier },
		"no token":      func(c *acme.Validation) { c.Token = "" },
		"a path":        func(c *acme.Validation) { c.Token = "../../admin" },
		"no key":        func(c *acme.Validation) { c.KeyAuthorization = "" },
		"only a token":  func(c *acme.Validation) { c.KeyAuthorization = token + "." },
		"much too long": func(c *acme.Validation) { c.KeyAuthorization = strings.Repeat("a", 2000) },
	} {
		c := dnsName("x.example")
		spoil(c)
		_, err := v.Validate(t.Context(), c)
		_, isProblem := errors.AsType[*acme.Problem](err)
		require.Error(t, err, name)
		require.False(t, isProblem, name)
	}
}
