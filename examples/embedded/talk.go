package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

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
	root, err := authority.SelfSign(ctx, authority.Root{Subject: pkix.Name{CommonName: "Embedded CA"}, Life: 48 * time.Hour}, signer)
	return root, signer, err
}

// talk asks with a certificate and without one, and says what came of it.
func talk(ctx context.Context, w io.Writer, with *http.Client, url string, trust *x509.CertPool) error {
	answer, err := get(ctx, with, url)
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "with a certificate:", answer)
	without := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{ServerName: "localhost", RootCAs: trust}}}
	defer without.CloseIdleConnections()
	if _, err := get(ctx, without, url); err == nil {
		return errors.New("a client without a certificate was let in")
	}
	fmt.Fprintln(w, "without one: not let in")
	return nil
}

func get(ctx context.Context, c *http.Client, url string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	a, err := c.Do(r)
	if err != nil {
		return "", err
	}
	defer a.Body.Close()
	b, err := io.ReadAll(io.LimitReader(a.Body, 1<<10))
	return string(b), err
}
