package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"

	"github.com/chancery-ca/chancery/authority/stepconfig"
)

// loopback is where programs of this machine reach each other.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// onLoopback reports whether nobody but programs of this machine can reach the CA.
func (s *server) onLoopback() bool {
	at, ok := s.listener.Addr().(*net.TCPAddr)
	return ok && at.IP.IsLoopback()
}

// acme says where challenges may be answered: nowhere that the CA itself answers, and on loopback only if all of its
// clients are there, too.
func (s *server) acme() stepconfig.ACME {
	a := stepconfig.ACME{Listeners: []net.Addr{s.listener.Addr()}}
	if s.plain != nil {
		a.Listeners = append(a.Listeners, s.plain.Addr())
	}
	if s.onLoopback() {
		a.Allow = loopback
	}
	return a
}

const onLoopback = "the CA listens on loopback, so ACME challenges may be answered on loopback too"

// acmeProvisioner is the first one; nil: there is none.
func acmeProvisioner(file *stepconfig.File) *stepconfig.Provisioner {
	for i := range file.Provisioners {
		if p := &file.Provisioners[i]; p.Type == "ACME" {
			return p
		}
	}
	return nil
}

// acmeWords says how an ACME client gets a certificate: certbot, with folders of its own, so that it needs no other
// rights than to listen.
func (s *server) acmeWords(w io.Writer, url string) {
	file := s.live.Load().file
	p := acmeProvisioner(file)
	if p == nil {
		return
	}
	dir := absolute(filepath.Join(file.Base, "certbot"))
	port, account := "", " --register-unsafely-without-email"
	if p.HTTPPort != 0 {
		port = fmt.Sprintf(" --http-01-port %d", p.HTTPPort)
	}
	if p.ExternalKeys {
		account += " --eab-kid ID --eab-hmac-key KEY"
	}
	fmt.Fprintf(w, "or have an ACME client get and renew them, for instance:\n\n")
	fmt.Fprintf(w, "  REQUESTS_CA_BUNDLE=%s certbot certonly -n --standalone%s --server %s -d localhost --agree-tos%s --config-dir %s --work-dir %s --logs-dir %s\n\n",
		quote(absolute(file.Roots[0])), port, quote(directory(url, p.Name)), account, quote(filepath.Join(dir, "config")), quote(filepath.Join(dir, "work")), quote(filepath.Join(dir, "logs")))
	if p.ExternalKeys {
		fmt.Fprintf(w, "  ID and KEY come from: acme keys add NAME\n")
	}
	if p.HTTPPort == 0 {
		fmt.Fprintf(w, "  It listens on port 80, as ACME has it. Where that needs root, say \"acme\": {\"httpPort\": 5002} in\n  %s, and --http-01-port 5002 here.\n", absolute(filepath.Join(filepath.Dir(file.Path), stepconfig.OwnFile)))
	}
	if s.onLoopback() {
		fmt.Fprintf(w, "  Note: %s.\n", onLoopback)
	}
	fmt.Fprintln(w)
}

// directory is where ACME clients begin.
func directory(url, provisioner string) string { return url + "/acme/" + provisioner + "/directory" }
