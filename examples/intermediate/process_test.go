package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/stepconfig"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/jwk"
)

// process is the program while it runs.
type process struct {
	*exec.Cmd
	t      *testing.T
	stdout *lockedBuffer
	stderr *lockedBuffer
	done   chan error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

func begin(t *testing.T, args ...string) *process {
	if runtime.GOOS == "windows" {
		t.Skip("signals")
	}
	p := &process{Cmd: exec.Command(os.Args[0], args...), t: t, stdout: &lockedBuffer{}, stderr: &lockedBuffer{}, done: make(chan error, 1)}
	p.Env = append(os.Environ(), "BE_INTERMEDIATE=1")
	p.Stdout, p.Stderr = p.stdout, p.stderr
	require.NoError(t, p.Start())
	go func() { p.done <- p.Wait() }()
	t.Cleanup(func() { p.Process.Kill(); p.Process.Wait() })
	return p
}

// wait waits for a line of the log.
func (p *process) wait(text string) {
	require.Eventually(p.t, func() bool { return strings.Contains(p.stderr.String(), text) }, 60*time.Second, 20*time.Millisecond,
		"no %q in:\n%s", text, p.stderr)
}

// ends waits for the end of the process and returns its exit code.
func (p *process) ends() int {
	select {
	case <-p.done:
		return p.ProcessState.ExitCode()
	case <-time.After(60 * time.Second):
		p.t.Fatalf("still running:\n%s", p.stderr)
		return -1
	}
}

var urlLine = regexp.MustCompile(`URL +(https://\S+)`)

func (p *process) url() string {
	// The two outputs come through pipes of their own, so the log may be ahead.
	require.Eventually(p.t, func() bool { return strings.Contains(p.stdout.String(), "step ca certificate") }, 10*time.Second, 10*time.Millisecond)
	return urlLine.FindStringSubmatch(p.stdout.String())[1]
}

func client(t *testing.T, dir string) *http.Client {
	b, err := os.ReadFile(filepath.Join(dir, "certs", "root_ca.crt"))
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(b))
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}
}

func sign(t *testing.T, c *http.Client, url, dir, provisionerName string) (int, string) {
	leaf, err := kms.Generate(kms.ECDSAP256)
	require.NoError(t, err)
	csr, err := authority.NewRequest(leaf, "web.internal", provisioner.ParseNames([]string{"web.internal"}))
	require.NoError(t, err)
	return post(t, c, url+"/1.0/sign", map[string]any{
		"csr": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr.Raw})), "notAfter": "", "notBefore": "",
		"ott": token(t, dir, provisionerName, url+"/1.0/sign", "web.internal"),
	})
}

// token is one of the first provisioner's, under any name.
func token(t *testing.T, dir, provisionerName, audience, subject string) string {
	f, err := stepconfig.Load(filepath.Join(dir, "config", "ca.json"))
	require.NoError(t, err)
	password, err := readPassword(filepath.Join(dir, "secrets", "password"))
	require.NoError(t, err)
	key, err := jwk.Decrypt(f.Provisioners[0].EncryptedKeys[0], password)
	require.NoError(t, err)
	s, err := jwk.NewSigner(provisionerName, *key)
	require.NoError(t, err)
	token, err := s.Sign(provisioner.Ticket{Audience: audience, Subject: subject})
	require.NoError(t, err)
	return token
}

func post(t *testing.T, c *http.Client, url string, body map[string]any) (int, string) {
	b, err := json.Marshal(body)
	require.NoError(t, err)
	r, err := c.Post(url, "application/json", bytes.NewReader(b))
	require.NoError(t, err)
	defer r.Body.Close()
	b, err = io.ReadAll(r.Body)
	require.NoError(t, err)
	return r.StatusCode, string(b)
}

func TestFromNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "the ca")
	p := begin(t, "-dir", dir, "-address", "127.0.0.1:0", "-http-address", "127.0.0.1:0", "-name", "Test")
	p.wait(`"msg":"ready"`)
	url, c := p.url(), client(t, dir)
	banner := p.stdout.String()
	password := filepath.Join(dir, "secrets", "password")
	root, err := os.ReadFile(filepath.Join(dir, "certs", "root_ca.crt"))
	require.NoError(t, err)
	block, _ := pem.Decode(root)
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	require.Contains(t, banner, "step ca bootstrap --ca-url "+url+" --fingerprint "+stepconfig.Fingerprint(cert)+"\n")
	require.Contains(t, banner, "step ca certificate localhost srv.crt srv.key --provisioner admin --provisioner-password-file '"+password+"'\n")

	r, err := c.Get(url + "/health")
	require.NoError(t, err)
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	r.Body.Close()
	require.JSONEq(t, `{"status":"ok"}`, string(b))
	require.Equal(t, "Step Online CA", r.TLS.PeerCertificates[0].Subject.CommonName)
	require.Len(t, r.TLS.PeerCertificates, 2, "leaf and intermediate")
	for _, path := range []string{"/livez", "/readyz"} {
		r, err := c.Get(url + path)
		require.NoError(t, err)
		r.Body.Close()
		require.Equal(t, http.StatusOK, r.StatusCode, path)
	}
	r, err = c.Get(url + "/roots")
	require.NoError(t, err)
	r.Body.Close()
	require.Equal(t, http.StatusCreated, r.StatusCode)

	status, body := sign(t, c, url, dir, "admin")
	require.Equal(t, http.StatusCreated, status, body)

	t.Run("second process", func(t *testing.T) {
		q := begin(t, "-dir", dir, "-address", "127.0.0.1:0")
		require.Equal(t, 1, q.ends())
		require.Contains(t, q.stderr.String(), "Another process serves this CA already.")
	})

	t.Run("bad edit", func(t *testing.T) {
		edit(t, dir, `"dnsNames"`, `"dnsName"`)
		require.NoError(t, p.Process.Signal(syscall.SIGHUP))
		p.wait(`"setting":"dnsName","reason":"is not a setting`) // one of two lines, in their order
		require.Regexp(t, `"line":\d+,"setting":"dnsName","reason":"is not a setting`, p.stderr.String())
		r, err := c.Get(url + "/health")
		require.NoError(t, err)
		r.Body.Close()
		edit(t, dir, `"dnsName"`, `"dnsNames"`)
	})

	t.Run("a name that cannot be certified", func(t *testing.T) {
		edit(t, dir, `"localhost"`, `"local_host-.internal"`)
		require.NoError(t, p.Process.Signal(syscall.SIGHUP))
		p.wait("making the server's own certificate")
		edit(t, dir, `"local_host-.internal"`, `"localhost"`)
		c.CloseIdleConnections()
		status, body := sign(t, c, url, dir, "admin")
		require.Equal(t, http.StatusCreated, status, body)
	})

	t.Run("good edit", func(t *testing.T) {
		edit(t, dir, `"name": "admin"`, `"name": "renamed"`)
		edit(t, dir, `"127.0.0.1"`, `"localhost.localdomain"`)
		require.NoError(t, p.Process.Signal(syscall.SIGHUP))
		p.wait("configuration reloaded")
		status, _ := sign(t, c, url, dir, "admin")
		require.Equal(t, http.StatusUnauthorized, status)
		status, body := sign(t, c, url, dir, "renamed")
		require.Equal(t, http.StatusCreated, status, body)
		c.CloseIdleConnections()
		r, err := c.Get(url + "/health")
		require.NoError(t, err)
		r.Body.Close()
		require.Contains(t, r.TLS.PeerCertificates[0].DNSNames, "localhost.localdomain")
	})

	require.NoError(t, p.Process.Signal(syscall.SIGTERM))
	require.Zero(t, p.ends(), "%s", p.stderr)
	checkLog(t, p.stderr.String())

	// The folder serves again, and knows what was issued.
	p = begin(t, "-dir", dir, "-address", "127.0.0.1:0")
	p.wait(`"msg":"ready"`)
	require.Contains(t, p.stdout.String(), "Your certificate authority is up.")
	status, body = sign(t, c, p.url(), dir, "renamed")
	require.Equal(t, http.StatusCreated, status, body)
	require.NoError(t, p.Process.Signal(os.Interrupt))
	require.Zero(t, p.ends(), "%s", p.stderr)
}

func edit(t *testing.T, dir, old, with string) {
	path := filepath.Join(dir, "config", "ca.json")
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(b), old)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(b), old, with, 1)), 0o600))
}

// checkLog makes sure that every line is JSON, and that none holds a token or a CSR.
func checkLog(t *testing.T, log string) {
	s := bufio.NewScanner(strings.NewReader(log))
	issued, requests := 0, 0
	for s.Scan() {
		var line struct{ Msg, Type, Provisioner string }
		require.NoError(t, json.Unmarshal(s.Bytes(), &line), "%s", s.Bytes())
		require.NotContains(t, s.Text(), "eyJ")
		require.NotContains(t, s.Text(), "BEGIN")
		if line.Type == "io.chancery.certificate.issued" && line.Provisioner != "chancery/ocsp" {
			issued++
		}
		if line.Msg == "request" {
			requests++
		}
	}
	require.Equal(t, 5, issued, "three for clients, two for itself, its OCSP responder apart\n%s", log)
	require.GreaterOrEqual(t, requests, 5)
}

func TestMessages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	_, err := stepconfig.Init(t.Context(), stepconfig.InitOptions{
		Dir: dir, Name: "Test", DNSNames: []string{"localhost"}, Address: "127.0.0.1:0", Password: []byte("right"),
	})
	require.NoError(t, err)
	wrong := filepath.Join(dir, "wrong")
	require.NoError(t, os.WriteFile(wrong, []byte("wrong\n"), 0o600))
	require.NoError(t, os.Chmod(wrong, 0o644))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	config := filepath.Join(dir, "config", "ca.json")
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"-config", config, "-password-file", wrong}, []string{"does not open", "-password-file", "can be read or changed by others"}},
		{[]string{"-config", config}, []string{"does not open", "-password-file"}},
		{[]string{"-config", config, "-address", l.Addr().String()}, []string{"in use", "-address"}},
		{[]string{"-config", config + "x"}, []string{"cannot be read", "no such file"}},
		{[]string{"-config", config, "-dir", dir}, []string{"exclude each other"}},
		{[]string{"serve"}, []string{`no argument "serve"`}},
		{[]string{"-config", config, "-address", "127.0.0.1:0", "-http-address", l.Addr().String()}, []string{"in use", "-http-address"}},
		{[]string{"-db", "mysql://x"}, []string{"-db must be a URL such as postgres://"}},
		{[]string{"-config", config, "-db", "postgres://u:secret@127.0.0.1:1/x?connect_timeout=1"}, []string{"-db: "}},
		{[]string{"certificates", "destroy"}, []string{`no command "destroy"`, "usage:"}},
		{[]string{"-dir", filepath.Join(t.TempDir(), "x"), "-dns", "a b"}, []string{`"a b" is neither`}},
	} {
		p := begin(t, c.args...)
		require.Equal(t, 1, p.ends(), "%q", c.args)
		for _, want := range c.want {
			require.Contains(t, p.stderr.String(), want, "%q", c.args)
		}
		require.NotContains(t, p.stderr.String(), "goroutine")
		require.NotContains(t, p.stderr.String(), "secret@")
	}
}

func TestNotifies(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no unix datagram sockets")
	}
	short, err := os.MkdirTemp("", "n")
	require.NoError(t, err)
	defer os.RemoveAll(short)
	socket := filepath.Join(short, "s")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	require.NoError(t, err)
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	next := func() string {
		b := make([]byte, 200)
		require.NoError(t, l.SetReadDeadline(time.Now().Add(60*time.Second)))
		n, err := l.Read(b)
		require.NoError(t, err)
		return string(b[:n])
	}
	p := begin(t, "-dir", filepath.Join(t.TempDir(), "ca"), "-address", "127.0.0.1:0", "-http-address", "")
	require.Equal(t, "READY=1", next())
	require.NoError(t, p.Process.Signal(syscall.SIGHUP))
	require.Equal(t, "RELOADING=1", next())
	require.Equal(t, "READY=1", next())
	require.NoError(t, p.Process.Signal(syscall.SIGTERM))
	require.Equal(t, "STOPPING=1", next())
	require.Zero(t, p.ends())
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{"a/b.c": "a/b.c", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "https://[::1]:9": "'https://[::1]:9'", "$(x)": "'$(x)'"} {
		require.Equal(t, want, quote(in))
	}
}
