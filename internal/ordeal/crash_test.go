package ordeal

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/sqlite"
)

// TestCrash kills the server again and again, at any moment, start-up included, and compares what its
// clients know with what it knows afterwards.
func TestCrash(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs SIGKILL, which windows does not have")
	}
	d := newDrama(t)
	start, rounds := time.Now(), crashRounds(t)
	for i := range rounds {
		d.round(i)
		if t.Failed() {
			t.Fatalf("after round %d", i)
		}
		if i%10 == 9 {
			d.inspect()
		}
	}
	d.replayAll()
	records, events := d.settle()
	abandoned := 0
	for _, r := range records {
		if r.Status == authority.Abandoned {
			abandoned++
		}
	}
	t.Logf("%d rounds in %s: %d certificates received, %d requests without an answer, %d reserved and abandoned, %d records; "+
		"%d tokens replayed and refused, %d sent again and good after all; %d revoked; %d events, %d of them repeated",
		rounds, time.Since(start).Round(time.Millisecond), len(d.received), d.torn, abandoned, len(records),
		d.replayed, d.late, len(d.revoked), events.distinct, events.repeated)
	if rounds >= 50 {
		require.Positive(t, abandoned, "no crash ever left a reservation: this test has lost its point")
	}
}

func crashRounds(t *testing.T) int {
	if v := os.Getenv("CHANCERY_CRASH_ROUNDS"); v != "" {
		n, err := strconv.Atoi(v)
		require.NoError(t, err)
		return n
	}
	if testing.Short() {
		return 3
	}
	return 10
}

// drama is one CA and its clients, over many lives of its server.
type drama struct {
	*ledger
	t     *testing.T
	dir   string
	k     *keys
	roots *x509.CertPool
	load  *load

	inspected int // certificates received that were looked up in the store
}

func newDrama(t *testing.T) *drama {
	d := &drama{ledger: newLedger(), t: t, dir: t.TempDir()}
	d.k = newKeys(t, d.dir)
	d.roots = d.k.pool(t)
	d.load = &load{t: t, k: d.k, roots: d.roots, key: newKey(t), ledger: d.ledger}
	return d
}

// round is one life of the server.
func (d *drama) round(i int) {
	c := startChild(d.t, "serve", d.dir)
	defer c.kill()
	if i%8 == 3 { // some do not even finish starting
		time.Sleep(rand.N(60 * time.Millisecond))
		return
	}
	url := c.line(d.t)
	d.replayLatest(url)
	ctx, cancel := context.WithCancel(d.t.Context())
	defer cancel()
	l := &load{t: d.t, k: d.k, url: url, roots: d.roots, key: d.load.key, ledger: d.ledger}
	l.start(ctx)
	select {
	case <-l.first:
	case <-time.After(20 * time.Second):
		d.t.Error("no certificate within 20s")
	}
	time.Sleep(5*time.Millisecond + rand.N(75*time.Millisecond))
	c.kill()
	cancel()
	l.wg.Wait()
}

// replayLatest tries what was on its way when the server was killed, and what had just been done.
func (d *drama) replayLatest(url string) {
	c := newClient(url, d.roots, false)
	defer c.close()
	for _, u := range d.takeUnsure() {
		d.again(c, u)
	}
	for _, u := range d.spent[max(0, len(d.spent)-4):] {
		d.refused(c, u)
	}
	for _, r := range d.revoked[max(0, len(d.revoked)-2):] {
		d.stillRevoked(url, r)
	}
}

// again sends a token whose first use was not answered: it is good, or was good before.
func (d *drama) again(c *client, u use) {
	a, err := c.sign(d.t.Context(), u.token, u.csr)
	require.NoError(d.t, err)
	d.used(u, true)
	switch a.status {
	case http.StatusCreated:
		d.got(a, d.load.key)
		d.late++
	case http.StatusUnauthorized:
		d.replayed++
	default:
		d.t.Errorf("a token whose first use was not answered: status %d", a.status)
	}
}

// refused sends a token that was spent.
func (d *drama) refused(c *client, u use) {
	a, err := c.sign(d.t.Context(), u.token, u.csr)
	require.NoError(d.t, err)
	require.Equal(d.t, http.StatusUnauthorized, a.status, "a token was good twice, for %s", u.subject)
	d.replayed++
}

func (d *drama) stillRevoked(url string, r tls.Certificate) {
	c := newClient(url, d.roots, false, r)
	defer c.close()
	a, err := c.renew(d.t.Context())
	require.NoError(d.t, err)
	require.Equal(d.t, http.StatusUnauthorized, a.status, "a revoked certificate was renewed")
	token, err := d.k.token("/revoke", r.Leaf.SerialNumber.String())
	require.NoError(d.t, err)
	a, err = c.revoke(d.t.Context(), r.Leaf, token)
	require.NoError(d.t, err)
	require.Equal(d.t, http.StatusBadRequest, a.status, "a certificate was revoked twice")
}

// replayAll tries everything once more on a server that is left alone, and stops it in good order.
func (d *drama) replayAll() {
	s := startChild(d.t, "serve", d.dir)
	url := s.line(d.t)
	c := newClient(url, d.roots, false)
	defer c.close()
	for _, u := range d.takeUnsure() {
		d.again(c, u)
	}
	for _, u := range d.spent {
		d.refused(c, u)
	}
	for _, r := range d.revoked[max(0, len(d.revoked)-100):] {
		d.stillRevoked(url, r)
	}
	c.close()
	require.NoError(d.t, s.stop())
}

// inspect looks into the store between two lives, for what was received since the last time.
func (d *drama) inspect() {
	s, err := sqlite.Open(d.t.Context(), filepath.Join(d.dir, storeFile), nil)
	require.NoError(d.t, err)
	defer func() { require.NoError(d.t, s.Close()) }()
	for _, c := range d.received[d.inspected:] {
		r, err := s.Certificate(d.t.Context(), authority.SerialOf(c.SerialNumber))
		require.NoError(d.t, err, "a certificate was received and is not in the store")
		require.Equal(d.t, c.Raw, r.DER)
		require.Equal(d.t, authority.Issued, r.Status)
	}
	d.inspected = len(d.received)
	checkIntegrity(d.t, filepath.Join(d.dir, storeFile))
}
