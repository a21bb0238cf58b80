package httpapi

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

func concrete(path string) string {
	return strings.NewReplacer("{sha}", strings.Repeat("0", 64), "{kid}", "x", "{path...}", "a/1.crl", "{request...}", "a//b").Replace(path)
}

// methodOf is a method of the route with which a body can be sent.
func methodOf(rt Route) string {
	if rt.Method == Any {
		return http.MethodPost
	}
	return rt.Method
}

// TestBodyLimits sends every route a body one byte over its limit, announced and not, and one within.
func TestBodyLimits(t *testing.T) {
	w := newWorld(t, nil)
	w.provs = []provisioner.Provisioner{visitor{Provisioner: named("a")}}
	s := httptest.NewServer(w.handler)
	defer s.Close()
	send := func(rt Route, n int64, announced bool) int {
		t.Helper()
		var body io.Reader = strings.NewReader(strings.Repeat(" ", int(n)))
		if !announced {
			body = struct{ io.Reader }{body}
		}
		r, err := http.NewRequest(methodOf(rt), s.URL+concrete(rt.Path), body)
		require.NoError(t, err)
		res, err := s.Client().Do(r)
		require.NoError(t, err)
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		if res.StatusCode == http.StatusRequestEntityTooLarge && rt.Auth != Protocol { // a guest has its own words
			require.Equal(t, `{"status":413,"message":"the request's body is too long"}`+"\n", string(b))
		}
		return res.StatusCode
	}
	routes := Routes()
	require.NotEmpty(t, routes)
	for _, rt := range routes {
		require.Positive(t, rt.MaxBody, "%s has no limit", rt.Path)
		require.LessOrEqual(t, rt.MaxBody, int64(256<<10))
		if rt.Auth == Certificate {
			continue // is refused before its body is looked at; below
		}
		for _, announced := range []bool{true, false} {
			require.Equal(t, 413, send(rt, rt.MaxBody+1, announced), "%s announced=%t", rt.Path, announced)
			require.NotEqual(t, 413, send(rt, rt.MaxBody, announced), "%s announced=%t", rt.Path, announced)
		}
	}
	for _, rt := range routes {
		r := request{method: methodOf(rt), path: concrete(rt.Path), body: strings.Repeat(" ", int(rt.MaxBody)+1), peer: w.leaf}.http()
		require.Equal(t, 413, recorder(w.handler, r).Code, rt.Path)
		r = request{method: methodOf(rt), path: concrete(rt.Path), body: strings.Repeat(" ", int(rt.MaxBody)+1), peer: w.leaf}.http()
		r.ContentLength = -1
		require.Equal(t, 413, recorder(w.handler, r).Code, rt.Path)
	}
	require.Zero(t, w.calls())
}

// pipeListener accepts one connection.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { close(l.done); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// dial serves h on one end of a pipe and returns the other.
func dial(h http.Handler) (net.Conn, *http.Server) {
	l := &pipeListener{conns: make(chan net.Conn, 1), done: make(chan struct{})}
	s := &http.Server{Handler: h}
	client, server := net.Pipe()
	l.conns <- server
	go func() { _ = s.Serve(l) }()
	return client, s
}

// TestSlowBody: a body that stalls, or trickles, is cut off after BodyTimeout with 408, on every route
// that has one to read; the server has no timeouts of its own here.
func TestSlowBody(t *testing.T) {
	for _, rt := range Routes() {
		if rt.Auth == Certificate {
			continue // refused for want of a certificate
		}
		for _, trickle := range []bool{false, true} {
			t.Run(fmt.Sprint(rt.Path, " trickle=", trickle), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, &Options{BodyTimeout: 7 * time.Second})
					w.provs = []provisioner.Provisioner{visitor{Provisioner: named("a")}}
					conn, s := dial(w.handler)
					defer s.Close()
					defer time.Sleep(2 * time.Second) // until whoever trickles has seen the end
					defer conn.Close()
					start := time.Now()
					_, err := fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n", methodOf(rt), concrete(rt.Path))
					require.NoError(t, err)
					if trickle {
						go func() {
							for {
								if _, err := conn.Write([]byte(" ")); err != nil {
									return
								}
								time.Sleep(time.Second)
							}
						}()
					}
					res, err := http.ReadResponse(bufio.NewReader(conn), nil)
					require.NoError(t, err)
					require.Equal(t, 408, res.StatusCode)
					require.True(t, res.Close)
					require.InDelta(t, 7, time.Since(start).Seconds(), 1)
					require.Zero(t, w.calls())
				})
			})
		}
	}
}

// TestSlowBodyHTTP2: the same for one stream of many, on real time since HTTP/2 keeps its own.
func TestSlowBodyHTTP2(t *testing.T) {
	w := newWorld(t, &Options{BodyTimeout: 100 * time.Millisecond})
	s := httptest.NewUnstartedServer(w.handler)
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	stalled, end := io.Pipe()
	defer end.Close()
	start := time.Now()
	res, err := s.Client().Post(s.URL+"/sign", "application/json", stalled)
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, 2, res.ProtoMajor)
	require.Equal(t, 408, res.StatusCode)
	require.Less(t, time.Since(start), 10*time.Second)
	require.Zero(t, w.calls())
}

// TestSlowBodyWithoutDeadlines: where the writer cannot set deadlines, a client that trickles is still
// cut off.
func TestSlowBodyWithoutDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &Options{BodyTimeout: 7 * time.Second})
		r := httptest.NewRequest("POST", "/sign", readerFunc(func(p []byte) (int, error) {
			time.Sleep(time.Second)
			p[0] = ' '
			return 1, nil
		}))
		start := time.Now()
		requireError(t, 408, recorder(w.handler, r))
		require.Equal(t, 7*time.Second, time.Since(start))
	})
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestUnreadBody: a route that answers without reading leaves no client that may go on sending for ever.
func TestUnreadBody(t *testing.T) {
	for _, path := range []string{"/nowhere", "/rekey", "/acme/nobody/new-account"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, &Options{BodyTimeout: 7 * time.Second})
			conn, s := dial(w.handler)
			defer s.Close()
			start := time.Now()
			_, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n", path)
			require.NoError(t, err)
			res, err := io.ReadAll(conn) // until the server closes
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(string(res), "HTTP/1.1 40"), string(res))
			require.LessOrEqual(t, time.Since(start), 8*time.Second)
		})
	}
}

// TestDeadlineIsLifted: the time for the body is no time for the answer, and none for the next request.
func TestDeadlineIsLifted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &Options{BodyTimeout: time.Second})
		answer := w.answer
		w.issue = func(ctx context.Context, _ *authority.Request) (*authority.Certificate, error) {
			time.Sleep(5 * time.Second)
			return answer, ctx.Err()
		}
		conn, s := dial(w.handler)
		defer s.Close()
		defer conn.Close()
		br := bufio.NewReader(conn)
		for range 2 {
			body := signBodyOf(t, nil)
			_, err := fmt.Fprintf(conn, "POST /sign HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			require.NoError(t, err)
			res, err := http.ReadResponse(br, nil)
			require.NoError(t, err)
			require.Equal(t, 201, res.StatusCode)
			_, err = io.Copy(io.Discard, res.Body)
			require.NoError(t, err)
			time.Sleep(5 * time.Second)
		}
	})
}

// TestTimeout: the authority is given a context that ends.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, &Options{Timeout: 3 * time.Second})
		w.issue = func(ctx context.Context, _ *authority.Request) (*authority.Certificate, error) {
			<-ctx.Done()
			return nil, &authority.Error{Kind: authority.Unavailable, Err: ctx.Err()}
		}
		start := time.Now()
		requireError(t, 503, do(w.handler, request{method: "POST", path: "/sign", body: signBodyOf(t, nil)}))
		require.Equal(t, 3*time.Second, time.Since(start))
	})
}
