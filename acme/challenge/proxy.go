package challenge

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
)

// maxProxyHeader bounds, in bytes, what a proxy says before the connection is there.
const maxProxyHeader = 16 << 10

// ConnectProxy returns a [DialFunc] that goes through a proxy with CONNECT (RFC 9110, section 9.3.6), by the
// address and not by the name, so that the policy holds. proxy is "http://host:port", with a user and a
// password if need be; its own address is the operator's and not checked.
func ConnectProxy(proxy *url.URL) (DialFunc, error) {
	if proxy == nil || proxy.Scheme != "http" || proxy.Hostname() == "" || proxy.Port() == "" {
		return nil, errors.New("challenge: a proxy is http://host:port")
	}
	at, auth := proxy.Host, ""
	if u := proxy.User; u != nil {
		password, _ := u.Password()
		auth = "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password)) + "\r\n"
	}
	return func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", at)
		if err != nil {
			return nil, fmt.Errorf("challenge: proxy: %w", err)
		}
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
		err = connect(conn, to, auth)
		if !stop() && err == nil {
			err = ctx.Err()
		}
		if err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("challenge: proxy: %w", err)
		}
		return conn, nil
	}, nil
}

func connect(conn net.Conn, to netip.AddrPort, auth string) error {
	if _, err := fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", to, to, auth); err != nil {
		return err
	}
	br := bufio.NewReader(io.LimitReader(conn, maxProxyHeader))
	res, err := http.ReadResponse(br, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("it answers with status %d", res.StatusCode)
	}
	if br.Buffered() > 0 { // nobody speaks before we do
		return errors.New("it sends more than its answer")
	}
	return nil
}
