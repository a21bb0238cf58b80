package acmetest

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/chancery-ca/chancery/acme/challenge"
)

// World is the network in which challenges are answered: names, records and servers that exist because a test says so.
// Safe for concurrent use.
type World struct {
	mu      sync.Mutex
	believe bool
	txt     map[string][]string
	caa     map[string][]challenge.CAARecord
	http    map[string]http.Handler
	tls     map[string]*tls.Config
	hosts   []string // names of servers; the nth has the nth address
}

// NewWorld returns a world with nothing in it. A [CA] has one of its own.
func NewWorld() *World {
	return &World{txt: map[string][]string{}, caa: map[string][]challenge.CAARecord{}, http: map[string]http.Handler{}, tls: map[string]*tls.Config{}}
}

// Believe makes every challenge pass, or no longer, whatever there is in the world.
func (w *World) Believe(yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.believe = yes
}

func (w *World) believes() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.believe
}

// TXT sets the TXT records of a name, for dns-01: "_acme-challenge.a.internal". Without values there is no such name.
func (w *World) TXT(name string, values ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.txt[name] = slices.Clone(values)
}

// CAA sets the CAA records of a name, for validators that look at them.
func (w *World) CAA(name string, records ...challenge.CAARecord) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.caa[name] = slices.Clone(records)
}

// HTTP has a host, a name or an IP address, answer on port 80: what an autocert.Manager's HTTPHandler returns, say. Nil
// ends it.
func (w *World) HTTP(host string, h http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.host(host)
	w.http[host] = h
}

// TLS has a host, a name or an IP address, answer on port 443, for tls-alpn-01. Nil ends it.
func (w *World) TLS(host string, c *tls.Config) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.host(host)
	w.tls[host] = c
}

// host gives a host an address. The world's are 10.0.0.0/8, but for hosts that are one.
func (w *World) host(name string) {
	if !slices.Contains(w.hosts, name) {
		w.hosts = append(w.hosts, name)
	}
}

func addressOf(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}) }

// LookupAddrs implements challenge.Resolver.
func (w *World) LookupAddrs(_ context.Context, name string) ([]netip.Addr, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := slices.Index(w.hosts, name); i >= 0 {
		return []netip.Addr{addressOf(i + 1)}, nil
	}
	return nil, challenge.ErrNoName
}

// LookupTXT implements challenge.Resolver.
func (w *World) LookupTXT(_ context.Context, name string) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if v := w.txt[name]; len(v) > 0 {
		return slices.Clone(v), nil
	}
	return nil, challenge.ErrNoName
}

// LookupCAA implements challenge.Resolver.
func (w *World) LookupCAA(_ context.Context, name string) ([]challenge.CAARecord, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.caa[name]), nil
}

var errRefused = errors.New("connection refused")

// Dial connects to what there is at an address, as a challenge.DialFunc does.
func (w *World) Dial(_ context.Context, to netip.AddrPort) (net.Conn, error) {
	w.mu.Lock()
	var h http.Handler
	var c *tls.Config
	for i, host := range w.hosts {
		if to.Addr() == addressOf(i+1) || to.Addr().String() == host {
			h, c = w.http[host], w.tls[host]
		}
	}
	w.mu.Unlock()
	switch {
	case to.Port() == 80 && h != nil:
		return serve(func(conn net.Conn) { answer(conn, h) }), nil
	case to.Port() == 443 && c != nil:
		return serve(func(conn net.Conn) {
			t := tls.Server(conn, c)
			_ = t.Handshake() // the client sees how it ends
			_, _ = io.Copy(io.Discard, t)
		}), nil
	}
	return nil, errRefused
}

// serve returns the client's end of a connection. Whoever has the other end lets go when it is closed.
func serve(do func(net.Conn)) net.Conn {
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		do(server)
	}()
	return client
}

// answer answers one request.
func answer(conn net.Conn, h http.Handler) {
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	res := rec.Result()
	res.Close = true
	_ = res.Write(conn) // nobody is left to hear of an error
}

// Respond has a host answer http-01 with one key authorization, as a client's own server would.
func (w *World) Respond(host, token, keyAuthorization string) {
	w.HTTP(host, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.TrimPrefix(r.URL.Path, "/.well-known/acme-challenge/") != token {
			http.NotFound(rw, r)
			return
		}
		_, _ = io.WriteString(rw, keyAuthorization)
	}))
}
