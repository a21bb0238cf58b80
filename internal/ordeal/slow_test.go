package ordeal

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority/httpapi"
)

// TestSlowBodies has 200 clients send a byte a second, over HTTP/1.1 and over HTTP/2. Each is cut off, and
// nobody else notices.
func TestSlowBodies(t *testing.T) {
	const (
		clients = 200
		timeout = 2 * time.Second
		most    = timeout + 3*time.Second
	)
	k, a := newDurable(t)
	s := listenHere(t, a, &http.Server{}, &httpapi.Options{BodyTimeout: timeout})
	fast := signAlong(t, k, a, s.url, 80)
	begin := measure()
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			start, slow := time.Now(), trickle
			if i%2 == 0 {
				slow = trickle2
			}
			if err := slow(s.url, k); err != nil {
				t.Error(err)
			}
			if d := time.Since(start); d < timeout/2 || d > most {
				t.Errorf("cut off after %s", d)
			}
		})
	}
	p := signAlong(t, k, a, s.url, 400)
	t.Logf("signing beside %d slow bodies: %s; alone: %s", clients, p, fast)
	require.Less(t, p.p99, timeout)
	wg.Wait()
	requireGone(t, begin)
}

// trickle sends the header of a request and then its body, slowly, until the server has had enough: it
// answers 408 and ends the connection.
func trickle(url string, _ *keys) error {
	m := manner{proto: "http/1.1", say: "POST /1.0/sign HTTP/1.1\r\nHost: ca\r\nContent-Length: 1000\r\n\r\n"}
	c, err := m.connect(strings.TrimPrefix(url, "https://"))
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(time.Minute))
	stop := make(chan bool)
	defer close(stop)
	go drip(c, stop)
	answer, err := io.ReadAll(c)
	if !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") {
		return fmt.Errorf("a slow body was answered with %.20q, %v", answer, err)
	}
	return nil
}

// trickle2 is trickle over HTTP/2, where it is the stream that ends.
func trickle2(url string, k *keys) error {
	root, err := k.root()
	if err != nil {
		return err
	}
	c := newClient(url, root, true)
	defer c.close()
	r, w := io.Pipe()
	defer w.Close()
	stop := make(chan bool)
	defer close(stop)
	go drip(w, stop)
	q, err := http.NewRequest(http.MethodPost, url+"/1.0/sign", r)
	if err != nil {
		return err
	}
	q.ContentLength = 1000
	a, err := c.http.Do(q)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	if a.ProtoMajor != 2 || a.StatusCode != http.StatusRequestTimeout {
		return fmt.Errorf("a slow body was answered with %s %s", a.Proto, a.Status)
	}
	return nil
}

// drip writes a byte a second.
func drip(w io.Writer, stop <-chan bool) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		if _, err := io.WriteString(w, "{"); err != nil {
			return
		}
		select {
		case <-stop:
			return
		case <-t.C:
		}
	}
}
