// Krlfetch keeps a host's list of revoked SSH keys and certificates up to date.
//
//	krlfetch -url https://ca.example:9000/ssh/krl -root /etc/ssh/root_ca.crt -file /etc/ssh/revoked.krl -every 2s
//
// sshd is told with "RevokedKeys /etc/ssh/revoked.krl", and reads the file anew for every login, so a revocation
// counts within the time between two fetches. The file must be there before sshd is told: without it, or if it is
// damaged, nobody gets in by a key. Without -every it fetches once, for a timer of systemd's:
//
//	[Service]                                        [Timer]
//	Type=oneshot                                     OnBootSec=10s
//	ExecStart=/usr/local/bin/krlfetch -url ...       OnUnitActiveSec=30s
//
// A list that is older than the one in the file, or than -max-age, is not taken over, nor one that none of the keys
// in -keys has signed; then it says so and, without -every, exits with 1. After the CA was restored from a backup, so
// that its versions are lower than before, fetch to another file, and move that to the place of the old one.
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
	f, file, every, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	for err == nil {
		var o *krl.Outcome
		o, err = f.Fetch(ctx, file)
		switch {
		case err == nil && (o.Updated || every == 0):
			fmt.Fprintf(stdout, "%s: version %d of %s, %d entries\n", map[bool]string{true: "updated", false: "unchanged"}[o.Updated],
				o.Version, o.Generated.Format(time.RFC3339), o.Entries)
		case err != nil && every > 0 && ctx.Err() == nil:
			fmt.Fprintf(stderr, "krlfetch: %s\n", err)
		}
		if every == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
			err = nil
		}
	}
	return err
}

func parse(args []string, stderr io.Writer) (f *krl.Fetcher, file string, every time.Duration, err error) {
	tlsConfig := &tls.Config{}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: tlsConfig, TLSHandshakeTimeout: 10 * time.Second}
	f = &krl.Fetcher{Client: &http.Client{Transport: transport, Timeout: 30 * time.Second}}
	fs := flag.NewFlagSet("krlfetch", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&f.URL, "url", "", "where the list is, https")
	fs.StringVar(&file, "file", "", "`file` to keep up to date")
	fs.Func("root", "PEM `file` with the CA's root; default the system's", func(name string) error {
		b, err := os.ReadFile(name)
		if tlsConfig.RootCAs = x509.NewCertPool(); err == nil && !tlsConfig.RootCAs.AppendCertsFromPEM(b) {
			err = errors.New("it holds no certificate")
		}
		return err
	})
	fs.Func("keys", "`file` with the public keys that may sign, as in authorized_keys; default whoever answers is believed", func(name string) error {
		b, err := os.ReadFile(name)
		for err == nil { // until there is no further key, which is an error, too
			var k ssh.PublicKey
			if k, _, _, b, err = ssh.ParseAuthorizedKey(b); err == nil {
				f.Keys = append(f.Keys, k)
			}
		}
		if len(f.Keys) > 0 {
			return nil
		}
		return err
	})
	fs.DurationVar(&every, "every", 0, "how often; default once")
	fs.DurationVar(&f.MaxAge, "max-age", time.Hour, "how old a list may be")
	if err = fs.Parse(args); err == nil && (f.URL == "" || file == "" || fs.NArg() > 0 || every < 0) {
		err = errors.New("-url and -file are needed, and nothing else; see -help")
	}
	return f, file, every, err
}
