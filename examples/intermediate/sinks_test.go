package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority/stepconfig"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/natssink"
)

var secret = "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))

func TestBadSinks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	f, err := stepconfig.Init(t.Context(), stepconfig.InitOptions{Dir: dir, Name: "Test", DNSNames: []string{"localhost"}, Password: []byte("right")})
	require.NoError(t, err)
	own := filepath.Join(dir, "config", "chancery.json")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secret"), []byte("hunter2"), 0o600))
	for _, c := range []struct{ sink, setting, want string }{
		{`"type": "file", "path": "none/audit.jsonl"`, "path", "no such file"},
		{`"type": "webhook", "url": "https://x.internal"`, "", "no Secrets"},
		{`"type": "webhook", "url": "http://x.internal/SECRET", "unsigned": true`, "", "AllowHTTP"},
		{`"type": "webhook", "url": "https://x.internal", "secretFiles": ["none"]`, "secretFiles", "no such file"},
		{`"type": "webhook", "url": "https://x.internal", "secretFiles": ["secret"]`, "secretFiles", "whsec_"},
		{`"type": "webhook", "url": "https://x.internal", "unsigned": true, "rootFile": "none"`, "rootFile", "no such file"},
		{`"type": "webhook", "url": "https://x.internal", "unsigned": true, "rootFile": "secret"`, "rootFile", "no certificate"},
		{`"type": "syslog", "address": "x.internal"`, "", "not host:port"},
		{`"type": "nats", "url": "nats://127.0.0.1:1", "prefix": "a b"`, "", "Prefix"},
		{`"type": "nats", "url": "://"`, "url", "missing protocol scheme"},
	} {
		require.NoError(t, os.WriteFile(own, []byte("{\n\"sinks\": {\n\"a\": {"+c.sink+"}}}"), 0o600))
		file, err := stepconfig.Load(f.Path)
		require.NoError(t, err, c.sink)
		_, err = openSinks(file)
		require.ErrorContains(t, err, c.want, c.sink)
		fault := stepconfig.Faults(err)[0]
		require.Equal(t, own, fault.File)
		require.Equal(t, 3, fault.Line, c.sink)
		require.Equal(t, strings.TrimSuffix("sinks.a."+c.setting, "."), fault.Path)
		require.NotContains(t, err.Error(), "hunter2")
		require.NotContains(t, err.Error(), "SECRET")
	}
}

func TestLinesMendsWhatACrashLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	for _, c := range []struct{ before, want string }{
		{"", "{}\n"}, {"{\"a\":1}\n", "{\"a\":1}\n{}\n"}, {"{\"a\"", "{\"a\"\n{}\n"},
	} {
		require.NoError(t, os.WriteFile(path, []byte(c.before), 0o600))
		l, err := openLines(path)
		require.NoError(t, err)
		_, err = l.Write([]byte("{}\n"))
		require.NoError(t, err)
		require.NoError(t, l.Close())
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, c.want, string(b))
	}
}

// Events reach sinks that must not miss one, through the outbox, in whichever store it is.
func TestSinksAreDelivered(t *testing.T) {
	var hooks atomic.Int32
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.Header.Get("Webhook-Signature") != "" && bytes.Contains(b, []byte(event.CertificateIssued)) {
			hooks.Add(1)
		}
	}))
	defer hook.Close()
	syslog, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer syslog.Close()
	logged := make(chan string, 1)
	go func() {
		c, err := syslog.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		line, _ := bufio.NewReader(c).ReadString('}')
		logged <- line
	}()
	stores(t, func(t *testing.T, sqlite bool, db ...string) {
		dir := filepath.Join(t.TempDir(), "ca")
		_, err := stepconfig.Init(t.Context(), stepconfig.InitOptions{
			Dir: dir, Name: "Test", DNSNames: []string{"localhost"}, Address: "127.0.0.1:0", Password: []byte("right"), KeepPassword: true,
		})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "secrets", "hook"), []byte(secret+"\n"), 0o600))
		own := filepath.Join(dir, "config", "chancery.json")
		sinks := `"audit": {"type": "file", "path": "audit.jsonl", "holdAfter": "1m"},
			"hook": {"type": "webhook", "url": "` + hook.URL + `", "allowHTTP": true, "secretFiles": ["secrets/hook"], "events": ["certificate.issued"]}`
		if sqlite {
			sinks += `, "log": {"type": "syslog", "address": "` + syslog.Addr().String() + `", "plain": true}`
		}
		require.NoError(t, os.WriteFile(own, []byte(`{"sinks": {`+sinks+`}}`), 0o600))
		p := begin(t, append([]string{"-dir", dir}, db...)...)
		p.wait(`"msg":"ready"`)
		status, body := sign(t, client(t, dir), p.url(), dir, "admin")
		require.Equal(t, http.StatusCreated, status, body)
		audit := filepath.Join(dir, "audit.jsonl")
		require.Eventually(t, func() bool {
			b, _ := os.ReadFile(audit)
			return bytes.Contains(b, []byte(`"web.internal"`)) && bytes.HasSuffix(b, []byte("}\n"))
		}, 20*time.Second, 20*time.Millisecond)
		require.Eventually(t, func() bool { return hooks.Load() >= 2 }, 20*time.Second, 20*time.Millisecond, "one for the client, one for itself")
		hooks.Store(0)
		if sqlite {
			select {
			case line := <-logged:
				require.Contains(t, line, "io.chancery.certificate.issued")
			case <-time.After(20 * time.Second):
				t.Fatal("syslog was told nothing")
			}
		}
		require.NoError(t, os.WriteFile(own, []byte(`{"sinks": {"audit": {"type": "file", "path": "none/audit.jsonl"}}}`), 0o600))
		require.NoError(t, p.Process.Signal(syscall.SIGHUP))
		p.wait(`"setting":"sinks.audit.path"`)
		require.NoError(t, p.Process.Signal(syscall.SIGTERM))
		require.Zero(t, p.ends(), "%s", p.stderr)
	})
}

// A NATS server that is not there yet is no reason not to start.
func TestNATSSink(t *testing.T) {
	broker, err := natsserver.NewServer(&natsserver.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	require.NoError(t, err)
	broker.Start()
	defer broker.Shutdown()
	require.True(t, broker.ReadyForConnections(20*time.Second))
	c, err := nats.Connect(broker.ClientURL())
	require.NoError(t, err)
	defer c.Close()
	js, err := jetstream.New(c)
	require.NoError(t, err)
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "events", Subjects: []string{"ca.>"}})
	require.NoError(t, err)

	k, err := openSinks(&stepconfig.File{Sinks: []stepconfig.Sink{
		{Name: "there", Kind: "nats", URL: broker.ClientURL(), Prefix: "ca", Stream: "events"},
		{Name: "absent", Kind: "nats", URL: "nats://127.0.0.1:1", Prefix: "ca"},
	}})
	require.NoError(t, err)
	defer k.close()
	e := event.Event{ID: "1", Type: event.ConfigChanged, Source: "/ca", Time: time.Unix(0, 0)}
	require.NoError(t, k.deliveries[0].Sink.Publish(t.Context(), e))
	m, err := stream.GetMsg(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, "ca.io.chancery.config.changed", m.Subject)
	require.ErrorIs(t, k.deliveries[1].Sink.Publish(t.Context(), e), natssink.ErrNotConnected)
	k.close()
	require.Error(t, k.deliveries[0].Sink.Publish(t.Context(), e))

	_, err = openSinks(&stepconfig.File{Sinks: []stepconfig.Sink{{Name: "x", Kind: "carrier-pigeon"}}})
	require.ErrorContains(t, err, "sinks.x.type: carrier-pigeon is not served")
}
