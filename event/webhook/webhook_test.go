package webhook_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/eventtest"
	"github.com/chancery-ca/chancery/event/webhook"
)

const (
	oldSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
	newSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrs="
)

func secret(t testing.TB, text string) webhook.Secret {
	s, err := webhook.ParseSecret(text)
	require.NoError(t, err)
	return s
}

// receiver is a webhook's other end: it checks signatures, and keeps what it is sent.
type receiver struct {
	t *testing.T
	eventtest.Recorder
	mu       sync.Mutex
	requests []*http.Request // body read
	bodies   [][]byte
	answer   http.HandlerFunc // nil answers 204
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // cut off
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests, r.bodies = append(r.requests, req), append(r.bodies, body)
	if r.answer != nil {
		r.answer(w, req)
		return
	}
	for _, s := range []string{oldSecret, newSecret} {
		wh, err := standardwebhooks.NewWebhook(s)
		if err == nil {
			err = wh.Verify(body, req.Header)
		}
		if err != nil {
			r.t.Errorf("signature: %v", err)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
	}
	e, err := decode(req.Header, body)
	if err != nil || e.ID != req.Header.Get("webhook-id") {
		r.t.Errorf("event: %v", err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.Publish(req.Context(), e)
	w.WriteHeader(http.StatusNoContent)
}

// decode reads both modes.
func decode(h http.Header, body []byte) (e event.Event, err error) {
	if strings.HasPrefix(h.Get("Content-Type"), "application/cloudevents+json") {
		return e, json.Unmarshal(body, &e)
	}
	m := map[string]any{}
	for name, values := range h {
		if attribute, ok := strings.CutPrefix(strings.ToLower(name), "ce-"); ok {
			if m[attribute], err = url.PathUnescape(values[0]); err != nil {
				return e, err
			}
		}
	}
	if len(body) > 0 {
		m["data"] = json.RawMessage(body)
	}
	b, err := json.Marshal(m)
	if err != nil {
		return e, err
	}
	return e, json.Unmarshal(b, &e)
}

// serve starts r on TLS and returns a configuration to reach it.
func serve(t *testing.T, r http.Handler) webhook.Config {
	s := httptest.NewUnstartedServer(r)
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return webhook.Config{
		URL: s.URL + "/hooks/hunter2?token=hunter2", Secrets: []webhook.Secret{secret(t, newSecret), secret(t, oldSecret)},
		TLS: &tls.Config{RootCAs: roots},
	}
}

func open(t *testing.T, c webhook.Config) *webhook.Sink {
	s, err := webhook.New(c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestSuite(t *testing.T) {
	for name, mode := range map[string]webhook.Mode{"Structured": webhook.Structured, "Binary": webhook.Binary} {
		t.Run(name, func(t *testing.T) {
			eventtest.Run(t, func(t *testing.T) (event.Sink, func() []event.Event) {
				r := &receiver{t: t}
				c := serve(t, r)
				c.Mode = mode
				return open(t, c), r.Events
			})
		})
	}
}

func TestOutage(t *testing.T) {
	r := &receiver{t: t}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	var server *http.Server
	start := func() {
		server = &http.Server{Handler: r}
		go server.Serve(l)
	}
	start()
	c := webhook.Config{URL: "http://" + addr, AllowHTTP: true, Secrets: []webhook.Secret{secret(t, oldSecret), secret(t, newSecret)}}
	r.t = t
	eventtest.RunOutage(t, eventtest.Outage{
		Sink: open(t, c), Arrived: r.Events,
		Kill: func() { server.Close() },
		Restore: func() {
			l, err = net.Listen("tcp", addr)
			require.NoError(t, err)
			start()
		},
	})
	server.Close()
}

func TestAnswers(t *testing.T) {
	for status, want := range map[int]struct{ ok, permanent bool }{
		200: {ok: true}, 201: {ok: true}, 202: {ok: true}, 204: {ok: true},
		301: {}, 302: {}, 307: {}, 308: {}, 304: {},
		400: {}, 401: {}, 403: {}, 404: {}, 408: {}, 409: {}, 410: {}, 415: {}, 425: {}, 429: {},
		413: {permanent: true}, 422: {permanent: true},
		500: {}, 502: {}, 503: {}, 504: {}, 599: {},
	} {
		elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
		r := &receiver{t: t, answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", elsewhere.URL)
			w.Header().Set("Set-Cookie", "a=b")
			w.WriteHeader(status)
			if status != 204 && status != 304 {
				io.WriteString(w, "hunter3")
			}
		}}
		err := open(t, serve(t, r)).Publish(t.Context(), eventtest.Samples()[0])
		elsewhere.Close()
		if want.ok {
			require.NoError(t, err)
			continue
		}
		var se *webhook.StatusError
		require.ErrorAs(t, err, &se)
		require.Equal(t, status, se.Status)
		require.Equal(t, want.permanent, errors.Is(err, event.ErrPermanent), status)
		require.NotContains(t, err.Error(), "hunter")
		require.Contains(t, err.Error(), fmt.Sprint(status))
	}
}

func TestOwnVerdict(t *testing.T) {
	r := &receiver{t: t, answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) }}
	c := serve(t, r)
	c.Permanent = func(status int) bool { return status == 400 }
	require.ErrorIs(t, open(t, c).Publish(t.Context(), eventtest.Samples()[0]), event.ErrPermanent)
}

// The pump waits as long as Retry-After says.
func TestRetryAfter(t *testing.T) {
	first := true
	var at []time.Time
	r := &receiver{t: t}
	r.answer = func(w http.ResponseWriter, _ *http.Request) {
		at = append(at, time.Now())
		if first {
			first = false
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}
	var box eventtest.Outbox
	box.Post(eventtest.Samples()[0])
	p := &event.Pump{Outbox: &box, Sink: open(t, serve(t, r)), Interval: time.Millisecond, MinBackoff: time.Millisecond}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx) }()
	require.Eventually(t, func() bool { return len(box.Left()) == 0 }, 5*time.Second, 10*time.Millisecond)
	cancel()
	<-done
	require.Len(t, at, 2)
	require.GreaterOrEqual(t, at[1].Sub(at[0]), 900*time.Millisecond)
}

func TestNewRefuses(t *testing.T) {
	ok := webhook.Config{URL: "https://a.internal/x", Secrets: []webhook.Secret{webhook.NewSecret()}}
	_, err := webhook.New(ok)
	require.NoError(t, err)
	for want, change := range map[string]func(*webhook.Config){
		"absolute":     func(c *webhook.Config) { c.URL = "" },
		"not an":       func(c *webhook.Config) { c.URL = "https://[hunter2" },
		"scheme":       func(c *webhook.Config) { c.URL = "ftp://a.internal/hunter2" },
		"AllowHTTP":    func(c *webhook.Config) { c.URL = "http://a.internal/hunter2" },
		"credentials":  func(c *webhook.Config) { c.URL = "https://u:hunter2@a.internal" },
		"fragment":     func(c *webhook.Config) { c.URL = "https://a.internal/#hunter2" },
		"Unsigned":     func(c *webhook.Config) { c.Secrets = nil },
		"zero Secret":  func(c *webhook.Config) { c.Secrets = append(c.Secrets, webhook.Secret{}) },
		"Mode 7":       func(c *webhook.Config) { c.Mode = 7 },
		"TLS and":      func(c *webhook.Config) { c.Client, c.TLS = &http.Client{}, &tls.Config{} },
		"invalid name": func(c *webhook.Config) { c.Headers = http.Header{"a b": {"x"}} },
		"not free":     func(c *webhook.Config) { c.Headers = http.Header{"ce-type": {"x"}} },
		"Webhook-Id":   func(c *webhook.Config) { c.Headers = http.Header{"webhook-id": {"x"}} },
		"Content-Type": func(c *webhook.Config) { c.Headers = http.Header{"content-type": {"x"}} },
		"value of X":   func(c *webhook.Config) { c.Headers = http.Header{"X": {"hunter2\r\n"}} },
	} {
		c := ok
		change(&c)
		_, err := webhook.New(c)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "hunter2")
	}
	_, err = webhook.New(webhook.Config{URL: "http://a.internal", Mode: 7})
	for _, want := range []string{"AllowHTTP", "Unsigned", "Mode"} {
		require.ErrorContains(t, err, want, "every fault at once")
	}
}
