package crl

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// How often a maker looks when nothing calls for it, and how long what it does may take.
const (
	lookEvery   = time.Minute
	retryFirst  = time.Second
	retryLast   = 10 * time.Second
	lookTimeout = time.Minute
	makeTimeout = 10 * time.Minute
	maxFailures = 3 // of parts that are out of reach, before the rest of a turn is given up
	calmFactor  = 4 // changes wait this many times as long as it took to follow the last ones
)

// maker makes the CRLs of one issuer. It belongs to one goroutine.
type maker struct {
	p    *Publisher
	name string
	all  bool // make everything, whether it is due or not

	revision int64     // of the last look
	next     time.Time // when to look again at the latest
	seen     int64     // changes up to this are in changed
	started  bool      // seen means something
	changed  map[int]int64
	shards   map[int]bool // that changes were seen in
	calm     time.Time
	busy     time.Duration // what the CRLs of a turn took to make, waiting for the clock apart

	info     authority.IssuerInfo // the last for which unfit was found
	unfit    map[authority.CRLScope]int64
	beaten   map[authority.CRLScope]int64 // the highest number there was when another node was faster
	failures map[authority.CRLScope]int
	rest     map[authority.CRLScope]time.Time // those with faults that last are left alone until then
	said     string                           // the last thing that was logged about the issuer as a whole
}

func newMaker(p *Publisher, name string) *maker {
	return &maker{
		p: p, name: name, changed: map[int]int64{}, shards: map[int]bool{}, unfit: map[authority.CRLScope]int64{}, beaten: map[authority.CRLScope]int64{},
		failures: map[authority.CRLScope]int{}, rest: map[authority.CRLScope]time.Time{},
	}
}

// run works until ctx ends or the issuer is not to be looked after any more.
func (m *maker) run(ctx context.Context) {
	defer m.p.board.forget(m.name)
	retry := retryFirst
	for {
		woken := m.p.woken()
		wait := m.pause()
		i, ok := m.p.issuer(m.name)
		if !ok {
			return
		}
		switch err := m.turn(ctx, &i); {
		case errors.Is(err, authority.ErrHeld):
			m.next, wait = time.Time{}, min(wait, retryFirst)
		case err != nil:
			m.next, wait = time.Time{}, retry
			retry = min(2*retry, retryLast)
		default:
			retry = retryFirst
			wait = m.pause()
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-woken:
			m.next = time.Time{}
		case <-t.C:
		}
		t.Stop()
	}
}

// pause is how long to wait after a turn in which all went well.
func (m *maker) pause() time.Duration {
	if m.p.o.OnChange > 0 {
		return m.p.o.OnChange
	}
	return max(retryFirst, min(lookEvery, time.Until(m.next)))
}

// say logs what concerns the issuer as a whole, once.
func (m *maker) say(ctx context.Context, message string, args ...any) {
	if m.said != message {
		m.said = message
		m.p.o.Logger.ErrorContext(ctx, message, append([]any{"issuer", m.name}, args...)...)
	}
}

// turn looks what there is to do, and does it if nobody else is at it; otherwise it returns ErrHeld.
func (m *maker) turn(ctx context.Context, i *authority.IssuerInfo) error {
	if err := fit(i); err != nil {
		m.p.board.failAll(m.name, err)
		m.say(ctx, "no CRLs are made", "error", err)
		if m.all {
			return err
		}
		return nil
	}
	if !time.Now().Before(i.Certificate.NotAfter) {
		m.p.board.forget(m.name)
		m.say(ctx, "the issuer's certificate has ended: no CRLs are made any more", "notAfter", i.Certificate.NotAfter)
		return nil
	}
	work, _, err := m.look(ctx, i)
	if err != nil || len(work) == 0 {
		return err
	}
	held, release, err := m.p.ca.Store().Lease(ctx, "crl/"+m.name)
	if err != nil {
		if !errors.Is(err, authority.ErrHeld) {
			m.failed(ctx, err)
		}
		return err
	}
	defer release()
	m.next = time.Time{}
	work, v, err := m.look(held, i) // whoever had the lease before may have done it
	if err != nil {
		return err
	}
	return m.work(held, i, work, v)
}

func (m *maker) failed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return // the embedder ends the program
	}
	m.p.board.failAll(m.name, err)
	m.say(ctx, "the CRLs in the store are out of reach", "error", err)
}

// look finds out what there is to do. It asks the store for one number, unless that has changed or it is
// time.
func (m *maker) look(ctx context.Context, i *authority.IssuerInfo) (work []authority.CRLScope, v *view, err error) {
	timed, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if work, v, err = m.inspect(timed, i); err != nil {
		m.failed(ctx, err)
	}
	return work, v, err
}

func (m *maker) inspect(ctx context.Context, i *authority.IssuerInfo) (work []authority.CRLScope, v *view, err error) {
	v = &view{now: time.Now()}
	store := m.p.ca.Store()
	if v.revision, err = store.Revision(ctx); err != nil {
		return nil, nil, err
	}
	same := bytes.Equal(i.Certificate.Raw, certificateOf(&m.info)) && reflect.DeepEqual(i.Pointers, m.info.Pointers)
	if same && !m.all && v.revision == m.revision && v.now.Before(m.next) {
		return nil, v, nil
	}
	all, err := store.CRLs(ctx, m.name)
	if err != nil {
		return nil, nil, err
	}
	v.have = index(all)
	v.wanted = m.p.o.wanted(i, v.have, m.shards)
	if !same && !m.all {
		if err := m.examine(ctx, i, v); err != nil {
			return nil, nil, err
		}
		clear(m.rest)
		m.info = *i
	}
	if err := m.note(ctx, v); err != nil {
		return nil, nil, err
	}
	m.p.board.show(m.name, v.wanted, v.have)
	m.said = ""
	work, m.next = m.plan(i, v)
	m.revision = v.revision
	return work, v, nil
}

func certificateOf(i *authority.IssuerInfo) []byte {
	if i.Certificate == nil {
		return nil
	}
	return i.Certificate.Raw
}

// note reads what was changed since it was last called, for the CRLs that follow changes.
func (m *maker) note(ctx context.Context, v *view) error {
	if m.p.o.OnChange < 0 || m.all {
		return nil
	}
	above := m.seen
	if !m.started || v.revision < above { // new here, or the store was restored from a copy
		above = v.revision
		clear(m.changed)
		for _, s := range v.wanted {
			if c := v.have[s]; c != nil {
				above = min(above, c.Revision)
			}
		}
	}
	if above < v.revision {
		if err := m.read(ctx, above); err != nil {
			return err
		}
	}
	if above == 0 && v.revision > 1 { // that did not tell of holds that ended, and none can have before 2
		if err := m.read(ctx, 1); err != nil {
			return err
		}
	}
	m.seen, m.started = v.revision, true
	return nil
}

// read notes the changes above a revision.
func (m *maker) read(ctx context.Context, above int64) error {
	for q := (authority.ChangeQuery{Issuer: m.name, Above: above, Limit: pageSize}); ; {
		page, err := m.p.ca.Store().Changes(ctx, q)
		if err != nil {
			return err
		}
		for _, c := range page.Changes {
			m.changed[0] = max(m.changed[0], c.Revision)
			m.changed[c.Shard] = max(m.changed[c.Shard], c.Revision)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return nil
		}
	}
}

// examine finds the CRLs that are not what this configuration makes: signed with another key, say, or
// with other URLs in them. It is done once for each configuration, so that nodes which are not configured
// alike do not replace each other's for ever.
func (m *maker) examine(ctx context.Context, i *authority.IssuerInfo, v *view) error {
	for _, s := range v.wanted {
		if v.have[s] == nil {
			continue
		}
		c, err := m.p.ca.Store().CRL(ctx, s, 0)
		if errors.Is(err, authority.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if !m.p.conforms(i, c) {
			m.unfit[s] = c.Number
		}
	}
	return nil
}
