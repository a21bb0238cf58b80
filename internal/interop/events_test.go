package interop

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/leodido/go-syslog/v4"
	"github.com/leodido/go-syslog/v4/octetcounting"
	"github.com/leodido/go-syslog/v4/rfc5424"
	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
)

// told is what an event says, as a receiver reads it that knows nothing but CloudEvents.
type told struct {
	SpecVersion, ID, Type, Source string
	Data                          struct {
		Serial, Previous, Reason string
		Names                    []string
		ReasonCode               int
	}
}

// mailbox keeps what one receiver was told, each event once.
type mailbox struct {
	mu    sync.Mutex
	seen  map[string]bool
	all   []told
	fault error
}

// take reads the JSON form of CloudEvents.
func (m *mailbox) take(b []byte) error {
	var e told
	err := json.Unmarshal(b, &e)
	if err == nil && (e.SpecVersion != "1.0" || e.ID == "" || e.Source == "") {
		err = errors.New("no CloudEvent: " + string(b))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		m.fault = errors.Join(m.fault, err)
		return err
	}
	if m.seen == nil {
		m.seen = map[string]bool{}
	}
	if !m.seen[e.ID] {
		m.seen[e.ID] = true
		m.all = append(m.all, e)
	}
	return nil
}

func (m *mailbox) failed(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = errors.Join(m.fault, err)
}

// has reports whether there is an event of a type that the question is true of.
func (m *mailbox) has(kind string, is func(told) bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.all, func(e told) bool { return e.Type == "io.chancery."+kind && is(e) })
}

// hook receives webhooks and judges their signatures with the library of Standard Webhooks. The first delivery
// of all it turns away.
type hook struct {
	mailbox
	verify *standardwebhooks.Webhook
	away   sync.Once
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	turned := false
	h.away.Do(func() { turned = true })
	if turned {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err == nil {
		err = h.verify.Verify(b, r.Header)
	}
	if err == nil && h.verify.Verify(append(b, ' '), r.Header) == nil {
		err = errors.New("any body passes")
	}
	if err != nil {
		h.failed(err)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if h.take(b) != nil {
		w.WriteHeader(http.StatusBadRequest)
	}
}

// logHost takes syslog over TCP (RFC 6587) and reads it with a library.
func logHost(t *testing.T, m *mailbox) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				octetcounting.NewParser(syslog.WithListener(func(r *syslog.Result) {
					if r.Error != nil {
						return // the end of the connection
					}
					text, ok := r.Message.(*rfc5424.SyslogMessage)
					if !ok || text.Message == nil {
						m.failed(errors.New("a message without text"))
						return
					}
					m.take(bytes.TrimPrefix([]byte(*text.Message), []byte("\ufeff")))
				})).Parse(c)
			}()
		}
	}()
	return l.Addr().String()
}

// bus is a NATS server with a stream, whose messages go to a mailbox.
func bus(t *testing.T, m *mailbox) (url string) {
	t.Helper()
	broker, err := natsserver.NewServer(&natsserver.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	require.NoError(t, err)
	broker.Start()
	t.Cleanup(func() { broker.Shutdown(); broker.WaitForShutdown() })
	require.True(t, broker.ReadyForConnections(20*time.Second))
	c, err := nats.Connect(broker.ClientURL())
	require.NoError(t, err)
	t.Cleanup(c.Close)
	js, err := jetstream.New(c)
	require.NoError(t, err)
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "events", Subjects: []string{"ca.>"}})
	require.NoError(t, err)
	consumer, err := stream.CreateConsumer(t.Context(), jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy})
	require.NoError(t, err)
	consuming, err := consumer.Consume(func(msg jetstream.Msg) { m.take(msg.Data()) })
	require.NoError(t, err)
	t.Cleanup(consuming.Stop)
	return broker.ClientURL()
}

// C23: whoever subscribed is told what happens, by webhook, by NATS and by syslog.
func TestEventsReachReceivers(t *testing.T) {
	t.Parallel()
	ours(t, "its webhooks are others")
	secret := "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	h := &hook{}
	var err error
	h.verify, err = standardwebhooks.NewWebhook(secret)
	require.NoError(t, err)
	receiver := httptest.NewTLSServer(h)
	t.Cleanup(receiver.Close)
	var queue, log mailbox
	queueURL, logAddress := bus(t, &queue), logHost(t, &log)

	s := makeFolder(t, options{})
	put := func(name string, b []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(s.dir, "secrets", name), b, 0o600))
	}
	put("hook", []byte(secret+"\n"))
	put("hook.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: receiver.Certificate().Raw}))
	s.own(t, `{"sinks": {
		"hook": {"type": "webhook", "url": `+strconv.Quote(receiver.URL+"/events")+`, "secretFiles": ["secrets/hook"], "rootFile": "secrets/hook.pem"},
		"bus": {"type": "nats", "url": `+strconv.Quote(queueURL)+`, "prefix": "ca", "stream": "events"},
		"log": {"type": "syslog", "address": `+strconv.Quote(logAddress)+`, "plain": true}
	}, "revocation": {"ocsp": true, "pointers": {}}}`)
	s.start(t)

	u := user(t, s)
	serial := func() string { return u.leaf("srv").SerialNumber.Text(16) }
	u.certificate("srv", "srv.internal")
	issued := serial()
	u.renew("srv")
	renewed := serial()
	u.step("ca", "rekey", "srv.crt", "srv.key", "--force")
	rekeyed := serial()
	u.step("ca", "revoke", "--cert", "srv.crt", "--key", "srv.key", "--reasonCode", compromised.step)
	u.denied("late", "late.internal", "--not-after", "25h")

	want := []struct {
		kind string
		is   func(told) bool
	}{
		{"certificate.issued", func(e told) bool {
			return e.Data.Serial == issued && slices.Equal(e.Data.Names, []string{"srv.internal"})
		}},
		{"certificate.renewed", func(e told) bool { return e.Data.Serial == renewed && e.Data.Previous == issued }},
		{"certificate.rekeyed", func(e told) bool { return e.Data.Serial == rekeyed && e.Data.Previous == renewed }},
		{"certificate.revoked", func(e told) bool { return e.Data.Serial == rekeyed && e.Data.ReasonCode == 1 }},
		{"request.refused", func(e told) bool { return slices.Equal(e.Data.Names, []string{"late.internal"}) }},
		{"crl.published", func(told) bool { return true }},
	}
	for name, m := range map[string]*mailbox{"webhook": &h.mailbox, "NATS": &queue, "syslog": &log} {
		for _, w := range want {
			require.Eventuallyf(t, func() bool { return m.has(w.kind, w.is) }, 40*time.Second, 20*time.Millisecond, "%s was not told of %s", name, w.kind)
		}
		m.mu.Lock()
		require.NoError(t, m.fault, name)
		m.mu.Unlock()
	}
	u.certificate("more", "more.internal") // nobody is held up
}
