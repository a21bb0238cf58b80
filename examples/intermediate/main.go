// Intermediate is an online X.509 CA: a drop-in for step-ca, for the step CLI and everything else that
// speaks its API.
//
//	go run ./examples/intermediate
//
// The first start makes a folder in the layout of `step ca init`, and every start prints how to reach the
// CA. An existing folder, one of step-ca's included, is served with
//
//	go run ./examples/intermediate -config /path/to/config/ca.json -password-file /path/to/password
//
// SIGHUP reads ca.json again (`step ca provisioner add` and the like edit it), SIGTERM and SIGINT finish
// what is under way and stop. The log goes to stderr as JSON lines. Under systemd use Type=notify, with
// ExecReload=kill -HUP $MAINPID.
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

	"github.com/chancery-ca/chancery/internal/sdnotify"
)

func main() {
	debug.SetGCPercent(400) // what lives is a few megabytes; collecting less often saves a twentieth of the CPU
	if err := run(os.Args[1:], os.Getenv("NOTIFY_SOCKET"), os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "intermediate: %s\n", explain(err))
		os.Exit(1)
	}
}

// flags are what the command line says.
type flags struct {
	dir, address, dns, name, passwordFile, config string
	set                                           map[string]bool // those that were given
}

func parseFlags(args []string, w io.Writer) (*flags, error) {
	f := &flags{set: map[string]bool{}}
	fs := flag.NewFlagSet("intermediate", flag.ContinueOnError)
	fs.SetOutput(w)
	fs.StringVar(&f.dir, "dir", "./chancery-ca", "the CA's `folder`; made if there is none")
	fs.StringVar(&f.address, "address", "127.0.0.1:9000", "`host:port` to listen on; afterwards, instead of what ca.json says")
	fs.StringVar(&f.dns, "dns", "localhost,127.0.0.1", "the CA's DNS `names` and IP addresses, for a new folder")
	fs.StringVar(&f.name, "name", "Chancery", "the CA's `name`, for a new folder")
	fs.StringVar(&f.passwordFile, "password-file", "", "`file` with the password of the keys; default secrets/password in the folder")
	fs.StringVar(&f.config, "config", "", "an existing ca.json `file`, instead of -dir")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("there is no argument %q; see -help", fs.Arg(0))
	}
	fs.Visit(func(g *flag.Flag) { f.set[g.Name] = true })
	if f.set["config"] && f.set["dir"] {
		return nil, errors.New("-config and -dir exclude each other")
	}
	return f, nil
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
	s, err := start(ctx, c, f, log)
	if err != nil {
		return err
	}
	s.notify = &sdnotify.Notifier{Socket: notifySocket}
	return s.serve(ctx, signals, func() { s.banner(stdout) })
}
