package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/challenge"
	acmeserver "github.com/chancery-ca/chancery/acme/server"
)

// The ACME provisioners of the server.
const (
	stubbed = "stub"   // every challenge passes
	looking = "http01" // http-01 on the loopback
)

// acmeProvisioners makes them. port is where http-01 is answered.
func acmeProvisioners(store acme.Store, port uint16) ([]*acmeserver.Server, error) {
	http01, err := challenge.NewHTTP01(challenge.Config{
		Resolver: loopback{}, HTTPPort: max(port, 1), Addresses: challenge.Addresses{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	})
	if err != nil {
		return nil, err
	}
	var out []*acmeserver.Server
	for name, v := range map[string]acme.Validator{stubbed: passes{}, looking: http01} {
		s, err := acmeserver.New(acmeserver.Config{
			Name: name, Store: store, Validators: []acme.Validator{v}, Limits: acmeserver.Limits{Orders: -1, PendingAuthorizations: -1},
		})
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// passes is a validator that believes everybody.
type passes struct{}

func (passes) Type() acme.ChallengeType       { return acme.HTTP01 }
func (passes) Offers(id acme.Identifier) bool { return id.Type == acme.DNS && !id.Wildcard() }
func (passes) Validate(context.Context, *acme.Validation) (*acme.Evidence, error) {
	return &acme.Evidence{}, nil
}

// loopback says that every name leads to this machine.
type loopback struct{}

func (loopback) LookupAddrs(context.Context, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}
func (loopback) LookupTXT(context.Context, string) ([]string, error) { return nil, nil }
func (loopback) LookupCAA(context.Context, string) ([]challenge.CAARecord, error) {
	return nil, nil
}

// responder answers http-01 for all clients: they have the same account key.
func responder(thumbprint string) (port uint16, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, nil, err
	}
	s := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := strings.TrimPrefix(r.URL.Path, "/.well-known/acme-challenge/")
		fmt.Fprint(w, token+"."+thumbprint)
	})}
	go s.Serve(l)
	return l.Addr().(*net.TCPAddr).AddrPort().Port(), func() { s.Close() }, nil
}

// acmeMeasure measures whole issuances: order, authorization, challenge, finalization, download.
func acmeMeasure(n, clients, rounds int, postgresURL, profile string) error {
	key, err := newAccountKey()
	if err != nil {
		return err
	}
	port, stop, err := responder(key.thumbprint)
	if err != nil {
		return err
	}
	defer stop()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "store\tchallenge\tissuances/s\tserver CPU\tstore calls\tdatabase trips\tp50\tp99\tfloor\tratio\t")
	for _, url := range []string{"", postgresURL} {
		store := "SQLite"
		if url != "" {
			store = "PostgreSQL"
		} else if postgresURL != "" && profile != "" {
			continue // one profile, of the one that was asked for
		}
		if store == "SQLite" || url != "" {
			if err := acmeOn(w, store, url, profile, key, port, n, clients, rounds); err != nil {
				return err
			}
		}
		if postgresURL == "" {
			break
		}
	}
	return w.Flush()
}

func acmeOn(w *tabwriter.Writer, store, url, profile string, key *accountKey, port uint16, n, clients, rounds int) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := start(dir, url, profile, "-http01", fmt.Sprint(port))
	if err != nil {
		return err
	}
	defer s.stop()
	for _, name := range []string{stubbed, looking} {
		l, err := newACMELoad(s, key, name, clients)
		if err != nil {
			return err
		}
		var results []result
		for range rounds {
			r, err := l.run(n)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", store, name, err)
			}
			if r.floor, err = s.floor("acme"); err != nil {
				return err
			}
			results = append(results, r)
		}
		r := median(results)
		trips := "-"
		if r.trips > 0 {
			trips = fmt.Sprintf("%.1f", r.trips)
		}
		fmt.Fprintf(w, "%s\t%s\t%.0f\t%s\t%.1f\t%s\t%s\t%s\t%s\t%.2f\t\n", store, name, r.perSecond, round(r.cpu), r.calls, trips, round(r.p50), round(r.p99), round(r.floor), float64(r.cpu)/float64(r.floor))
	}
	return nil
}
