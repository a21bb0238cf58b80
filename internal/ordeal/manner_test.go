package ordeal

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// manner is a way to have a connection and make no use of it.
type manner struct {
	name  string
	proto string // of ALPN; empty: not even TLS
	say   string // and then nothing more
	hear  bool   // wait for the first bytes of an answer
}

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00" // RFC 9113, section 3.4: with empty SETTINGS

var manners = []manner{
	{name: "kept alive", proto: "http/1.1", say: "GET /health HTTP/1.1\r\nHost: ca\r\n\r\n", hear: true},
	{name: "http2", proto: "h2", say: preface, hear: true},
	{name: "no handshake"},
	{name: "no request", proto: "http/1.1"},
	{name: "half a header", proto: "http/1.1", say: "POST /sign HTTP/1.1\r\nHost: c"},
	{name: "half a frame", proto: "h2", say: preface + "\x00\x00\x40\x01\x04\x00\x00\x00\x01\x00", hear: true},
	{name: "no preface", proto: "h2"},
}

// idle and idle2 are how well-behaved clients wait.
var idle, idle2 = manners[0], manners[1]

// connect opens a connection to hold in that manner. The server is not verified: it is not what is tested.
func (m manner) connect(address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil || m.proto == "" {
		return c, err
	}
	tc := tls.Client(c, &tls.Config{
		InsecureSkipVerify: true, NextProtos: []string{m.proto}, CurvePreferences: []tls.CurveID{tls.X25519},
	})
	if err := tc.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, err
	}
	if _, err := io.WriteString(tc, m.say); err != nil {
		tc.Close()
		return nil, err
	}
	if m.hear {
		if _, err := tc.Read(make([]byte, 1024)); err != nil {
			tc.Close()
			return nil, err
		}
	}
	return tc, nil
}

// held is a connection, until the other side has ended it.
func held(c net.Conn) { io.Copy(io.Discard, c); c.Close() }

// crowd is the process that holds connections: args are an address, a number and the protocol. It prints
// a line when all are open, and one when all were ended by the server.
func crowd(args []string) error {
	var n int
	if _, err := fmt.Sscan(args[1], &n); err != nil {
		return err
	}
	m := idle
	if args[2] == "h2" {
		m = idle2
	}
	places, opened, ended := make(chan bool, 64), make(chan error, n), make(chan bool, n)
	for range n {
		go func() {
			places <- true
			c, err := m.connect(strings.TrimPrefix(args[0], "https://"))
			<-places
			if opened <- err; err == nil {
				held(c)
			}
			ended <- true
		}()
	}
	for range n {
		if err := <-opened; err != nil {
			return err
		}
	}
	fmt.Println("open")
	for range n {
		<-ended
	}
	fmt.Println("ended")
	return nil
}
