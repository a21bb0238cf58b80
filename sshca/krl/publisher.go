package krl

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/chancery-ca/chancery/kms"
)

// Options are what New can be told. The zero value of each field is the one in its comment.
type Options struct {
	// Signer signs the lists, which fetchers can then tell from those of others; nil: they are not signed.
	// sshd and ssh do not look at signatures.
	Signer kms.Signer

	Every   time.Duration // how old an answer may be; default 1s
	Refresh time.Duration // how old a list gets before it is dated and signed anew; default 5m
	Grace   time.Duration // how long the last list is served while the source fails; default 1m
	MaxAge  time.Duration // how long caches may keep an answer; default 2s
	Keep    time.Duration // how long after a certificate's end its entry stays; default 1h
	Comment string        // default none
}

// Publisher makes the list of a source, and serves it. It asks the source when somebody asks it, and starts
// nothing. Safe for concurrent use.
type Publisher struct {
	source Source
	o      Options
	turn   chan struct{} // held by whoever asks the source
	woken  atomic.Bool   // the source has something new

	// what is written while the turn is held, and read then
	entries  map[entry]time.Time // until when
	revision int64
	known    bool      // the source has answered
	asked    time.Time // when it did
	current  *Signed
}

// entry is a certificate that is revoked.
type entry struct {
	ca     string // in wire form
	serial uint64
}

// Signed is a list as it is served.
type Signed struct {
	Bytes     []byte
	Version   uint64
	Generated time.Time
	Entries   int
	ETag      string
}

// ErrBackwards is about a source that knows less than it knew: books that were restored, say.
var ErrBackwards = errors.New("krl: the source has gone back to an earlier revision")

// New makes a Publisher.
func New(source Source, o Options) (*Publisher, error) {
	if source == nil {
		return nil, errors.New("krl: no source")
	}
	for _, d := range []time.Duration{o.Every, o.Refresh, o.Grace, o.MaxAge, o.Keep} {
		if d < 0 {
			return nil, errors.New("krl: a duration is negative")
		}
	}
	o.Every, o.Refresh = cmp.Or(o.Every, time.Second), cmp.Or(o.Refresh, 5*time.Minute)
	o.Grace, o.MaxAge, o.Keep = cmp.Or(o.Grace, time.Minute), cmp.Or(o.MaxAge, 2*time.Second), cmp.Or(o.Keep, time.Hour)
	return &Publisher{source: source, o: o, turn: make(chan struct{}, 1), entries: map[entry]time.Time{}}, nil
}

// List returns the list as it is now, no older than Options.Every. While the source fails, the last one is
// returned for as long as Options.Grace, and then the source's error. Callers must not change it.
func (p *Publisher) List(ctx context.Context) (*Signed, error) {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-p.turn }()
	now := time.Now()
	if !p.woken.Swap(false) && p.current != nil && now.Sub(p.asked) < p.o.Every {
		return p.current, nil
	}
	err := p.update(ctx, now)
	if err == nil {
		return p.current, nil
	}
	if p.current != nil && now.Sub(p.asked) < p.o.Grace && !errors.Is(err, ErrBackwards) {
		return p.current, nil
	}
	return nil, fmt.Errorf("krl: %w", err)
}

// Wake has the next answer be a new one, however old the last is: for whoever hears of a revocation.
func (p *Publisher) Wake() { p.woken.Store(true) }

// update asks the source, and makes a new list if there is something new to say.
func (p *Publisher) update(ctx context.Context, now time.Time) error {
	changes, revision, err := p.source.SSHRevocations(ctx, p.revision)
	switch {
	case err != nil:
		return err
	case p.known && revision < p.revision:
		return ErrBackwards
	}
	changed := !p.known || revision != p.revision
	for _, c := range changes {
		e := entry{string(c.CA.Marshal()), c.Serial}
		if c.Revoked {
			p.entries[e] = c.Until
		} else {
			delete(p.entries, e)
		}
	}
	p.revision, p.known = revision, true
	if changed || p.current == nil || now.Sub(p.current.Generated) >= p.o.Refresh {
		for e, until := range p.entries {
			if now.After(until.Add(p.o.Keep)) {
				delete(p.entries, e)
			}
		}
		made, err := p.make(ctx, now)
		if err != nil {
			p.known, p.revision, p.entries = false, 0, map[entry]time.Time{} // so that nothing is taken for told
			return err
		}
		p.current = made
	}
	p.asked = now
	return nil
}

// make makes the list of what is known.
func (p *Publisher) make(ctx context.Context, now time.Time) (*Signed, error) {
	serials := map[string][]uint64{}
	for e := range p.entries {
		serials[e.ca] = append(serials[e.ca], e.serial)
	}
	l := &List{Version: uint64(p.revision), Generated: now.Truncate(time.Second), Comment: p.o.Comment}
	for ca, s := range serials {
		l.Certificates = append(l.Certificates, Certificates{CA: []byte(ca), Serials: RangesOf(s)})
	}
	slices.SortFunc(l.Certificates, func(a, b Certificates) int { return slices.Compare(a.CA, b.CA) })
	b, err := l.Marshal()
	if err == nil && p.o.Signer != nil {
		b, err = Sign(ctx, b, p.o.Signer)
	}
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	return &Signed{Bytes: b, Version: l.Version, Generated: l.Generated, Entries: len(p.entries), ETag: `"` + hex.EncodeToString(sum[:16]) + `"`}, nil
}
