package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/chancery-ca/chancery/acme/challenge"
	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/kms"
)

// newRoot makes a root for two days, which issues by itself.
func newRoot(ctx context.Context) (*x509.Certificate, kms.Signer, error) {
	key, err := kms.Generate(kms.ECDSAP256)
	if err != nil {
		return nil, nil, err
	}
	signer := kms.FromCrypto(key)
	root, err := authority.SelfSign(ctx, authority.Root{Subject: pkix.Name{CommonName: "Embedded ACME CA"}, Life: 48 * time.Hour}, signer)
	return root, signer, err
}

func listen() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }

func port(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// onLoopback makes tls-alpn-01 look for every name at a port of this machine, where no CA on a network would look.
func onLoopback(l net.Listener) (*challenge.TLSALPN01, error) {
	p, err := strconv.ParseUint(port(l), 10, 16)
	if err != nil {
		return nil, err
	}
	return challenge.NewTLSALPN01(challenge.Config{
		Resolver: here{}, TLSPort: uint16(p), Addresses: challenge.Addresses{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}},
	})
}

// here is a DNS in which everything is on this machine.
type here struct{ challenge.System }

func (here) LookupAddrs(context.Context, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}, nil
}

// trade opens the shop, which has no certificate before somebody comes, and visits it.
func trade(ctx context.Context, w io.Writer, l net.Listener, directory string, root *x509.Certificate) error {
	trust := x509.NewCertPool()
	trust.AddCert(root)
	ca := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}}}
	defer ca.CloseIdleConnections()
	m := &autocert.Manager{
		Prompt: autocert.AcceptTOS, HostPolicy: autocert.HostWhitelist("shop.internal"),
		Client: &acme.Client{DirectoryURL: directory, HTTPClient: ca},
	}
	s := &http.Server{TLSConfig: m.TLSConfig(), ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "the shop is open")
	})}
	done := make(chan error, 1)
	go func() { done <- ended(s.ServeTLS(l, "", "")) }()
	err := visit(ctx, w, l.Addr().String(), trust)
	return errors.Join(err, s.Close(), <-done)
}

func visit(ctx context.Context, w io.Writer, at string, trust *x509.CertPool) error {
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust, ServerName: "shop.internal"}}, Timeout: time.Minute}
	defer c.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+at, nil)
	if err != nil {
		return err
	}
	a, err := c.Do(r)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	b, err := io.ReadAll(io.LimitReader(a.Body, 1<<10))
	leaf := a.TLS.PeerCertificates[0]
	fmt.Fprintf(w, "%s, with a certificate for %s by %s\n", b, leaf.DNSNames, leaf.Issuer.CommonName)
	return err
}

// ended makes no error of the ways in which things end as they should.
func ended(err error) error {
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
