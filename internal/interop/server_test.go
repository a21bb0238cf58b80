package interop

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const password = "correct horse battery staple" // of every key of every CA here

var scratch string // for what outlives a test; made and removed by TestMain

// peer reports whether the tests are to run against the real step-ca.
func peer() bool { return os.Getenv("CHANCERY_INTEROP_SERVER") == "step-ca" }

// ours skips a test of what we do differently on purpose.
func ours(t *testing.T, why string) {
	t.Helper()
	if peer() {
		t.Skip("not how step-ca has it: " + why)
	}
}

var build = sync.OnceValues(func() (string, error) {
	goTool := find("go")
	if goTool == "" {
		return "", errors.New("the go command is not installed")
	}
	bin := filepath.Join(scratch, "intermediate")
	cmd := exec.Command(goTool, "build", "-o", bin, "../../examples/intermediate")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return bin, nil
})

// program is the server under test.
func program(t testing.TB) string {
	t.Helper()
	if peer() {
		return need(t, "step-ca")
	}
	need(t, "go")
	bin, err := build()
	require.NoError(t, err, "building examples/intermediate")
	return bin
}

// server is a CA that runs.
type server struct {
	dir          string // as step ca init lays it out
	url          string
	port         string
	plain        string // URL of the plain HTTP listener; empty in folders by step ca init
	passwordFile string
	env          []string // beside the usual
	flags        []string // of every start

	cmd    *exec.Cmd
	stderr *output
	shared bool // outlives the test that started it
	exited chan struct{}
	err    error // of the process; read after exited
}

// options are how a folder is made.
type options struct {
	dns []string // default localhost and 127.0.0.1
	// byStep makes the folder with the real step ca init, with these further flags.
	byStep []string
	flags  []string // of every start
}

// makeFolder lays out a CA's folder without leaving a server running in it.
func makeFolder(t testing.TB, o options) *server {
	t.Helper()
	dir, err := os.MkdirTemp(scratch, "ca")
	require.NoError(t, err)
	s := &server{dir: filepath.Join(dir, "ca"), port: freePort(t), flags: o.flags}
	s.url = "https://localhost:" + s.port
	s.passwordFile = filepath.Join(dir, "password")
	require.NoError(t, os.WriteFile(s.passwordFile, []byte(password+"\n"), 0o600))
	if len(o.dns) == 0 {
		o.dns = []string{"localhost", "127.0.0.1"}
	}
	if !peer() && o.byStep == nil {
		port := freePort(t)
		s.plain = "http://" + net.JoinHostPort(o.dns[0], port)
		s.start(t, "-dns", strings.Join(o.dns, ","), "-name", "Interop", "-http-address", "127.0.0.1:"+port)
		require.NoError(t, s.stop(t))
		return s
	}
	args := []string{"ca", "init", "--name", "Interop", "--address", "127.0.0.1:" + s.port, "--provisioner", "admin",
		"--password-file", s.passwordFile, "--provisioner-password-file", s.passwordFile, "--deployment-type", "standalone"}
	for _, n := range o.dns {
		args = append(args, "--dns", n)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, need(t, "step"), append(args, o.byStep...)...)
	cmd.Env = environment(s.dir)
	require.NoError(t, os.Mkdir(s.dir, 0o700))
	out, err := cmd.CombinedOutput()
	require.NoErrorf(t, err, "step ca init\n%s", out)
	return s
}

// serve starts a server in a new folder, for this test alone.
func serve(t *testing.T, o options) *server {
	t.Helper()
	s := makeFolder(t, o)
	s.start(t)
	return s
}

var common struct {
	once sync.Once
	*server
}

// shared is one server for all tests that leave its configuration alone.
func shared(t *testing.T) *server {
	t.Helper()
	program(t)
	common.once.Do(func() {
		s := makeFolder(t, options{dns: []string{"localhost", "127.0.0.1", "::1", "ca.interop.test"}})
		s.shared = true
		s.start(t)
		common.server = s
	})
	require.NotNil(t, common.server, "the shared server did not start")
	return common.server
}

var running struct {
	sync.Mutex
	all []*server
}

func stopAll() {
	running.Lock()
	defer running.Unlock()
	for _, s := range running.all {
		s.cmd.Process.Kill()
		<-s.exited
	}
}

// start starts the server and waits until it answers and is ready, which it is with the first CRLs. It is
// killed when the tests are over, and its stderr is shown if t fails.
func (s *server) start(t testing.TB, flags ...string) {
	t.Helper()
	s.launch(t, flags...)
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := s.health()
		if err == nil && !peer() && !strings.Contains(s.stderr.String(), `"msg":"ready"`) {
			err = errors.New("not ready")
		}
		if err == nil {
			return
		}
		select {
		case <-s.exited:
			t.Fatalf("the server ended: %v\n%s", s.err, s.stderr)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server does not answer: %v\n%s", err, s.stderr)
		}
	}
}

// launch starts the server and does not wait.
func (s *server) launch(t testing.TB, flags ...string) {
	t.Helper()
	args := slices.Concat([]string{"-config", s.config(), "-password-file", s.passwordFile, "-address", "127.0.0.1:" + s.port}, s.flags, flags)
	if _, err := os.Stat(s.config()); err != nil {
		args[0], args[1] = "-dir", s.dir
	}
	if peer() {
		args = []string{s.config(), "--password-file", s.passwordFile}
	}
	s.cmd = exec.Command(program(t), args...)
	s.cmd.Env, s.cmd.Dir = append(environment(s.dir), s.env...), scratch
	s.stderr, s.exited = &output{}, make(chan struct{})
	s.cmd.Stdout, s.cmd.Stderr = s.stderr, s.stderr
	require.NoError(t, s.cmd.Start())
	running.Lock()
	running.all = append(running.all, s)
	running.Unlock()
	log, exited := s.stderr, s.exited
	go func() {
		s.err = s.cmd.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the server's output:\n%s", log)
		}
		if !s.shared {
			s.kill()
		}
	})
}

func (s *server) kill() {
	s.cmd.Process.Kill()
	<-s.exited
}

// stop asks the server to end, as systemd does, and returns how it did.
func (s *server) stop(t testing.TB) error {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-s.exited:
	case <-time.After(30 * time.Second):
		t.Fatalf("the server does not stop\n%s", s.stderr)
	}
	return s.err
}

// reload makes the server read its configuration again, and waits until something shows that it did.
func (s *server) reload(t testing.TB, shows func() bool) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGHUP))
	require.Eventuallyf(t, shows, 20*time.Second, 30*time.Millisecond, "the reload has no effect")
}

func (s *server) config() string        { return filepath.Join(s.dir, "config", "ca.json") }
func (s *server) root() string          { return filepath.Join(s.dir, "certs", "root_ca.crt") }
func (s *server) intermediate() string  { return filepath.Join(s.dir, "certs", "intermediate_ca.crt") }
func (s *server) at(host string) string { return net.JoinHostPort(host, s.port) }

// own is the text of chancery.json, for the next start or reload.
func (s *server) own(t testing.TB, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "config", "chancery.json"), []byte(text), 0o600))
}

// edit changes ca.json as a person with an editor does.
func (s *server) edit(t testing.TB, change func(ca, authority map[string]any)) {
	t.Helper()
	b, err := os.ReadFile(s.config())
	require.NoError(t, err)
	var ca map[string]any
	require.NoError(t, json.Unmarshal(b, &ca))
	change(ca, ca["authority"].(map[string]any))
	b, err = json.MarshalIndent(ca, "", "  ")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.config(), b, 0o600))
}

// pool trusts the server's root.
func (s *server) pool() *x509.CertPool {
	p := x509.NewCertPool()
	if b, err := os.ReadFile(s.root()); err == nil {
		p.AppendCertsFromPEM(b)
	}
	return p
}

// http is a plain client of the API.
func (s *server) http(client ...tls.Certificate) *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: s.pool(), Certificates: client},
		DisableKeepAlives: true,
	}}
}

func (s *server) health() error {
	res, err := s.http().Get(s.url + "/health")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}

// get fetches a path that has to answer below 300, and decodes it.
func (s *server) get(t testing.TB, path string, v any) {
	t.Helper()
	res, err := s.http().Get(s.url + path)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	require.NoError(t, err)
	require.Lessf(t, res.StatusCode, 300, "%s: %s", path, b)
	require.NoError(t, json.Unmarshal(b, v))
}

// published is what clients see of a provisioner.
type published struct {
	Type, Name string
	Key        struct {
		KeyID string `json:"kid"`
	}
	EncryptedKey string
}

func (s *server) provisioners(t testing.TB) []published {
	t.Helper()
	var page struct{ Provisioners []published }
	s.get(t, "/provisioners?limit=100", &page)
	return page.Provisioners
}

// has reports whether a provisioner of that name is served.
func (s *server) has(t testing.TB, name string) func() bool {
	return func() bool {
		for _, p := range s.provisioners(t) {
			if p.Name == name {
				return true
			}
		}
		return false
	}
}
