package ordeal

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/sqlite"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/provisioner"
)

type records = map[authority.Serial]*authority.Record

// settle lets the authority's background work come to its end in this process, and compares everything
// with everything.
func (d *drama) settle() (records, *told) {
	t := d.t
	path := filepath.Join(d.dir, storeFile)
	store, err := sqlite.Open(t.Context(), path, nil)
	require.NoError(t, err)
	all, events := d.settleOn(store)
	require.Equal(t, d.replayed, events.spent, "tokens refused, and refusals told because the token was spent")
	require.NoError(t, store.Close())
	checkIntegrity(t, path)
	return all, events
}

func (d *drama) settleOn(store authority.Store) (records, *told) {
	t := d.t
	sink, err := openAudit(d.dir)
	require.NoError(t, err)
	defer sink.f.Close()
	a := d.k.authority(t, store, sink)
	drainNow(t, a, store)

	all, faults := authoritytest.Verify(t.Context(), a, d.received)
	require.Empty(t, faults)
	d.checkTokens(all)
	for _, c := range d.revoked {
		require.NotNil(t, all[authority.SerialOf(c.Leaf.SerialNumber)].Revocation, "a revocation was answered and is not in the store")
	}
	for s, r := range all {
		require.False(t, r.Revocation != nil && !d.asked[s], "nobody asked to revoke %s", s)
	}
	events := readAudit(t, d.dir)
	events.check(t, all)
	return all, events
}

// drain runs the authority until no reservation is open and every event has arrived.
func drain(t *testing.T, a *authority.Authority, store authority.Store) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- a.Run(ctx) }()
	for start := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		left, err := store.Outbox(ctx, auditSink, 0, 1000)
		require.NoError(t, err)
		open := reserved(t, store)
		if len(left) == 0 && len(open) == 0 {
			break
		}
		require.Less(t, time.Since(start), time.Minute, "%d events are left in the outbox, %d reservations are open", len(left), len(open))
	}
	cancel()
	require.ErrorIs(t, <-ran, context.Canceled)
}

// drainNow is drain after the last request, when every reservation that is open is nobody's.
func drainNow(t *testing.T, a *authority.Authority, store authority.Store) {
	t.Helper()
	_, err := a.Reconcile(t.Context(), time.Now())
	require.NoError(t, err)
	drain(t, a, store)
}

func reserved(t *testing.T, store authority.Store) (open []*authority.Record) {
	t.Helper()
	for q := (authority.Query{Status: authority.Reserved}); ; {
		p, err := store.List(t.Context(), q)
		require.NoError(t, err)
		open = append(open, p.Records...)
		if q.Cursor = p.Next; q.Cursor == "" {
			return open
		}
	}
}

// checkTokens looks for a token that was spent twice, whether or not anybody received what came of it:
// each has a subject of its own.
func (d *drama) checkTokens(all records) {
	by := map[string]int{}
	for _, r := range all {
		if r.Operation == provisioner.X509Sign && r.Provisioner == "admin" {
			by[r.Subject]++
		}
	}
	for subject, n := range by {
		require.Equal(d.t, 1, n, "certificates for the token of %s", subject)
	}
	for _, u := range d.spent {
		require.Equal(d.t, 1, by[u.subject], "no record is left of %s", u.subject)
	}
}

// told is what the audit file says.
type told struct {
	issued, abandoned, revoked map[string][]string // by serial, the IDs of its events
	crls                       map[string][]string // by issuer, shard and number
	spent                      int                 // refusals of spent tokens
	distinct, repeated         int
}

func readAudit(t *testing.T, dir string) *told {
	f, err := os.Open(filepath.Join(dir, auditFile))
	require.NoError(t, err)
	defer f.Close()
	a := &told{issued: map[string][]string{}, abandoned: map[string][]string{}, revoked: map[string][]string{}, crls: map[string][]string{}}
	seen := map[string]bool{}
	for in := bufio.NewScanner(f); in.Scan(); {
		var e event.Event
		switch {
		case len(in.Bytes()) == 0, json.Unmarshal(in.Bytes(), &e) != nil: // torn, so it comes again
		case seen[e.ID]:
			a.repeated++
		default:
			seen[e.ID] = true
			a.distinct++
			a.note(t, e)
		}
	}
	return a
}

func (a *told) note(t *testing.T, e event.Event) {
	switch e.Type {
	case event.CertificateIssued, event.CertificateRenewed, event.CertificateRekeyed:
		a.issued[e.Subject] = append(a.issued[e.Subject], e.ID)
	case event.IssuanceAbandoned:
		a.abandoned[e.Subject] = append(a.abandoned[e.Subject], e.ID)
	case event.CertificateRevoked:
		require.NotEmpty(t, a.issued[e.Subject], "%s was revoked before it was issued", e.Subject)
		a.revoked[e.Subject] = append(a.revoked[e.Subject], e.ID)
	case event.CRLPublished:
		c := e.Data.(event.CRL)
		number := fmt.Sprintf("%s/%d/%s", c.Issuer, c.Shard, c.Number)
		a.crls[number] = append(a.crls[number], e.ID)
	case event.RequestRefused:
		if r, ok := e.Data.(event.Refusal); ok && r.Code == "spent" {
			a.spent++
		}
	}
}

// check wants one event for whatever happened to a certificate, and none for what did not.
func (a *told) check(t *testing.T, all records) {
	t.Helper()
	for s, r := range all {
		one := func(what string, ids []string, want bool) {
			if n := len(ids); n > 1 || (n == 1) != want {
				t.Errorf("%s certificate %s has %d events that it is %s", r.Status, s, n, what)
			}
		}
		one("issued", a.issued[string(s)], r.Status == authority.Issued)
		one("abandoned", a.abandoned[string(s)], r.Status == authority.Abandoned)
		one("revoked", a.revoked[string(s)], r.Revocation != nil)
	}
	for number, ids := range a.crls {
		require.Len(t, ids, 1, "CRL number %s", number)
	}
	for _, by := range []map[string][]string{a.issued, a.abandoned, a.revoked} {
		for s := range by {
			require.NotNil(t, all[authority.Serial(s)], "an event about %s, which has no record", s)
		}
	}
}

func checkIntegrity(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer db.Close()
	var said string
	require.NoError(t, db.QueryRow("PRAGMA integrity_check").Scan(&said))
	require.Equal(t, "ok", said)
	rows, err := db.Query("PRAGMA foreign_key_check")
	require.NoError(t, err)
	defer rows.Close()
	require.False(t, rows.Next())
	require.NoError(t, rows.Err())
}
