// Intermediate is an online CA, X.509, SSH and ACME: a drop-in for step-ca, for the step CLI and everything else that
// speaks its API.
//
//	go run ./examples/intermediate
//
// The first start makes a folder in the layout of `step ca init`, and every start prints how to reach the
// CA. An existing folder, one of step-ca's included, is served with
//
//	go run ./examples/intermediate -config /path/to/config/ca.json -password-file /path/to/password
//
// A folder that the first start made also has a CRL, and OCSP is answered: over plain HTTP, where certificates
// say, and under HTTPS. An older folder gets them by "crl" and "insecureAddress" in ca.json and "revocation" in
// chancery.json beside it; package stepconfig says what else can stand there. With -db, or "db" in ca.json, the
// records are in PostgreSQL, and several nodes serve one CA.
//
//	go run ./examples/intermediate certificates list -expires-before 7d
//
// and the other subcommands of certificates look at the records, export them, and revoke. A folder that the first
// start made also serves ACME, at /acme/acme/directory;
//
//	go run ./examples/intermediate acme keys add alice
//
// makes a key for an external account binding, which clients need if ca.json's ACME provisioner has requireEAB. ACME
// challenges are answered on ordinary public and private addresses; a CA that itself listens on loopback, where people
// try things out, lets them be answered there, too.
//
// SIGHUP reads ca.json again (`step ca provisioner add` and the like edit it), SIGTERM and SIGINT finish
// what is under way and stop. The log goes to stderr as JSON lines. Under systemd use Type=notify, with
// ExecReload=kill -HUP $MAINPID. Orchestrators may ask for /livez and /readyz.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/chancery-ca/chancery/authority/sqlite"
	"github.com/chancery-ca/chancery/internal/sdnotify"
)

func main() {
	debug.SetGCPercent(400) // what lives is a few megabytes; collecting less often saves a twentieth of the CPU
	if err := run(os.Args[1:], os.Getenv("NOTIFY_SOCKET"), os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "intermediate: %s\n", explain(err))
		os.Exit(1)
	}
}

// place says which CA is meant.
type place struct{ dir, config, passwordFile, db string }

func (p *place) flags(fs *flag.FlagSet) {
	fs.StringVar(&p.dir, "dir", "./chancery-ca", "the CA's `folder`; the server makes it if there is none")
	fs.StringVar(&p.config, "config", "", "an existing ca.json `file`, instead of -dir")
	fs.StringVar(&p.passwordFile, "password-file", "", "`file` with the password of the keys; default secrets/password in the folder")
	fs.StringVar(&p.db, "db", "", "the `URL` of a PostgreSQL database, instead of ca.json's db; its password is better in ~/.pgpass, since others see command lines")
}

func (p *place) check(set map[string]bool) error {
	if set["config"] && set["dir"] {
		return errors.New("-config and -dir exclude each other")
	}
	return checkDB(p.db)
}

// flags are what the command line says.
type flags struct {
	place
	address, httpAddress, dns, name string
	restored                        sqlite.Restored
	set                             map[string]bool // those that were given
}

func parseFlags(args []string, w io.Writer) (*flags, error) {
	f := &flags{set: map[string]bool{}}
	fs := flag.NewFlagSet("intermediate", flag.ContinueOnError)
	fs.SetOutput(w)
	f.place.flags(fs)
	fs.StringVar(&f.address, "address", "127.0.0.1:9000", "`host:port` to listen on; afterwards, instead of what ca.json says")
	fs.StringVar(&f.httpAddress, "http-address", "127.0.0.1:9080", "`host:port` for CRL and OCSP over plain HTTP, for a new folder; afterwards, instead of ca.json's insecureAddress. Empty: none")
	fs.StringVar(&f.dns, "dns", "localhost,127.0.0.1", "the CA's DNS `names` and IP addresses, for a new folder")
	fs.StringVar(&f.name, "name", "Chancery", "the CA's `name`, for a new folder")
	fs.TextVar(&f.restored, "restored", sqlite.Restored(0), "what to do when chancery.sqlite was restored from an older copy: `replay` what its journal has, or accept what cannot be replayed")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("there is no argument %q; see -help", fs.Arg(0))
	}
	fs.Visit(func(g *flag.Flag) { f.set[g.Name] = true })
	return f, f.check(f.set)
}

func (f *flags) names() []string {
	var names []string
	for n := range strings.SplitSeq(f.dns, ",") {
		if n = strings.TrimSpace(n); n != "" {
			names = append(names, n)
		}
	}
	return names
}

func run(args []string, notifySocket string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "certificates" {
		return certificates(context.Background(), args[1:], stdout, stderr)
	}
	if len(args) > 0 && args[0] == "acme" {
		return acmeKeys(context.Background(), args[1:], stdout, stderr)
	}
	f, err := parseFlags(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(stderr, nil))

	// A signal during start-up ends it; later ones are the server's.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP) // on Windows the last never comes
	defer signal.Stop(signals)

	ctx := context.Background()
	c, err := openFolder(ctx, f, log)
	if err != nil {
		return err
	}
	c.restored = f.restored
	s, err := start(ctx, c, f, log)
	if err != nil {
		return err
	}
	s.notify = &sdnotify.Notifier{Socket: notifySocket}
	return s.serve(ctx, signals, func() { s.banner(stdout) })
}
