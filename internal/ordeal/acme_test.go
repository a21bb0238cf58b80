package ordeal

import (
	"context"
	"errors"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	xacme "golang.org/x/crypto/acme"

	"github.com/chancery-ca/chancery/acme"
	acmeserver "github.com/chancery-ca/chancery/acme/server"
	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/postgres"
	"github.com/chancery-ca/chancery/internal/pgtest"
)

// acmeURL is what clients see, whichever node they come to: as behind a load balancer.
const acmeURL = "https://127.0.0.1/acme/acme"

// willing is a validator that believes everybody, after a moment in which a node can be killed.
type willing struct{}

func (willing) Type() acme.ChallengeType       { return acme.HTTP01 }
func (willing) Offers(id acme.Identifier) bool { return id.Type == acme.DNS && !id.Wildcard() }
func (willing) Validate(ctx context.Context, _ *acme.Validation) (*acme.Evidence, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(5 * time.Millisecond):
		return &acme.Evidence{}, nil
	}
}

// acmeNode is the process that gets killed: one ACME server of several.
func acmeNode(args []string) error {
	dir, ctx := args[0], context.Background()
	k, err := readKeys(dir)
	if err != nil {
		return err
	}
	store, err := postgres.Open(ctx, args[1], nil)
	if err != nil {
		return err
	}
	s, err := acmeserver.New(acmeserver.Config{
		URL: acmeURL, Store: store.ACME(), Validators: []acme.Validator{willing{}},
		Limits: acmeserver.Limits{Accounts: -1, Orders: -1, PendingAuthorizations: -1},
	})
	if err != nil {
		return err
	}
	k.guests = append(k.guests, s)
	return errors.Join(run(ctx, dir, k, store, func(context.Context, *authority.Authority) error { return nil }), store.Close())
}

// TestACMENodes has clients order certificates, each with an account of its own or all with one, at several nodes
// that share one PostgreSQL, while one of them is killed every second. Every order has to end in a state of the RFC,
// and no order in two certificates.
func TestACMENodes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs SIGKILL, which windows does not have")
	}
	clients, orders := acmeCrowd(t)
	d := newDrama(t)
	url := pgtest.Private(t).Mine(t).Database(t)
	b := &balancer{}
	ns := make([]*child, nodes)
	for i := range ns {
		ns[i] = startChild(t, "acme", d.dir, url)
		b.set(i, strings.TrimPrefix(ns[i].line(t), "https://"))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(9+clients*orders/200)*time.Minute)
	defer cancel()
	start := time.Now()
	var shoppers []*shopper
	shared := newKey(t)
	for i := range clients {
		s := &shopper{t: t, id: i, orders: orders, key: newKey(t)}
		if i%2 == 0 {
			s.key = shared
		}
		s.client = &xacme.Client{
			Key: s.key, DirectoryURL: acmeURL + "/directory", HTTPClient: b.client(d.roots),
			RetryBackoff: func(n int, _ *http.Request, _ *http.Response) time.Duration {
				return min(time.Duration(n)*20*time.Millisecond, 200*time.Millisecond)
			},
		}
		shoppers = append(shoppers, s)
	}
	var wg sync.WaitGroup
	for _, s := range shoppers {
		wg.Go(func() { s.shop(ctx) })
	}
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	kills := 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(time.Second):
			i := kills % nodes
			ns[i].kill()
			kills++
			ns[i] = startChild(t, "acme", d.dir, url)
			b.set(i, strings.TrimPrefix(ns[i].line(t), "https://"))
		}
	}
	took := time.Since(start)
	for _, n := range ns {
		require.NoError(t, n.stop())
	}
	store, err := postgres.Open(t.Context(), url, nil)
	require.NoError(t, err)
	defer store.Close()
	s := &stock{t: t, store: store, a: d.k.authority(t, store, nil)}
	s.take()
	failed, retries := 0, 0
	for _, p := range shoppers {
		retries += p.retries
		failed += s.compare(p)
	}
	require.Zero(t, failed, "certificates that were not obtained")
	t.Logf("%d clients, %d orders each, %d kills in %s: %d orders, %d certificates, %d reserved and abandoned, %d steps done again",
		clients, orders, kills, took.Round(time.Millisecond), len(s.orders), s.issued, s.abandoned, retries)
}

func acmeCrowd(t *testing.T) (clients, orders int) {
	if v := os.Getenv("CHANCERY_ACME_CROWD"); v != "" {
		a, b, ok := strings.Cut(v, "x")
		require.True(t, ok)
		var err1, err2 error
		clients, err1 = strconv.Atoi(a)
		orders, err2 = strconv.Atoi(b)
		require.NoError(t, errors.Join(err1, err2))
		return clients, orders
	}
	if testing.Short() {
		return 4, 4
	}
	return 10, 10
}

// stock is what the store has in the end.
type stock struct {
	t     *testing.T
	store *postgres.Store
	a     *authority.Authority

	orders            map[string]*acme.Order // ID → order
	byOrder           map[string][]authority.Serial
	issued, abandoned int
}

// take reads every record, and the order of each.
func (s *stock) take() {
	s.orders, s.byOrder = map[string]*acme.Order{}, map[string][]authority.Serial{}
	q := authority.Query{Provisioner: "acme", Limit: 1000}
	for {
		p, err := s.a.Certificates(s.t.Context(), q)
		require.NoError(s.t, err)
		for _, r := range p.Records {
			switch r.Status {
			case authority.Issued:
				s.issued++
				s.byOrder[r.RequestID] = append(s.byOrder[r.RequestID], r.Serial)
			case authority.Abandoned, authority.Reserved:
				s.abandoned++
			}
		}
		if q.Cursor = p.Next; q.Cursor == "" {
			break
		}
	}
	for id, serials := range s.byOrder {
		require.Len(s.t, serials, 1, "order %s has two certificates", id)
	}
}

// compare looks at what a client has seen, and returns what it did not get.
func (s *stock) compare(p *shopper) (failed int) {
	for _, uri := range p.seen {
		id := uri[strings.LastIndexByte(uri, '/')+1:]
		if s.orders[id] != nil {
			continue
		}
		o, auths, err := s.store.ACME().Order(s.t.Context(), nil, id)
		require.NoError(s.t, err, "an order that a client was told of is gone")
		s.orders[id] = o
		switch st := o.State(auths, time.Now()); st {
		case acme.Valid:
			require.Equal(s.t, []authority.Serial{authority.Serial(o.Serial)}, s.byOrder[id], "order %s", id)
		case acme.Pending, acme.Ready, acme.Processing, acme.Invalid:
		default:
			s.t.Errorf("order %s is %q", id, st)
		}
	}
	for name, serial := range p.got {
		r, err := s.a.Certificate(s.t.Context(), serial)
		require.NoError(s.t, err, name)
		require.Equal(s.t, authority.Issued, r.Status, name)
		require.Equal(s.t, []string{name}, r.Names)
		require.Equal(s.t, string(serial), s.orders[r.RequestID].Serial, "%s: the order says that it has another certificate", name)
	}
	return p.orders - len(p.got)
}
