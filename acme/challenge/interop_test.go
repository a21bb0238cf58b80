package challenge_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/challenge"
)

// need finds a program, or skips; under CHANCERY_INTEROP=require its absence is a failure.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("CHANCERY_INTEROP") == "require" {
		t.Fatalf("%s is not installed", program)
	}
	t.Skipf("%s is not installed", program)
	return ""
}

// TestOpenSSL has OpenSSL make the certificate of tls-alpn-01 and serve it, over TLS 1.2 and 1.3.
func TestOpenSSL(t *testing.T) {
	openssl, dir := need(t, "openssl"), t.TempDir()
	proof := fmt.Sprintf("1.3.6.1.5.5.7.1.31=critical,DER:%x", good().digest)
	key, cert := filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")
	out, err := exec.CommandContext(t.Context(), openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
		"-keyout", key, "-out", cert, "-days", "1", "-subj", "/CN=x", "-addext", "subjectAltName=critical,DNS:ok.example", "-addext", proof).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		at := l.Addr().String()
		require.NoError(t, l.Close())
		ctx, stop := context.WithCancel(t.Context())
		server := exec.CommandContext(ctx, openssl, "s_server", "-accept", at, "-cert", cert, "-key", key, "-alpn", challenge.ALPNProtocol, version, "-quiet")
		server.Stdin = strings.NewReader("")
		require.NoError(t, server.Start())
		v, err := challenge.NewTLSALPN01(challenge.Config{Resolver: &names{addrs: map[string][]netip.Addr{"ok.example": ips("127.0.0.1")}},
			Addresses: loopback(), TLSPort: netip.MustParseAddrPort(at).Port()})
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			_, err = v.Validate(t.Context(), dnsName("ok.example"))
			return err == nil
		}, 10*time.Second, 50*time.Millisecond, version)
		stop()
		_ = server.Wait()
	}
}

// TestDnsmasq asks a DNS server that is not of the library's making.
func TestDnsmasq(t *testing.T) {
	dnsmasq := need(t, "dnsmasq")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	at := netip.MustParseAddrPort(l.Addr().String())
	require.NoError(t, l.Close())
	args := []string{"--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--user=", "--no-resolv", "--no-hosts", "--local=/example/",
		"--listen-address=127.0.0.1", "--bind-interfaces", fmt.Sprintf("--port=%d", at.Port()),
		"--host-record=ok.example,127.0.0.1", "--cname=www.example,ok.example", "--txt-record=_acme-challenge.ok.example," + digest(),
		"--caa-record=ok.example,0,issue,ca.example", "--caa-record=shut.example,128,issue,other.example", "--txt-record=_acme-challenge.shut.example," + digest()}
	for range 30 {
		args = append(args, "--txt-record=_acme-challenge.ok.example,"+strings.Repeat("x", 200))
	}
	server := exec.CommandContext(t.Context(), dnsmasq, args...)
	require.NoError(t, server.Start())
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	c, err := challenge.NewClient(challenge.ClientConfig{Servers: []netip.AddrPort{at}, Timeout: time.Second, MixedCase: true})
	require.NoError(t, err)
	require.Eventually(t, func() bool { _, err = c.LookupAddrs(t.Context(), "ok.example"); return err == nil }, 10*time.Second, 50*time.Millisecond)
	addrs, err := c.LookupAddrs(t.Context(), "www.example")
	require.NoError(t, err)
	require.Equal(t, ips("127.0.0.1"), addrs)
	_, err = c.LookupAddrs(t.Context(), "nowhere.example")
	require.ErrorIs(t, err, challenge.ErrNoName)
	v, err := challenge.NewDNS01(challenge.Config{Resolver: c})
	require.NoError(t, err)
	checked := challenge.WithCAA(v, c)
	_, err = checked.Validate(t.Context(), dnsName("ok.example"))
	require.NoError(t, err, "with more records than UDP holds")
	_, err = checked.Validate(t.Context(), dnsName("shut.example"))
	problem(t, err, acme.CAA, "other")
}
