package krl

import (
	"cmp"
	"context"
	"crypto/sha256"
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
	Timeout time.Duration // how long the source and the signer may take; default 2s
	Refresh time.Duration // how old a list gets before it is dated and signed anew; default 5m
	Grace   time.Duration // how long the last list is served while the source fails; default 1m
	MaxAge  time.Duration // how long caches may keep an answer, in whole seconds; default 2s
	Keep    time.Duration // how long after a certificate's end its entry stays; default 1h
	Comment string        // default none
}

// Publisher makes the list of a source, and serves it. It asks the source when somebody asks it, and starts
// nothing. Safe for concurrent use.
//
// The version of a list is the revision of the source, so lists of several nodes with the same books have the
// same one, under dates that differ. It is dated anew every Options.Refresh though nothing has changed, and
// ended certificates leave it then: whoever gets a list that is much older than that gets a replayed one.
type Publisher struct {
	source Source
	o      Options
	turn   chan struct{} // held by whoever asks the source
	woken  atomic.Bool   // the source has something new

	// what is written while the turn is held, and read then
	entries  map[entry]time.Time // until when
	revision int64               // that entries are of; 0: all changes are asked for
	current  *Signed             // nil: none has been made
	stale    bool                // current does not say what is known
	asked    time.Time           // when the source was asked that answered last
	tried    time.Time           // when the source answered last, or failed to
	err      error               // of that
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
	Generated time.Time // to the second
	Entries   int
	ETag      string // a strong one, quoted
}

// ErrBackwards is about a source that knows less than it knew: books that were restored, say, or a node that
// lags behind. Nothing is served that says less than what was served, until the source has caught up.
var ErrBackwards = errors.New("krl: the source has gone back to an earlier revision")

// New makes a Publisher.
func New(source Source, o Options) (*Publisher, error) {
	if source == nil {
		return nil, errors.New("krl: no source")
	}
	for _, d := range []time.Duration{o.Every, o.Timeout, o.Refresh, o.Grace, o.MaxAge, o.Keep} {
		if d < 0 {
			return nil, errors.New("krl: a duration is negative")
		}
	}
	if _, err := (&List{Comment: o.Comment}).Marshal(); err != nil {
		return nil, err
	}
	o.Every, o.Timeout, o.Refresh = cmp.Or(o.Every, time.Second), cmp.Or(o.Timeout, 2*time.Second), cmp.Or(o.Refresh, 5*time.Minute)
	o.Grace, o.MaxAge, o.Keep = cmp.Or(o.Grace, time.Minute), cmp.Or(o.MaxAge, 2*time.Second), cmp.Or(o.Keep, time.Hour)
	return &Publisher{source: source, o: o, turn: make(chan struct{}, 1), entries: map[entry]time.Time{}}, nil
}

// List returns the list as it is now, no older than Options.Every. The source is asked once in that time at
// most, also when it fails; who comes meanwhile waits for the answer. While it fails, the last list is returned
// for as long as Options.Grace, and then the source's error. Callers must not change the list.
func (p *Publisher) List(ctx context.Context) (*Signed, error) {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("krl: %w", ctx.Err())
	}
	defer func() { <-p.turn }()
	now := time.Now()
	err := p.err
	if woken := p.woken.Swap(false); woken || p.tried.IsZero() || now.Sub(p.tried) >= p.o.Every {
		if err = p.update(ctx, now); err != nil && ctx.Err() != nil {
			// Whoever asked has left, which says nothing about the source: the next one asks again.
			if woken {
				p.Wake()
			}
		} else if p.tried, p.err = now, err; err != nil {
			p.tried = time.Now() // so that nobody waits twice for a source that hangs
		}
	}
	if err == nil || p.current != nil && now.Sub(p.asked) < p.o.Grace {
		return p.current, nil
	}
	return nil, fmt.Errorf("krl: %w", err)
}

// Wake has the next answer be a new one, however old the last is: for whoever hears of a revocation.
func (p *Publisher) Wake() { p.woken.Store(true) }

// update asks the source, and makes a new list if there is something new to say.
func (p *Publisher) update(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, p.o.Timeout)
	defer cancel()
	changes, revision, err := p.source.SSHRevocations(ctx, p.revision)
	if err != nil {
		return err
	}
	if revision < 0 || revision < p.revision || p.current != nil && uint64(revision) < p.current.Version {
		// What follows may be another history, with the same revisions: all of it is asked for.
		p.revision = 0
		return ErrBackwards
	}
	for _, c := range changes {
		if c.CA == nil || c.Serial == 0 {
			return fmt.Errorf("the source has a change that no list can name: serial %d", c.Serial)
		}
	}
	if p.revision == 0 {
		clear(p.entries)
	}
	for _, c := range changes {
		e := entry{string(c.CA.Marshal()), c.Serial}
		if c.Revoked {
			p.entries[e] = c.Until
		} else {
			delete(p.entries, e)
		}
	}
	told := len(changes) > 0 && revision > 0 // at 0 they are told again each time
	p.stale = p.stale || told || p.revision != revision
	p.revision = revision
	if p.current == nil || p.stale || now.Sub(p.current.Generated) >= p.o.Refresh {
		for e, until := range p.entries {
			if !until.IsZero() && now.After(until.Add(p.o.Keep)) {
				delete(p.entries, e)
			}
		}
		made, err := p.make(ctx, now)
		if err != nil {
			return err
		}
		p.current, p.stale = made, false
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
	return &Signed{Bytes: b, Version: l.Version, Generated: l.Generated, Entries: len(p.entries), ETag: tag(l.Version, b)}, nil
}

// tag is the ETag of a list. It is a function of its bytes, so that a Fetcher knows the one of its file.
func tag(version uint64, b []byte) string {
	sum := sha256.Sum256(b)
	return fmt.Sprintf(`"%d-%x"`, version, sum[:16])
}
