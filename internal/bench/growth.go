package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/crl"
	"github.com/chancery-ca/chancery/provisioner"
)

// grown is a store that is measured empty and full.
type grown struct {
	rows     int
	dir, url string
	sample   []*authority.Record // the last ones, put in through the store
	issuer   string
}

func growth(ctx context.Context, rows int, dir, url string) error {
	if dir == "" {
		d, err := os.MkdirTemp("", "growth")
		if err != nil {
			return err
		}
		defer os.RemoveAll(d)
		dir = d
	}
	g := &grown{rows: rows, dir: dir, url: url, issuer: "bench"}
	if err := g.pass(ctx, "empty"); err != nil {
		return err
	}
	if err := g.fill(ctx); err != nil {
		return err
	}
	if err := g.pass(ctx, "full"); err != nil {
		return err
	}
	return nil
}

func say(what, format string, args ...any) {
	fmt.Printf("%-44s %s\n", what, fmt.Sprintf(format, args...))
}

// fill adds what is missing to the number of rows.
func (g *grown) fill(ctx context.Context) error {
	open := postgresFiller
	where := g.url
	if g.url == "" {
		open, where = sqliteFiller, filepath.Join(g.dir, "ca.db")
	}
	f, err := open(where)
	if err != nil {
		return err
	}
	defer f.db.Close()
	began := time.Now()
	err = f.fill(ctx, 1, g.rows, g.issuer, func(n int) { fmt.Fprintf(os.Stderr, "filled %d rows in %s\n", n, time.Since(began).Round(time.Second)) })
	if err != nil {
		return err
	}
	end := "PRAGMA journal_mode = WAL" // as the store leaves it
	if g.url != "" {
		end = "ANALYZE"
	}
	_, err = f.db.ExecContext(ctx, end)
	return err
}

// pass starts an authority on the store as it is, and measures everything.
func (g *grown) pass(ctx context.Context, when string) error {
	began := time.Now()
	store, err := openStore(ctx, g.dir, g.url, false, new(counts))
	if err != nil {
		return err
	}
	defer store.Close()
	say(when+": open the store", "%s", round(time.Since(began)))
	c, _, err := newCA(ctx, store, keyP256)
	if err != nil {
		return err
	}
	began = time.Now()
	a, err := authority.New(*c)
	if err != nil {
		return err
	}
	run, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	go a.Run(run)
	if _, err = authority.NewIdentity(ctx, a, authority.IdentityOptions{Provisioner: "self", Names: []string{"127.0.0.1"}}); err != nil {
		return err
	}
	say(when+": first certificate after start-up", "%s", round(time.Since(began)))
	<-run.Done()
	for _, step := range []func(context.Context, string, authority.Store) error{g.issue, g.search, g.lists, g.prune} {
		if err := step(ctx, when, store); err != nil {
			return err
		}
	}
	g.size(when)
	return nil
}

func (g *grown) size(when string) {
	if info, err := os.Stat(filepath.Join(g.dir, "ca.db")); err == nil && g.url == "" {
		say(when+": size of the file", "%.2f GB", float64(info.Size())/1e9)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	say(when+": memory taken from the system", "%.0f MB", float64(m.Sys-m.HeapReleased)/1e6)
}

// issue writes records as the pipeline does, without the cryptography.
func (g *grown) issue(ctx context.Context, when string, s authority.Store) error {
	const n, writers = 4000, 64
	began := time.Now()
	records := make([]*authority.Record, n)
	var next atomic.Int64
	var e errgroup.Group
	for range writers {
		e.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				r := sampleRecord(g.issuer, when, i)
				records[i] = r
				if err := s.Reserve(ctx, r, provisioner.Spend{ID: string(r.Serial), Until: time.Now().Add(time.Hour)}); err != nil {
					return err
				}
				if err := s.Commit(ctx, r.Serial, certificateAround(r.TBS), time.Now(), nil); err != nil {
					return err
				}
			}
		})
	}
	if err := e.Wait(); err != nil {
		return err
	}
	g.sample = records
	say(when+": reserve and commit, 64 writers", "%.0f certificates a second", n/time.Since(began).Seconds())
	return nil
}

// search asks for the first page of what people look for.
func (g *grown) search(ctx context.Context, when string, s authority.Store) error {
	r := g.sample[len(g.sample)/2]
	yes, now := true, time.Now()
	for _, q := range []struct {
		name string
		q    authority.Query
	}{
		{"serial", authority.Query{Serial: r.Serial}},
		{"name", authority.Query{Name: r.Names[0]}},
		{"key", authority.Query{KeyID: r.KeyID}},
		{"entity", authority.Query{Entity: r.Entity}},
		{"newest", authority.Query{NewestFirst: true}},
		{"provisioner, last hour", authority.Query{Provisioner: r.Provisioner, KnownFrom: now.Add(-time.Hour)}},
		{"provisioner, newest", authority.Query{Provisioner: "provisioner-7", NewestFirst: true}},
		{"issuer, a time range", authority.Query{Issuer: g.issuer, KnownFrom: now.Add(-3 * time.Hour), KnownUntil: now.Add(-2 * time.Hour)}},
		{"ends within an hour", authority.Query{NotAfterFrom: now, NotAfterUntil: now.Add(time.Hour)}},
		{"revoked, newest", authority.Query{Revoked: &yes, NewestFirst: true}},
		{"revoked of a provisioner", authority.Query{Revoked: &yes, Provisioner: "provisioner-10"}},
	} {
		var best, first time.Duration
		found := 0
		for i := range 9 {
			began := time.Now()
			p, err := s.List(ctx, q.q)
			if err != nil {
				return fmt.Errorf("%s: %w", q.name, err)
			}
			d := time.Since(began)
			if i == 0 {
				first = d
			}
			if best == 0 || d < best {
				best = d
			}
			found = len(p.Records)
		}
		say(when+": search by "+q.name, "%s (first %s), %d found", round(best), round(first), found)
	}
	return nil
}

// lists makes CRLs: one for all, then sixteen shards.
func (g *grown) lists(ctx context.Context, when string, s authority.Store) error {
	for _, shards := range []int{0, 16} {
		c, _, err := newCA(ctx, s, keyP256)
		if err != nil {
			return err
		}
		if shards > 0 {
			c.Issuers[0].Pointers = authority.Pointers{CRLDistributionPoints: []string{"http://ca.test/{shard}.crl"}, Shards: shards}
		}
		a, err := authority.New(*c)
		if err != nil {
			return err
		}
		p, err := crl.New(a, crl.Options{ShardsOnly: shards > 0})
		if err != nil {
			return err
		}
		runtime.GC()
		peak := watchHeap()
		began := time.Now()
		if err := p.Publish(ctx); err != nil {
			return err
		}
		took, most := time.Since(began), peak()
		entries, bytes := 0, 0
		all, err := s.CRLs(ctx, g.issuer)
		if err != nil {
			return err
		}
		for _, c := range all {
			if (c.Shard > 0) != (shards > 0) {
				continue
			}
			whole, err := s.CRL(ctx, c.CRLScope, 0)
			if err != nil {
				return err
			}
			entries, bytes = entries+c.Entries, bytes+len(whole.DER)
		}
		what := "the complete CRL"
		if shards > 0 {
			what = fmt.Sprintf("%d shards", shards)
		}
		say(when+": "+what, "%s, %d entries, %.1f MB, %.0f MB of heap more at most", round(took), entries, float64(bytes)/1e6, float64(most)/1e6)
		if shards == 0 {
			g.serve(when, p)
		}
	}
	return nil
}

func (g *grown) serve(when string, p *crl.Publisher) {
	h := p.Handler()
	for _, what := range []string{"first", "second"} {
		w := httptest.NewRecorder()
		began := time.Now()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/crl", nil))
		say(when+": serve the complete CRL, "+what+" time", "%s, status %d, %.1f MB", round(time.Since(began)), w.Code, float64(w.Body.Len())/1e6)
	}
}

// watchHeap returns what tells how much the heap grew at most since.
func watchHeap() func() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	base, most := m.HeapAlloc, m.HeapAlloc
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-time.After(10 * time.Millisecond):
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		}
	}()
	return func() uint64 {
		close(done)
		<-ended
		return most - base
	}
}

// prune deletes slices of the records that end first while others are issued.
func (g *grown) prune(ctx context.Context, when string, s authority.Store) error {
	page, err := s.List(ctx, authority.Query{NotAfterFrom: time.Now().Add(29 * 24 * time.Hour), Limit: 1})
	if err != nil || len(page.Records) == 0 {
		return err
	}
	before := page.Records[0].NotAfter.Add(2 * time.Minute)
	quiet, err := g.latency(ctx, when+" quiet", s, 200)
	if err != nil {
		return err
	}
	var e errgroup.Group
	deleted := 0
	began := time.Now()
	e.Go(func() error {
		for deleted < 20_000 {
			n, err := s.Prune(ctx, authority.Prune{Certificates: before, Limit: 500})
			if err != nil {
				return err
			}
			deleted += n.Certificates
			if !n.More {
				return nil
			}
		}
		return nil
	})
	busy, err := g.latency(ctx, when+" busy", s, 200)
	if err != nil {
		return err
	}
	if err := e.Wait(); err != nil {
		return err
	}
	if deleted > 0 {
		say(when+": prune", "%.0f records a second; the slowest of 200 issued meanwhile %s, without it %s", float64(deleted)/time.Since(began).Seconds(), round(busy), round(quiet))
	}
	return nil
}

// latency returns the slowest of n reservations, one after the other.
func (g *grown) latency(ctx context.Context, when string, s authority.Store, n int) (slowest time.Duration, err error) {
	for i := range n {
		r := sampleRecord(g.issuer, when, i)
		began := time.Now()
		if err := s.Reserve(ctx, r, provisioner.Spend{}); err != nil {
			return 0, err
		}
		slowest = max(slowest, time.Since(began))
	}
	return slowest, nil
}
