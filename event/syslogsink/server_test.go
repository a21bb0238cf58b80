package syslogsink_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/leodido/go-syslog/v4"
	"github.com/leodido/go-syslog/v4/octetcounting"
	"github.com/leodido/go-syslog/v4/rfc5424"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/syslogsink"
)

// logServer keeps what it is sent, and can be taken away.
type logServer struct {
	t     testing.TB
	cert  tls.Certificate
	roots *x509.CertPool

	address  string
	listener net.Listener
	serving  sync.WaitGroup

	mu       sync.Mutex
	up       bool
	conns    map[net.Conn]bool
	accepted int
	messages []*rfc5424.SyslogMessage
	faults   []error
	pause    time.Duration // before each read: what has come meanwhile dies with the server
}

func newServer(t testing.TB) *logServer {
	s := &logServer{t: t, address: "127.0.0.1:0", conns: map[net.Conn]bool{}, roots: x509.NewCertPool()}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "log"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	s.roots.AddCert(leaf)
	s.cert = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *logServer) start() {
	l, err := net.Listen("tcp", s.address)
	require.NoError(s.t, err)
	s.address, s.listener = l.Addr().String(), l
	s.locked(func() { s.up = true })
	s.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.locked(func() {
				if !s.up {
					c.Close()
					return
				}
				s.conns[c] = true
				s.accepted++
				s.serving.Go(func() { s.serve(c) })
			})
		}
	})
}

// kill resets all connections, unread data and all.
func (s *logServer) kill() {
	s.listener.Close()
	s.cut()
	s.serving.Wait()
}

func (s *logServer) locked(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

func (s *logServer) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up = false
	for c := range s.conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	clear(s.conns)
}

func (s *logServer) serve(c net.Conn) {
	t := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{s.cert}})
	octetcounting.NewParser(syslog.WithListener(s.keep), syslog.WithMaxMessageLength(64<<10)).Parse(slowly{s, t})
}

// slowly reads after a pause.
type slowly struct {
	s *logServer
	c net.Conn
}

func (r slowly) Read(b []byte) (int, error) {
	for began := time.Now(); r.s.pauses(time.Since(began)); {
		time.Sleep(time.Millisecond)
	}
	return r.c.Read(b)
}

func (s *logServer) pauses(since time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return since < s.pause
}

func (s *logServer) keep(r *syslog.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, ok := r.Message.(*rfc5424.SyslogMessage); ok && r.Error == nil {
		s.messages = append(s.messages, m)
	} else if r.Error != nil {
		s.faults = append(s.faults, r.Error)
	}
}

func (s *logServer) received() []*rfc5424.SyslogMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*rfc5424.SyslogMessage(nil), s.messages...)
}

func (s *logServer) events() []event.Event { return eventsOf(s.t, s.received()) }

func eventsOf(t testing.TB, messages []*rfc5424.SyslogMessage) (out []event.Event) {
	for _, m := range messages {
		var e event.Event
		require.NoError(t, json.Unmarshal([]byte(*m.Message), &e))
		out = append(out, e)
	}
	return out
}

// eventually waits for n messages.
func (s *logServer) eventually(n int) []event.Event {
	require.Eventually(s.t, func() bool { return len(s.received()) >= n }, 5*time.Second, 2*time.Millisecond)
	return s.events()
}

func (s *logServer) config() syslogsink.Config {
	return syslogsink.Config{Address: s.address, TLS: &tls.Config{RootCAs: s.roots}, Hostname: "ca.internal"}
}

func open(t testing.TB, c syslogsink.Config) *syslogsink.Sink {
	s, err := syslogsink.New(c)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// parse reads a whole stream of frames.
func parse(t testing.TB, stream []byte) (out []*rfc5424.SyslogMessage) {
	octetcounting.NewParser(syslog.WithListener(func(r *syslog.Result) {
		if r.Error == nil {
			out = append(out, r.Message.(*rfc5424.SyslogMessage))
		} else {
			t.Errorf("frame: %v", r.Error)
		}
	}), syslog.WithMaxMessageLength(64<<10)).Parse(bytes.NewReader(stream))
	return out
}
