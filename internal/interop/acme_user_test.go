package interop

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme/challenge"
)

// acmeUser is somebody who uses an ACME client, in a home of their own.
type acmeUser struct {
	*client
	lab       *acmeLab
	http, tls string   // ports to listen on; the lab's
	env       []string // beside the usual
}

func (l *acmeLab) user() *acmeUser {
	return &acmeUser{client: newClient(l.t), lab: l, http: l.http, tls: l.tls, env: []string{
		"REQUESTS_CA_BUNDLE=" + l.rootFile,    // certbot
		"LEGO_CA_CERTIFICATES=" + l.rootFile,  // lego
		"NODE_EXTRA_CA_CERTS=" + l.rootFile,   // node
		"XDG_DATA_HOME=/nonexistent/chancery", // nothing of the machine's owner
	}}
}

// try runs a program, and returns what it printed on both channels.
func (u *acmeUser) try(program string, args ...string) (string, error) {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, need(u.t, program), args...)
	cmd.Dir, cmd.Env = u.home, append(environment(u.home), u.env...)
	cmd.Stdin, u.stdin = strings.NewReader(u.stdin), ""
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), errors.Join(err, ctx.Err())
}

// run runs a program that has to succeed.
func (u *acmeUser) run(program string, args ...string) string {
	u.t.Helper()
	out, err := u.try(program, args...)
	require.NoErrorf(u.t, err, "%s %s\n%s", program, strings.Join(args, " "), clip(out))
	return out
}

// refused runs a program that has to fail, and to say each of these words.
func (u *acmeUser) refused(words []string, program string, args ...string) string {
	u.t.Helper()
	out, err := u.try(program, args...)
	var exit *exec.ExitError
	require.ErrorAsf(u.t, err, &exit, "%s %s\n%s", program, strings.Join(args, " "), clip(out))
	told := strings.Join(strings.Fields(out), " ") // it may be wrapped
	for _, w := range words {
		require.Containsf(u.t, told, w, "%s %s\n%s", program, strings.Join(args, " "), clip(out))
	}
	return out
}

// got reads a certificate that must be there, and checks it.
func (u *acmeUser) got(file string, names ...string) *x509.Certificate {
	u.t.Helper()
	return u.lab.verify(parse(u.t, u.path(file)), names...)
}

// script writes a program for sh.
func (u *acmeUser) script(name, text string) string {
	u.t.Helper()
	require.NoError(u.t, os.WriteFile(u.path(name), []byte("#!/bin/sh\nset -eu\n"+text), 0o700))
	return u.path(name)
}

// serveFiles has a web server on the port of http-01 until the test is over.
func (l *acmeLab) serveFiles(dir string) { l.serveHTTP(http.FileServer(http.Dir(dir))) }

func (l *acmeLab) serveHTTP(h http.Handler) {
	l.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:"+l.http)
	require.NoError(l.t, err)
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.Serve(listener) }()
	l.t.Cleanup(func() { _ = s.Close() })
}

// impostor answers every http-01 request, with something else than what is asked for.
func (l *acmeLab) impostor() {
	l.serveHTTP(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(filepath.Base(r.URL.Path) + ".anotherAccountsThumbprint"))
	}))
}

// daemon runs a program until the test is over.
func (u *acmeUser) daemon(program string, args ...string) *output {
	u.t.Helper()
	cmd := exec.Command(need(u.t, program), args...)
	cmd.Dir, cmd.Env = u.home, append(environment(u.home), u.env...)
	log := &output{}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = log, log, 5*time.Second
	require.NoError(u.t, cmd.Start())
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	u.t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-exited:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-exited
		}
		if u.t.Failed() {
			u.t.Logf("%s:\n%s", program, log)
		}
	})
	return log
}

// fits has OpenSSL compare a private key with a certificate.
func (u *acmeUser) fits(cert, key string) {
	u.t.Helper()
	public := u.run("openssl", "x509", "-in", cert, "-noout", "-pubkey")
	require.Equal(u.t, public, u.run("openssl", "pkey", "-in", key, "-pubout"))
}

// tlsImpostor answers every tls-alpn-01 connection with an ordinary certificate for the name.
func (l *acmeLab) tlsImpostor() {
	l.serveALPN(func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return l.SignAnything(func(*x509.Certificate) {}, h.ServerName), nil
	})
}

// serveALPN answers tls-alpn-01 on the lab's port until the test is over.
func (l *acmeLab) serveALPN(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) {
	l.t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:"+l.tls, &tls.Config{NextProtos: []string{challenge.ALPNProtocol}, GetCertificate: get})
	require.NoError(l.t, err)
	l.t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			_ = c.(*tls.Conn).Handshake()
			_ = c.Close()
		}
	}()
}
