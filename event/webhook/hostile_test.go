package webhook_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/eventtest"
	"github.com/chancery-ca/chancery/event/webhook"
)

// Answers that never end, and connections that break.
func TestHostileAnswers(t *testing.T) {
	t.Run("endless body", func(t *testing.T) {
		r := &receiver{t: t, answer: func(w http.ResponseWriter, req *http.Request) {
			for req.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 32<<10)); err != nil {
					return
				}
			}
		}}
		require.NoError(t, open(t, serve(t, r)).Publish(t.Context(), eventtest.Samples()[0]))
	})
	t.Run("silence", func(t *testing.T) {
		r := &receiver{t: t, answer: func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }}
		c := serve(t, r)
		c.Timeout = 50 * time.Millisecond
		err := open(t, c).Publish(t.Context(), eventtest.Samples()[0])
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, event.ErrPermanent)
		require.NotContains(t, err.Error(), "hunter2")
	})
	t.Run("slow body", func(t *testing.T) {
		r := &receiver{t: t, answer: func(w http.ResponseWriter, req *http.Request) {
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			<-req.Context().Done()
		}}
		c := serve(t, r)
		c.Timeout = 100 * time.Millisecond
		require.NoError(t, open(t, c).Publish(t.Context(), eventtest.Samples()[0]))
	})
	for name, answer := range map[string]string{
		"no http":      strings.Repeat("hunter4", 1000) + "\r\n\r\n",
		"long headers": "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n",
		"nothing":      "",
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer l.Close()
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					c.Read(make([]byte, 1))
					io.WriteString(c, answer)
					c.Close()
				}
			}()
			s := open(t, webhook.Config{URL: "http://" + l.Addr().String() + "/hunter2", AllowHTTP: true, Unsigned: true})
			err = s.Publish(t.Context(), eventtest.Samples()[0])
			require.Error(t, err)
			require.Less(t, len(err.Error()), 300)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestControlRefuses(t *testing.T) {
	r := &receiver{t: t}
	c := serve(t, r)
	internal := errors.New("an internal address")
	c.Control = func(_, address string, _ syscall.RawConn) error {
		host, _, err := net.SplitHostPort(address)
		if err != nil || net.ParseIP(host).IsLoopback() {
			return internal
		}
		return nil
	}
	require.ErrorIs(t, open(t, c).Publish(t.Context(), eventtest.Samples()[0]), internal)
	require.Empty(t, r.requests)
}

// A certificate that nobody vouches for, and a name that is not the certificate's.
func TestTLS(t *testing.T) {
	r := &receiver{t: t}
	c := serve(t, r)
	roots := c.TLS
	c.TLS = nil
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, open(t, c).Publish(t.Context(), eventtest.Samples()[0]), &unknown)
	c.TLS = roots
	c.URL = strings.Replace(c.URL, "127.0.0.1", "localhost", 1)
	require.ErrorContains(t, open(t, c).Publish(t.Context(), eventtest.Samples()[0]), "localhost")
	require.Empty(t, r.requests)
}

func TestHeaders(t *testing.T) {
	r := &receiver{t: t}
	c := serve(t, r)
	c.Headers = http.Header{"Authorization": {"Bearer hunter2"}, "User-Agent": {"us"}, "X-Two": {"1", "2"}}
	s := open(t, c)
	c.Headers.Set("Authorization", "changed later")
	for _, e := range eventtest.Samples()[:2] {
		require.NoError(t, s.Publish(t.Context(), e))
	}
	for _, req := range r.requests {
		require.Equal(t, http.MethodPost, req.Method)
		require.Equal(t, "/hooks/hunter2?token=hunter2", req.RequestURI)
		require.Equal(t, []string{"Bearer hunter2"}, req.Header["Authorization"])
		require.Equal(t, []string{"us"}, req.Header["User-Agent"])
		require.Equal(t, []string{"1", "2"}, req.Header["X-Two"])
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		require.NotContains(t, fmt.Sprintf(verb, s)+fmt.Sprintf(verb, struct{ s *webhook.Sink }{s}), "hunter2", verb)
	}
}

// Events that cannot be put into a request are never acceptable.
func TestOddEvents(t *testing.T) {
	r := &receiver{t: t}
	c := serve(t, r)
	for _, mode := range []webhook.Mode{webhook.Structured, webhook.Binary} {
		c.Mode = mode
		s := open(t, c)
		for _, id := range []string{"", "a.1", "a b", "ä", "a\r\nx: y", strings.Repeat("a", 257)} {
			e := eventtest.Samples()[0]
			e.ID = id
			require.ErrorIs(t, s.Publish(t.Context(), e), event.ErrPermanent, id)
		}
		e := eventtest.Samples()[0]
		e.Time = time.Unix(1<<40, 0)
		require.ErrorIs(t, s.Publish(t.Context(), e), event.ErrPermanent)
		e = eventtest.Samples()[0]
		e.Subject, e.Source = "CN=Zoë \"Z\" 100%\r\nX-Evil: 1,🔑", "/ca%20x"
		require.NoError(t, s.Publish(t.Context(), e))
		require.Equal(t, e, r.Events()[len(r.Events())-1])
		require.Empty(t, r.requests[len(r.requests)-1].Header["X-Evil"])
	}
}
