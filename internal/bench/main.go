// Command bench measures what a certificate costs: signing and renewing over HTTPS against a durable
// store, with the server in a process of its own, and in the same run the floor, which is the bare
// cryptography of the same request. Absolute times differ between machines; the ratio is the figure to
// compare.
//
//	go run ./internal/bench [-n 4000] [-c 32] [-postgres postgres://…]
//
// With growth, it measures what a store full of certificates costs: start-up, issuing, searching, CRLs and
// pruning, empty and full.
//
//	go run ./internal/bench growth [-rows 10000000] [-postgres postgres://…]
//
// With acme, it measures complete ACME issuances, with http-01 on the loopback and with validation that believes
// everybody, on SQLite and, if there is a URL, on PostgreSQL.
//
//	go run ./internal/bench acme [-n 2000] [-c 8] [-postgres postgres://…]
//
// With ssh, it measures SSH user certificates beside X.509 ones, on SQLite and in memory, and with fleet what a
// day's busiest hour asks of a small server: five hundred hosts that renew, and two hundred people who log in.
//
//	go run ./internal/bench ssh [-n 4000] [-c 32] [-sshkey ed25519] [-postgres postgres://…]
//	go run ./internal/bench fleet
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"
)

func main() {
	n := flag.Int("n", 4000, "requests per measurement")
	c := flag.Int("c", 32, "concurrent clients")
	rounds := flag.Int("rounds", 3, "measurements of each kind; the median is printed")
	dir := flag.String("server", "", "run as the server in that folder (used by the program itself)")
	only := flag.String("only", "", "measure just that operation")
	profile := flag.String("cpuprofile", "", "write the server's CPU profile there")
	url := flag.String("postgres", "", "the URL of an empty PostgreSQL database to use instead of SQLite")
	sshKey := flag.String("sshkey", "p256", "what the SSH CA's keys are: p256, as step ca init --ssh makes them, or ed25519")
	memory := flag.Bool("memory", false, "keep certificates in memory instead of SQLite")
	port := flag.Uint("http01", 0, "the port where http-01 is answered (used by the program itself)")
	rows := flag.Int("rows", 10_000_000, "growth: how many certificates")
	folder := flag.String("dir", "", "growth: the folder for the SQLite file; default a temporary one")
	args := os.Args[1:]
	what := ""
	if len(args) > 0 && slices.Contains([]string{"growth", "acme", "ssh", "fleet"}, args[0]) {
		what, args = args[0], args[1:]
	}
	if what == "acme" {
		*n, *c = 2000, 8
	}
	flag.CommandLine.Parse(args)
	var err error
	switch {
	case what == "acme":
		err = acmeMeasure(*n, *c, *rounds, *url, *profile)
	case what == "growth":
		err = growth(context.Background(), *rows, *folder, *url)
	case *dir != "":
		err = serve(context.Background(), *dir, *url, *profile, *sshKey, *memory, uint16(*port))
	case what == "fleet":
		err = fleet(*url, *sshKey)
	case what == "ssh":
		err = sshMeasure(*n, *c, *rounds, *sshKey, *url, *profile)
	default:
		ops := []string{"sign", "renew"}
		if *only != "" {
			ops = []string{*only}
		}
		err = measure(*n, *c, *rounds, ops, *memory, *url, *profile)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func measure(n, clients, rounds int, ops []string, memory bool, postgresURL, profile string) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := start(dir, postgresURL, profile, fmt.Sprintf("-memory=%t", memory))
	if err != nil {
		return err
	}
	defer s.stop()
	l, err := newLoad(s, clients)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "operation\top/s\tserver CPU/op\tp50\tp99\tfloor\tratio\t")
	for _, op := range []operation{l.sign(), l.renew(), l.ssh(keyP256)} {
		if !slices.Contains(ops, op.name) {
			continue
		}
		r, err := l.rounds(op, n, rounds)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\t%.0f\t%s\t%s\t%s\t%s\t%.2f\t\n", op.name, r.perSecond, round(r.cpu), round(r.p50), round(r.p99), round(r.floor), float64(r.cpu)/float64(r.floor))
	}
	return w.Flush()
}

func round(d time.Duration) time.Duration { return d.Round(time.Microsecond) }
