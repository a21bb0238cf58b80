package interop

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// C09: two intermediates under one root serve the same names. Clients that trust the root see no failure,
// whichever of the two renewed the server's certificate last, and while one of them is away.
func TestRedundantIntermediates(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.write("ext.cnf", caExtensions)
	c.tier("top", "middle", "")
	var users []*client
	var servers []*server
	for _, name := range []string{"east", "west"} {
		c.tier(name, "bottom", "top")
		s := makeFolder(t, options{})
		s.install(t, c.read("top.crt"), c.read(name+".crt"), c.read(name+".key"))
		s.start(t)
		servers, users = append(servers, s), append(users, user(t, s))
	}

	port := freePort(t)
	renew := func(which int) *x509.Certificate {
		leaf := users[which].certificate("web", "web.internal")
		c.write("web.crt", users[which].read("web.crt"))
		c.write("web.key", users[which].read("web.key"))
		return leaf
	}
	// A plain client is the condition that is waited for, not the judge.
	presented := func(leaf *x509.Certificate) func() bool {
		return func() bool {
			conn, err := tls.Dial("tcp", "127.0.0.1:"+port, &tls.Config{InsecureSkipVerify: true, ServerName: "web.internal"})
			if err != nil {
				return false
			}
			defer conn.Close()
			return conn.ConnectionState().PeerCertificates[0].Equal(leaf)
		}
	}
	leaf := renew(0)
	n := c.nginx(`server {
		listen 127.0.0.1:` + port + ` ssl;
		ssl_certificate web.crt; ssl_certificate_key web.key;
		location / { return 200 "hello"; }
	}`)
	require.Eventually(t, presented(leaf), 20*time.Second, 20*time.Millisecond)
	seen := watch(t, c, port)

	for i, which := range []int{1, 0, 1, 1, 0} {
		switch i { // the east is withdrawn, and comes back
		case 2:
			require.NoError(t, servers[0].stop(t))
		case 4:
			servers[0].start(t)
		}
		leaf = renew(which)
		require.NoError(t, n.reload())
		require.Eventuallyf(t, presented(leaf), 20*time.Second, 20*time.Millisecond, "reload %d", i)
		seen.another(t)
	}
	seen.end(t)
}

// watcher is a client that connects again and again with OpenSSL, trusting the root only.
type watcher struct {
	connected chan struct{} // each time
	stop      chan struct{}
	done      chan error
}

func watch(t *testing.T, c *client, port string) *watcher {
	w := &watcher{make(chan struct{}), make(chan struct{}), make(chan error, 1)}
	own := &client{t: t, home: c.home}
	need(t, "openssl")
	go func() {
		for {
			out, err := own.try("openssl", "s_client", "-connect", "127.0.0.1:"+port, "-servername", "web.internal", "-verify_hostname", "web.internal",
				"-CAfile", "top.crt", "-x509_strict", "-verify_return_error")
			if err != nil {
				w.done <- fmt.Errorf("%w\n%s", err, clip(out))
				return
			}
			select {
			case w.connected <- struct{}{}:
			case <-w.stop:
				w.done <- nil
				return
			default:
			}
		}
	}()
	return w
}

// another waits for one that began after now, so the second from now.
func (w *watcher) another(t *testing.T) {
	t.Helper()
	for range 2 {
		select {
		case <-w.connected:
		case err := <-w.done:
			require.NoError(t, err, "a client was turned away")
		case <-time.After(limit):
			t.Fatal("no client connects")
		}
	}
}

func (w *watcher) end(t *testing.T) {
	t.Helper()
	close(w.stop)
	select {
	case err := <-w.done:
		require.NoError(t, err, "a client was turned away")
	case <-time.After(limit):
		t.Fatal("no client connects")
	}
}
