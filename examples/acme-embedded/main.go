// Acme-embedded is a service with an ACME CA inside: whoever can prove names gets certificates for them, and another
// service, which has autocert as it is, does so in its first handshake. Nothing is on disk, and nothing outlives the
// process.
//
//	go run ./examples/acme-embedded
package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/server"
	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/httpapi"
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
	shop, err := listen()
	if err != nil {
		return err
	}
	defer shop.Close()
	validator, err := onLoopback(shop) // a CA on a network leaves Validators out
	if err != nil {
		return err
	}
	orders, err := server.New(server.Config{Validators: []acme.Validator{validator}})
	if err != nil {
		return err
	}
	ca, err := authority.New(authority.Config{
		Roots:        []*x509.Certificate{root},
		Issuers:      []authority.Issuer{{Name: "embedded", Chain: []*x509.Certificate{root}, Signer: key}},
		Provisioners: []provisioner.Provisioner{orders, &provisioner.Local{ID: "us", Names: provisioner.Names{DNS: []string{"localhost"}}}},
		Store:        authority.NewMemory(),
	})
	if err != nil {
		return err
	}
	defer ca.Close()
	us, err := authority.NewIdentity(ctx, ca, authority.IdentityOptions{Provisioner: "us", Names: []string{"localhost"}})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "the service itself") })
	mux.Handle("/ca/", http.StripPrefix("/ca", orders.Handler(ca)))
	l, err := listen()
	if err != nil {
		return err
	}
	s := httpapi.Timeouts(&http.Server{Handler: mux, TLSConfig: httpapi.TLSConfig(ca, us.GetCertificate)})
	ctx, stop := context.WithCancel(ctx)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return ended(ca.Run(ctx)) })
	g.Go(func() error { return ended(s.ServeTLS(l, "", "")) })
	err = trade(ctx, w, shop, "https://localhost:"+port(l)+"/ca/directory", root)
	stop()
	_ = s.Close()
	if ended := g.Wait(); err == nil {
		err = ended
	}
	return err
}
