package syslogsink_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/eventtest"
	"github.com/chancery-ca/chancery/event/syslogsink"
)

func TestSuite(t *testing.T) {
	eventtest.Run(t, func(t *testing.T) (event.Sink, func() []event.Event) {
		server := newServer(t)
		var mu sync.Mutex
		told := 0
		s := open(t, server.config())
		counted := event.SinkFunc(func(ctx context.Context, e event.Event) error {
			err := s.Publish(ctx, e)
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				told++
			}
			return err
		})
		return counted, func() []event.Event {
			mu.Lock()
			defer mu.Unlock()
			return server.eventually(told)
		}
	})
}

// The server is killed with what it has not read.
func TestOutage(t *testing.T) {
	server := newServer(t)
	server.locked(func() { server.pause = 5 * time.Millisecond })
	eventtest.RunOutage(t, eventtest.Outage{Sink: open(t, server.config()), Arrived: server.events, Kill: server.kill, Restore: server.start})
}

func TestMessage(t *testing.T) {
	server := newServer(t)
	c := server.config()
	c.Facility, c.AppName, c.DataID = 13, "issuing-ca", "ca@99999"
	s := open(t, c)
	e := eventtest.Samples()[0]
	e.Subject = `a "quoted" \ ]bracket[ ` + "Zoë 🔑\r\n\x00"
	e.Time = time.Date(2030, 1, 2, 3, 4, 5, 123456789, time.FixedZone("", 3600))
	require.NoError(t, s.Publish(t.Context(), e))
	got := server.eventually(1)[0]
	e.Time = e.Time.UTC()
	require.Equal(t, e, got, "all of it is in MSG")
	m := server.received()[0]
	require.EqualValues(t, 13, *m.Facility)
	require.EqualValues(t, 6, *m.Severity)
	require.Equal(t, "ca.internal", *m.Hostname)
	require.Equal(t, "issuing-ca", *m.Appname)
	require.Nil(t, m.ProcID)
	require.Equal(t, "certificate.issued", *m.MsgID)
	require.True(t, m.Timestamp.Equal(e.Time.Truncate(time.Microsecond)))
	require.Equal(t, map[string]map[string]string{"ca@99999": {
		"id": "sample-a", "type": "io.chancery.certificate.issued", "source": "/ca", "serial": "1f",
		"subject": `a "quoted" \ ]bracket[ ` + "Zoë 🔑   ", // as it was before it was escaped
	}}, *m.StructuredData)
	require.NotRegexp(t, `[^\x20-\x7e]`, *m.Message)
}

func TestSeverities(t *testing.T) {
	server := newServer(t)
	s := open(t, server.config())
	for _, e := range eventtest.Samples() {
		require.NoError(t, s.Publish(t.Context(), e))
	}
	server.eventually(len(eventtest.Samples()))
	want := map[event.Type]uint8{
		event.RequestRefused: 4, event.ValidityTruncated: 4, event.IssuerExpiring: 4, event.CertificateExpiring: 4,
		event.OrderFailed: 4, event.ChallengeFailed: 4,
		event.IssuanceAbandoned: 3, event.ConfigRejected: 3,
		event.CertificateRevoked: 5, event.CertificateReleased: 5, event.ConfigChanged: 5,
	}
	for i, m := range server.received() {
		typ := eventtest.Samples()[i].Type
		severity, ok := want[typ]
		if !ok {
			severity = 6
		}
		require.Equal(t, severity, *m.Severity, typ)
		require.EqualValues(t, 10, *m.Facility)
		require.Equal(t, "io.chancery."+*m.MsgID, string(typ))
	}
}

func TestOwnSeverity(t *testing.T) {
	server := newServer(t)
	c := server.config()
	c.Severity = func(event.Type) syslogsink.Severity { return 200 }
	require.NoError(t, open(t, c).Publish(t.Context(), eventtest.Samples()[0]))
	server.eventually(1)
	require.EqualValues(t, 7, *server.received()[0].Severity)
}

// What was accepted by a server that then went away is sent again, before what is new.
func TestServerGoesAway(t *testing.T) {
	for name, lost := range map[string]bool{"read": false, "unread": true} {
		t.Run(name, func(t *testing.T) {
			server := newServer(t)
			s := open(t, server.config())
			e := eventtest.Samples()
			require.NoError(t, s.Publish(t.Context(), e[0]))
			server.eventually(1)
			if lost {
				server.locked(func() { server.pause = time.Hour }) // from the read after the next
			}
			require.NoError(t, s.Publish(t.Context(), e[1]))
			require.NoError(t, s.Publish(t.Context(), e[2]))
			if !lost {
				server.eventually(3)
			}
			time.Sleep(20 * time.Millisecond)
			server.listener.Close()
			server.cut()
			server.locked(func() { server.pause = 0 })
			server.serving.Wait()
			server.locked(func() { server.messages = nil }) // its disk is gone too
			require.Eventually(t, func() bool { return s.Publish(t.Context(), e[3]) != nil }, 5*time.Second, 10*time.Millisecond)
			require.Error(t, s.Publish(t.Context(), e[3]), "nobody listens")
			server.start()
			require.NoError(t, s.Publish(t.Context(), e[3]))
			var ids []string
			for _, e := range server.eventually(4) {
				ids = append(ids, e.ID)
			}
			require.Equal(t, []string{e[0].ID, e[1].ID, e[2].ID, e[3].ID}, compact(ids))
		})
	}
}

// compact leaves the first of each.
func compact(ids []string) (out []string) {
	seen := map[string]bool{}
	for _, id := range ids {
		if !seen[id] {
			out = append(out, id)
		}
		seen[id] = true
	}
	return out
}

func TestOneConnection(t *testing.T) {
	server := newServer(t)
	s := open(t, server.config())
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { s.Publish(t.Context(), eventtest.Samples()[0]) })
	}
	wg.Wait()
	server.eventually(20)
	server.locked(func() { require.Equal(t, 1, server.accepted) })
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	require.NoError(t, s.Publish(t.Context(), eventtest.Samples()[1]), "a new connection")
	server.eventually(21)
	server.locked(func() {
		require.Equal(t, 2, server.accepted)
		require.Empty(t, server.faults)
	})
}

func TestTLSIsChecked(t *testing.T) {
	server := newServer(t)
	c := server.config()
	c.TLS = nil
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, open(t, c).Publish(t.Context(), eventtest.Samples()[0]), &unknown)
	c = server.config()
	c.Address = strings.Replace(c.Address, "127.0.0.1", "localhost", 1)
	require.ErrorContains(t, open(t, c).Publish(t.Context(), eventtest.Samples()[0]), "localhost")
	require.Empty(t, server.received())
}

func TestNewRefuses(t *testing.T) {
	for want, change := range map[string]func(*syslogsink.Config){
		"Address":  func(c *syslogsink.Config) { c.Address = "log.internal" },
		`":6514"`:  func(c *syslogsink.Config) { c.Address = ":6514" },
		"a:0":      func(c *syslogsink.Config) { c.Address = "a:0" },
		"Plain":    func(c *syslogsink.Config) { c.Plain, c.TLS = true, &tls.Config{} },
		"Hostname": func(c *syslogsink.Config) { c.Hostname = "a b" },
		"AppName":  func(c *syslogsink.Config) { c.AppName = strings.Repeat("a", 49) },
		"DataID":   func(c *syslogsink.Config) { c.DataID = "a=b" },
		"Facility": func(c *syslogsink.Config) { c.Facility = 24 },
		"2048":     func(c *syslogsink.Config) { c.MaxMessage = 2047 },
	} {
		c := syslogsink.Config{Address: "log.internal:6514"}
		_, err := syslogsink.New(c)
		require.NoError(t, err)
		change(&c)
		_, err = syslogsink.New(c)
		require.ErrorContains(t, err, want)
	}
	_, err := syslogsink.New(syslogsink.Config{Hostname: "ä", Facility: 24})
	for _, want := range []string{"Address", "Hostname", "Facility"} {
		require.ErrorContains(t, err, want, "every fault at once")
	}
}
