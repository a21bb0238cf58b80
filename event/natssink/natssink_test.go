package natssink_test

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/eventtest"
	"github.com/chancery-ca/chancery/event/natssink"
)

// broker is a real server with one stream, in this process.
type broker struct {
	t       testing.TB
	options server.Options
	server  *server.Server
	conn    *nats.Conn
	js      jetstream.JetStream
}

func newBroker(t testing.TB) *broker {
	b := &broker{t: t, options: server.Options{
		Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true, MaxPayload: 64 << 10,
	}}
	b.start()
	t.Cleanup(b.stop)
	var err error
	b.conn, err = nats.Connect(b.server.ClientURL(), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0))
	require.NoError(t, err)
	t.Cleanup(b.conn.Close)
	b.js, err = jetstream.New(b.conn)
	require.NoError(t, err)
	b.stream("events", "ca.>")
	return b
}

func (b *broker) start() {
	options := b.options
	s, err := server.NewServer(&options)
	require.NoError(b.t, err)
	s.Start()
	require.True(b.t, s.ReadyForConnections(10*time.Second))
	b.options.Port = options.Port // the same when it is started again
	b.server = s
}

func (b *broker) stop() {
	b.server.Shutdown()
	b.server.WaitForShutdown()
}

func (b *broker) stream(name, subjects string) {
	_, err := b.js.CreateStream(b.t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{subjects}, MaxMsgSize: 32 << 10})
	require.NoError(b.t, err)
}

// messages returns what a stream holds.
func (b *broker) messages(name string) (out []*jetstream.RawStreamMsg) {
	s, err := b.js.Stream(b.t.Context(), name)
	require.NoError(b.t, err)
	for seq := uint64(1); seq <= s.CachedInfo().State.LastSeq; seq++ {
		m, err := s.GetMsg(b.t.Context(), seq)
		require.NoError(b.t, err)
		out = append(out, m)
	}
	return out
}

func (b *broker) events() (out []event.Event) {
	for _, m := range b.messages("events") {
		var e event.Event
		require.NoError(b.t, json.Unmarshal(m.Data, &e))
		out = append(out, e)
	}
	return out
}

func (b *broker) sink(change func(*natssink.Config)) *natssink.Sink {
	c := natssink.Config{JetStream: b.js, Prefix: "ca", Stream: "events"}
	if change != nil {
		change(&c)
	}
	s, err := natssink.New(c)
	require.NoError(b.t, err)
	return s
}

func TestSuite(t *testing.T) {
	eventtest.Run(t, func(t *testing.T) (event.Sink, func() []event.Event) {
		b := newBroker(t)
		return b.sink(nil), b.events
	})
}

func TestOutage(t *testing.T) {
	b := newBroker(t)
	eventtest.RunOutage(t, eventtest.Outage{Sink: b.sink(nil), Kill: b.stop, Restore: b.start, Arrived: func() []event.Event {
		if !b.conn.IsConnected() {
			return nil
		}
		return b.events()
	}})
	seen := map[string]bool{}
	for _, e := range b.events() {
		require.False(t, seen[e.ID], "stored twice")
		seen[e.ID] = true
	}
}

func TestMessage(t *testing.T) {
	b := newBroker(t)
	e := eventtest.Samples()[0]
	for range 3 {
		require.NoError(t, b.sink(nil).Publish(t.Context(), e))
	}
	require.NoError(t, b.sink(func(c *natssink.Config) {
		c.Subject = func(e event.Event) string { return "serial." + natssink.Token(e.Subject) }
	}).Publish(t.Context(), eventtest.Samples()[1]))
	ms := b.messages("events")
	require.Len(t, ms, 2, "repeats leave nothing")
	require.Equal(t, "ca.io.chancery.certificate.issued", ms[0].Subject)
	require.Equal(t, e.ID, ms[0].Header.Get("Nats-Msg-Id"))
	require.Equal(t, "application/cloudevents+json; charset=utf-8", ms[0].Header.Get("Content-Type"))
	want, err := json.Marshal(e)
	require.NoError(t, err)
	require.Equal(t, string(want), string(ms[0].Data))
	require.Equal(t, "ca.serial.1f", ms[1].Subject)
}

// Repeats are recognised by a server that was restarted in between.
func TestRepeatsAcrossRestart(t *testing.T) {
	b := newBroker(t)
	s := b.sink(nil)
	require.NoError(t, s.Publish(t.Context(), eventtest.Samples()[0]))
	b.stop()
	require.Eventually(t, func() bool { return !b.conn.IsConnected() }, 5*time.Second, 5*time.Millisecond)
	began := time.Now()
	require.ErrorIs(t, s.Publish(t.Context(), eventtest.Samples()[0]), natssink.ErrNotConnected)
	require.Less(t, time.Since(began), time.Second)
	b.start()
	require.Eventually(t, func() bool { return s.Publish(t.Context(), eventtest.Samples()[0]) == nil }, 10*time.Second, 20*time.Millisecond)
	require.Len(t, b.events(), 1)
}

func TestNoStream(t *testing.T) {
	b := newBroker(t)
	s := b.sink(func(c *natssink.Config) { c.Prefix, c.Stream = "elsewhere", "" })
	err := s.Publish(t.Context(), eventtest.Samples()[0])
	require.ErrorIs(t, err, jetstream.ErrNoStreamResponse)
	require.NotErrorIs(t, err, event.ErrPermanent)

	b.stream("other", "elsewhere.>")
	require.NoError(t, s.Publish(t.Context(), eventtest.Samples()[0]))
	err = b.sink(func(c *natssink.Config) { c.Prefix = "elsewhere" }).Publish(t.Context(), eventtest.Samples()[1])
	require.ErrorContains(t, err, "expected stream does not match", "stored by another one")
	require.NotErrorIs(t, err, event.ErrPermanent)

	// Somebody who listens and stores nothing gives no acknowledgement.
	_, err = b.conn.Subscribe("plain.>", func(m *nats.Msg) { m.Respond([]byte("thanks")) })
	require.NoError(t, err)
	require.Error(t, b.sink(func(c *natssink.Config) { c.Prefix, c.Stream = "plain", "" }).Publish(t.Context(), eventtest.Samples()[0]))
}

// A server that takes the message and answers nothing.
func TestSilence(t *testing.T) {
	b := newBroker(t)
	_, err := b.conn.Subscribe("quiet.>", func(*nats.Msg) {})
	require.NoError(t, err)
	s := b.sink(func(c *natssink.Config) { c.Prefix, c.Stream, c.Timeout = "quiet", "", 50*time.Millisecond })
	require.ErrorIs(t, s.Publish(t.Context(), eventtest.Samples()[0]), context.DeadlineExceeded)
}

func TestNeverAcceptable(t *testing.T) {
	b := newBroker(t)
	s := b.sink(nil)
	for name, change := range map[string]func(*event.Event){
		"no id":              func(e *event.Event) { e.ID = "" },
		"id with a line":     func(e *event.Event) { e.ID = "a\r\nb: c" },
		"long id":            func(e *event.Event) { e.ID = strings.Repeat("a", 257) },
		"wildcard":           func(e *event.Event) { e.Type = "io.chancery.>" },
		"star":               func(e *event.Event) { e.Type = "io.*.x" },
		"space":              func(e *event.Event) { e.Type = "io.a b" },
		"empty token":        func(e *event.Event) { e.Type = "io..x" },
		"no type":            func(e *event.Event) { e.Type = "" },
		"year":               func(e *event.Event) { e.Time = time.Unix(1<<40, 0) },
		"larger than stream": func(e *event.Event) { e.Subject = strings.Repeat("a", 40<<10) },
		"larger than server": func(e *event.Event) { e.Subject = strings.Repeat("a", 80<<10) },
	} {
		e := eventtest.Samples()[0]
		change(&e)
		require.ErrorIs(t, s.Publish(t.Context(), e), event.ErrPermanent, name)
	}
	require.Empty(t, b.events())
	require.NoError(t, s.Publish(t.Context(), eventtest.Samples()[0]))
}

// What was handed in is not closed, and a closed connection is an error.
func TestConnectionIsNotOurs(t *testing.T) {
	b := newBroker(t)
	s := b.sink(nil)
	require.NoError(t, s.Publish(t.Context(), eventtest.Samples()[0]))
	require.True(t, b.conn.IsConnected())
	b.conn.Close()
	require.ErrorIs(t, s.Publish(t.Context(), eventtest.Samples()[1]), natssink.ErrNotConnected)
}

func TestNewRefuses(t *testing.T) {
	_, err := natssink.New(natssink.Config{Prefix: "a.>", Stream: "a.b"})
	for _, want := range []string{"JetStream", "Prefix", "Stream"} {
		require.ErrorContains(t, err, want)
	}
	b := newBroker(t)
	for _, prefix := range []string{".", "a.", ".a", "a..b", "*", "a b", "$SYS", "a\x00", "\xff", strings.Repeat("a", 2000)} {
		_, err := natssink.New(natssink.Config{JetStream: b.js, Prefix: prefix})
		require.Error(t, err, "%q", prefix)
	}
}

func FuzzToken(f *testing.F) {
	seeds, err := os.ReadDir("testdata/fuzz/FuzzToken")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, text := range []string{a, b} {
			require.Regexp(t, `^[0-9A-Za-z_%-]+$`, natssink.Token(text))
		}
		require.Equal(t, a == b, natssink.Token(a) == natssink.Token(b))
	})
}
