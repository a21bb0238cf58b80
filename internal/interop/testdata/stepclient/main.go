// Command stepclient uses a CA through step-ca's own Go client. It is a module of its own, so that what
// that client depends on stays out of ours.
//
//	stepclient issuer    URL ROOT PROVISIONER KID PASSWORD   what step-issuer does for a CertificateRequest
//	stepclient bootstrap SERVER-TOKEN CLIENT-TOKEN           mutual TLS between a server and a client, each from a token
//
// It prints "ok" at the end.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/smallstep/certificates/api"
	"github.com/smallstep/certificates/authority/provisioner"
	"github.com/smallstep/certificates/ca"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var err error
	switch args := os.Args[1:]; {
	case len(args) == 6 && args[0] == "issuer":
		err = issuer(ctx, args[1], args[2], args[3], args[4], args[5])
	case len(args) == 3 && args[0] == "bootstrap":
		err = bootstrap(ctx, args[1], args[2])
	default:
		err = errors.New("wrong arguments")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("ok")
}

func issuer(ctx context.Context, url, root, name, kid, password string) error {
	p, err := ca.NewProvisioner(name, kid, url, []byte(password), ca.WithRootFile(root))
	if err != nil {
		return fmt.Errorf("NewProvisioner: %w", err)
	}
	names := []string{"workload.internal", "workload.default.svc"}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: names[0]}, DNSNames: names}, key)
	if err != nil {
		return err
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return err
	}
	sign := func(life time.Duration) (*api.SignResponse, error) {
		token, err := p.Token(names[0], names...)
		if err != nil {
			return nil, err
		}
		var end api.TimeDuration
		end.SetDuration(life)
		return p.SignWithContext(ctx, &api.SignRequest{CsrPEM: api.NewCertificateRequest(csr), OTT: token, NotAfter: end})
	}
	r, err := sign(2 * time.Hour)
	if err != nil {
		return fmt.Errorf("Sign: %w", err)
	}
	chain := r.CertChainPEM
	if len(chain) != 2 || !chain[0].Equal(r.ServerPEM.Certificate) || !chain[1].Equal(r.CaPEM.Certificate) {
		return fmt.Errorf("a chain of %d", len(chain))
	}
	leaf := chain[0].Certificate
	if life := time.Until(leaf.NotAfter); life < 2*time.Hour-time.Minute || life > 2*time.Hour {
		return fmt.Errorf("a life of %s", life)
	}
	if len(leaf.DNSNames) != 2 || !leaf.PublicKey.(*ecdsa.PublicKey).Equal(key.Public()) {
		return errors.New("not what was asked for")
	}
	pool := x509.NewCertPool()
	pool.AddCert(chain[1].Certificate)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: p.GetRootCAs(), Intermediates: pool, DNSName: names[1]}); err != nil {
		return err
	}
	if _, err := sign(10000 * time.Hour); err == nil {
		return errors.New("a year was granted")
	} else {
		fmt.Println("refused:", err)
	}

	// And the rest of a certificate's life.
	crt := tls.Certificate{Certificate: [][]byte{leaf.Raw, chain[1].Raw}, PrivateKey: key}
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.GetRootCAs(), Certificates: []tls.Certificate{crt}}}
	renewed, err := p.RenewWithContext(ctx, tr)
	if err != nil {
		return fmt.Errorf("Renew: %w", err)
	}
	if renewed.ServerPEM.SerialNumber.Cmp(leaf.SerialNumber) == 0 {
		return errors.New("renewed with the same serial")
	}
	if _, err := p.RevokeWithContext(ctx, &api.RevokeRequest{Serial: leaf.SerialNumber.String(), Passive: true}, tr); err != nil {
		return fmt.Errorf("Revoke: %w", err)
	}
	if _, err := p.RenewWithContext(ctx, tr); err == nil {
		return errors.New("a revoked certificate was renewed")
	}
	list, err := p.Provisioners()
	if err != nil {
		return fmt.Errorf("Provisioners: %w", err)
	}
	for _, l := range list.Provisioners {
		if l.GetName() == name && l.GetType() == provisioner.TypeJWK {
			return nil
		}
	}
	return errors.New("the provisioner is not in the list")
}

func bootstrap(ctx context.Context, serverToken, clientToken string) error {
	server, err := ca.BootstrapServer(ctx, serverToken, &http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "hello %s", r.TLS.PeerCertificates[0].Subject.CommonName)
		}),
	}, ca.VerifyClientCertIfGiven())
	if err != nil {
		return fmt.Errorf("BootstrapServer: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go server.ServeTLS(listener, "", "")
	defer server.Close()
	client, err := ca.BootstrapClient(ctx, clientToken)
	if err != nil {
		return fmt.Errorf("BootstrapClient: %w", err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return err
	}
	res, err := client.Get("https://localhost:" + port)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if string(b) != "hello client.internal" {
		return fmt.Errorf("the server said %q", b)
	}
	return nil
}
