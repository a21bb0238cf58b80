package ordeal

import (
	"context"
	"errors"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/crl"
	"github.com/chancery-ca/chancery/authority/crl/crltest"
	"github.com/chancery-ca/chancery/authority/postgres"
	"github.com/chancery-ca/chancery/internal/pgtest"
)

// nodes is how many authorities share the database.
const nodes = 3

// TestNodes has several authorities, each in a process of its own, work on one PostgreSQL while one of them
// is killed every second and the database itself once, and compares what clients know with what it knows.
func TestNodes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs SIGKILL, which windows does not have")
	}
	pg := pgtest.Private(t).Mine(t)
	d := newDrama(t)
	url := pg.Database(t)
	ns := make([]*member, nodes)
	for i := range ns {
		ns[i] = d.join(url)
	}
	start, rounds := time.Now(), nodeRounds(t)
	for i := range rounds {
		if i == rounds/2 {
			pg.Restart(t, "immediate") // as if its power had gone
		}
		d.race(ns)
		time.Sleep(time.Second)
		ns[i%nodes].leave()
		ns[i%nodes] = d.join(url)
		if t.Failed() {
			t.Fatalf("after round %d", i)
		}
	}
	for _, n := range ns {
		n.rest()
	}
	d.replayElsewhere(ns)
	for _, n := range ns {
		require.NoError(t, n.child.stop())
	}

	store, err := postgres.Open(t.Context(), url, nil)
	require.NoError(t, err)
	all, events := d.settleOn(store)
	// Each refusal that was answered is told; one more may have been on its way to a client that saw its
	// server die.
	require.GreaterOrEqual(t, events.spent, d.replayed)
	abandoned := 0
	for _, r := range all {
		if r.Status == authority.Abandoned {
			abandoned++
		}
	}
	published := d.lastList(store)
	require.NoError(t, store.Close())
	t.Logf("%d kills in %s, one restart of the database: %d certificates received, %d requests without an answer, %d reserved and abandoned, "+
		"%d records; %d tokens replayed and refused, %d sent again and good after all; %d revoked; %d events, %d of them repeated; %d CRLs, %d entries on the last",
		rounds, time.Since(start).Round(time.Millisecond), len(d.received), d.torn, abandoned, len(all),
		d.replayed, d.late, len(d.revoked), events.distinct, events.repeated, len(events.crls), published)
	require.Greater(t, len(events.crls), 1)
}

func nodeRounds(t *testing.T) int {
	if v := os.Getenv("CHANCERY_NODE_ROUNDS"); v != "" {
		n, err := strconv.Atoi(v)
		require.NoError(t, err)
		return n
	}
	if testing.Short() {
		return 3
	}
	return 6
}

// node is the process that gets killed: one authority of several.
func node(args []string) error {
	dir, ctx := args[0], context.Background()
	k, err := readKeys(dir)
	if err != nil {
		return err
	}
	store, err := postgres.Open(ctx, args[1], nil)
	for n := 0; errors.Is(err, authority.ErrUnavailable) && n < 100; n++ { // the database may be about to start
		time.Sleep(100 * time.Millisecond)
		store, err = postgres.Open(ctx, args[1], nil)
	}
	if err != nil {
		return err
	}
	lists := func(ctx context.Context, a *authority.Authority) error {
		p, err := crl.New(a, crl.Options{})
		if err != nil {
			return err
		}
		return p.Run(ctx)
	}
	return errors.Join(run(ctx, dir, k, store, lists), store.Close())
}

// member is a node as its clients see it.
type member struct {
	child *child
	url   string
	load  *load
	end   context.CancelFunc
}

// join starts a node, and clients that use it.
func (d *drama) join(url string) *member {
	c := startChild(d.t, "node", d.dir, url)
	ctx, cancel := context.WithCancel(d.t.Context())
	m := &member{child: c, url: c.line(d.t), end: cancel}
	m.load = &load{t: d.t, k: d.k, url: m.url, roots: d.roots, key: d.load.key, ledger: d.ledger, busy: true}
	m.load.start(ctx)
	return m
}

// leave kills a node under its clients.
func (m *member) leave() {
	m.child.kill()
	m.rest()
}

// rest ends the clients.
func (m *member) rest() {
	m.end()
	m.load.wg.Wait()
}

// race sends one token to all nodes at once: one certificate at most may come of it.
func (d *drama) race(ns []*member) {
	u, err := d.k.use("race"+strconv.Itoa(d.nextSubject())+".ordeal.internal", d.load.key)
	require.NoError(d.t, err)
	var wg sync.WaitGroup
	answers := make([]*answer, len(ns))
	for i, n := range ns {
		wg.Go(func() {
			c := newClient(n.url, d.roots, false)
			defer c.close()
			answers[i], _ = c.sign(d.t.Context(), u.token, u.csr) // without an answer it is nil
		})
	}
	wg.Wait()
	won := 0
	for _, a := range answers {
		switch {
		case a == nil || a.status == http.StatusServiceUnavailable:
		case a.status == http.StatusCreated:
			won++
			d.got(a, d.load.key)
		case a.status == http.StatusUnauthorized:
			d.replayed++
		default:
			d.t.Errorf("one token at three nodes: status %d", a.status)
		}
	}
	require.LessOrEqual(d.t, won, 1, "a token was good at two nodes")
	d.used(u, won == 1)
}

// replayElsewhere sends what was spent to another node than the one that took it, as far as that can be
// known, and settles what had no answer.
func (d *drama) replayElsewhere(ns []*member) {
	for i, n := range ns {
		c := newClient(n.url, d.roots, false)
		if i == 0 {
			for _, u := range d.takeUnsure() {
				d.again(c, u)
			}
		}
		for j, u := range d.spent {
			if j%nodes == i {
				d.refused(c, u)
			}
		}
		for j, r := range d.revoked {
			if j%nodes == i && j < 60 {
				d.stillRevoked(n.url, r)
			}
		}
		c.close()
	}
}

// lastList makes a last CRL and compares it with the store.
func (d *drama) lastList(store authority.Store) (entries int) {
	a := d.k.authority(d.t, store, nil)
	p, err := crl.New(a, crl.Options{})
	require.NoError(d.t, err)
	require.NoError(d.t, p.Publish(d.t.Context()))
	require.Empty(d.t, crltest.Verify(d.t.Context(), a))
	require.Empty(d.t, crltest.Rely(d.t.Context(), a, p.Handler()))
	return p.Status()[0].Entries
}
