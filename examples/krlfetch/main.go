// Krlfetch keeps a host's list of revoked SSH keys and certificates up to date.
//
//	krlfetch -url https://ca.example:9000/ssh/krl -root /etc/ssh/root_ca.crt -file /etc/ssh/revoked.krl -every 2s
//
// sshd is told with
//
//	RevokedKeys /etc/ssh/revoked.krl
//
// and reads the file anew for every login, so a revocation counts within the time between two fetches. The
// file must be there before sshd is told: without it, or if it is damaged, nobody gets in by a key. Without
// -every it fetches once, for a timer. A list that is older than the one in the file, or than -max-age, is not
// taken over, nor one that none of the keys in -keys has signed; then it says so and, without -every, fails.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/sshca/krl"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "krlfetch: %s\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("krlfetch", flag.ContinueOnError)
	fs.SetOutput(stderr)
	url, file := fs.String("url", "", "where the list is, https"), fs.String("file", "", "`file` to keep up to date")
	root, keys := fs.String("root", "", "PEM `file` with the CA's root; default the system's"), fs.String("keys", "", "`file` with the public keys that may sign, as in authorized_keys")
	every, maxAge := fs.Duration("every", 0, "how often; default once"), fs.Duration("max-age", time.Hour, "how old a list may be")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	case *url == "" || *file == "" || fs.NArg() > 0:
		return errors.New("-url and -file are needed, and nothing else; see -help")
	}
	f := &krl.Fetcher{URL: *url, MaxAge: *maxAge}
	var err error
	if f.Client, err = client(*root); err != nil {
		return err
	}
	if f.Keys, err = trusted(*keys); err != nil {
		return err
	}
	for {
		o, err := f.Fetch(ctx, *file)
		switch {
		case err != nil && *every == 0:
			return err
		case err != nil && ctx.Err() == nil:
			fmt.Fprintf(stderr, "krlfetch: %s\n", err)
		case err == nil && (o.Updated || *every == 0):
			fmt.Fprintf(stdout, "version %d of %s, %d entries\n", o.Version, o.Generated.Format(time.RFC3339), o.Entries)
		}
		if *every == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(*every):
		}
	}
}

func client(root string) (*http.Client, error) {
	t := &http.Transport{TLSClientConfig: &tls.Config{}, TLSHandshakeTimeout: 10 * time.Second}
	if root != "" {
		b, err := os.ReadFile(root)
		if err != nil {
			return nil, err
		}
		if t.TLSClientConfig.RootCAs = x509.NewCertPool(); !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(b) {
			return nil, fmt.Errorf("%s holds no certificate", root)
		}
	}
	return &http.Client{Transport: t, Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, nil
}

func trusted(file string) (keys []ssh.PublicKey, _ error) {
	if file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(file)
	for err == nil && len(b) > 0 {
		var k ssh.PublicKey
		if k, _, _, b, err = ssh.ParseAuthorizedKey(b); err == nil {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s holds no public key: %w", file, err)
	}
	return keys, nil
}
