package challenge_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/challenge"
)

func TestConnectProxy(t *testing.T) {
	site := site(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, keyAuth) })
	status, auth := http.StatusOK, ""
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.Host)
		auth = r.Header.Get("Proxy-Authorization")
		if status != http.StatusOK {
			http.Error(w, "SECRET", status)
			return
		}
		up, err := net.Dial("tcp", r.Host)
		if err != nil {
			return
		}
		down, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(down, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { _, _ = io.Copy(up, down); _ = up.Close() }()
		_, _ = io.Copy(down, up)
		_ = down.Close()
	}))
	t.Cleanup(func() { proxy.CloseClientConnections(); proxy.Close() })
	u, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	u.User = url.UserPassword("me", "pass")
	site.Dial, err = challenge.ConnectProxy(u)
	require.NoError(t, err)
	_, err = validateHTTP(t, site, dnsName("ok.example"))
	require.NoError(t, err)
	require.Equal(t, []string{fmt.Sprintf("CONNECT 127.0.0.1:%d", site.HTTPPort)}, asked, "the address that was checked, not the name")
	require.NotEmpty(t, auth)

	status = http.StatusForbidden
	_, err = validateHTTP(t, site, dnsName("ok.example"))
	problem(t, err, acme.Connection, "403", "pass")
	site.Addresses = challenge.Addresses{}
	_, err = validateHTTP(t, site, dnsName("ok.example"))
	require.ErrorIs(t, err, challenge.ErrRefused)
	require.Len(t, asked, 2)

	for _, bad := range []string{"", "socks5://x:1", "http://x", "https://x:1", "http://:80"} {
		u, err := url.Parse(bad)
		require.NoError(t, err)
		_, err = challenge.ConnectProxy(u)
		require.Error(t, err, bad)
	}
}
