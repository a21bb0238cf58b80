// Embedded is a service with a CA of its own inside: it makes its server certificate, gives a client
// one, and lets nobody in who has none. Nothing is on disk, and nothing outlives the process.
//
//	go run ./examples/embedded
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, w io.Writer) error {
	root, key, err := newRoot(ctx)
	if err != nil {
		return err
	}
	ca, err := authority.New(authority.Config{
		Roots:   []*x509.Certificate{root},
		Issuers: []authority.Issuer{{Name: "embedded", Chain: []*x509.Certificate{root}, Signer: key}},
		Provisioners: []provisioner.Provisioner{
			&provisioner.Local{ID: "us", Names: provisioner.Names{DNS: []string{"localhost", "client.localhost"}}},
		},
		Store: authority.NewMemory(),
	})
	if err != nil {
		return err
	}
	defer ca.Close()
	server, err := authority.NewIdentity(ctx, ca, authority.IdentityOptions{Provisioner: "us", Names: []string{"localhost"}})
	if err != nil {
		return err
	}
	client, err := authority.NewIdentity(ctx, ca, authority.IdentityOptions{Provisioner: "us", Names: []string{"client.localhost"}})
	if err != nil {
		return err
	}
	trust := x509.NewCertPool()
	trust.AddCert(root)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	hello := func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello, %s", r.TLS.PeerCertificates[0].Subject.CommonName)
	}
	s := &http.Server{Handler: http.HandlerFunc(hello), ReadHeaderTimeout: 10 * time.Second, TLSConfig: &tls.Config{
		GetCertificate: server.GetCertificate, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trust,
	}}
	defer s.Close()
	go s.ServeTLS(l, "", "") //nolint:errcheck // ends with Close
	with := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		ServerName: "localhost", RootCAs: trust, GetClientCertificate: client.GetClientCertificate,
	}}}
	defer with.CloseIdleConnections()
	return talk(ctx, w, with, "https://"+l.Addr().String(), trust)
}
