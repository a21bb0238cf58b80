package authority

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/provisioner"
)

// Authority is a certificate authority. Its methods are safe for concurrent use. Everything it does is
// judged by one immutable snapshot of its configuration, taken when a request begins.
type Authority struct {
	snapshot atomic.Pointer[snapshot]
	store    Store     // the same for the authority's whole life, whatever is reconfigured
	orphans  time.Time // reservations before this are nobody's
	started  time.Time
	closed   atomic.Bool
	hold     hold
	named    sync.Map      // ids of issuers whose name the store has confirmed
	changed  chan struct{} // holds a token while Run has not heard of the last Reconfigure
}

// New puts an authority together. It checks the whole configuration and reports every fault of it,
// joined, starts nothing, and reads nothing from the store.
func New(c Config) (*Authority, error) {
	s, err := newSnapshot(c)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	a := &Authority{store: c.Store, orphans: orphanedBefore(c.Store, now), started: now, changed: make(chan struct{}, 1)}
	a.snapshot.Store(s)
	return a, nil
}

// Reconfigure checks c as New does and puts it in the place of the running configuration, or changes
// nothing and returns what is wrong. Requests under way end by the rules they began with. The store
// cannot be exchanged: c.Store must be the authority's own, or nil.
func (a *Authority) Reconfigure(ctx context.Context, c Config) error {
	old, err := a.begin()
	if err != nil {
		return err
	}
	if c.Store == nil {
		c.Store = a.store
	}
	if c.Store != a.store {
		err = errors.New("authority: the store cannot be exchanged while running")
	}
	s, serr := newSnapshot(c)
	if serr == nil {
		serr = old.renames(s)
	}
	if err = errors.Join(err, serr); err != nil {
		a.tell(ctx, old, a.post(old, event.ConfigRejected, old.Name, event.Config{Error: err.Error()}))
		return err
	}
	a.snapshot.Store(s)
	select {
	case a.changed <- struct{}{}:
	default:
	}
	data := event.Config{}
	for _, p := range s.Provisioners {
		data.Provisioners = append(data.Provisioners, p.Name())
	}
	for _, i := range s.issuers {
		data.Issuers = append(data.Issuers, i.Name)
	}
	for _, i := range s.sshIssuers {
		data.Issuers = append(data.Issuers, i.Name)
	}
	a.tell(ctx, s, a.post(s, event.ConfigChanged, s.Name, data))
	return nil
}

// Close makes every later request fail with [ErrClosed]. What it was configured with can still be read.
// It closes nothing that the authority was handed.
func (a *Authority) Close() error {
	a.closed.Store(true)
	return nil
}

// begin returns the configuration that a request is judged by.
func (a *Authority) begin() (*snapshot, error) {
	if a.closed.Load() {
		return nil, &Error{Kind: Unavailable, Code: "closed", Reason: "the authority is closed", Err: ErrClosed}
	}
	return a.snapshot.Load(), nil
}

// Roots returns the roots in the order of the configuration. The slice is the caller's.
func (a *Authority) Roots() []*x509.Certificate { return slices.Clone(a.snapshot.Load().Roots) }

// FederatedRoots returns the roots of other authorities that clients are told to trust as well.
func (a *Authority) FederatedRoots() []*x509.Certificate {
	return slices.Clone(a.snapshot.Load().Config.FederatedRoots)
}

// Intermediates returns what links the certificates of all issuers that are not retired to the roots,
// each certificate once.
func (a *Authority) Intermediates() []*x509.Certificate {
	var out []*x509.Certificate
	for _, i := range a.snapshot.Load().issuers {
		if i.State == Retired {
			continue
		}
		for _, c := range i.chain {
			if !slices.ContainsFunc(out, c.Equal) {
				out = append(out, c)
			}
		}
	}
	return out
}

// Provisioners returns the provisioners in the order of the configuration.
func (a *Authority) Provisioners() []provisioner.Provisioner {
	return slices.Clone(a.snapshot.Load().Config.Provisioners)
}

// Certificate returns the record of a serial. An unknown one is of kind [NotFound].
func (a *Authority) Certificate(ctx context.Context, s Serial) (*Record, error) {
	if _, err := a.begin(); err != nil {
		return nil, err
	}
	r, err := a.store.Certificate(ctx, s)
	if err != nil {
		return nil, fault("", "looking up "+string(s), err)
	}
	return r, nil
}

// Certificates returns records, a page at a time.
func (a *Authority) Certificates(ctx context.Context, q Query) (*Page, error) {
	if _, err := a.begin(); err != nil {
		return nil, err
	}
	p, err := a.store.List(ctx, q)
	if err != nil {
		return nil, fault("", "listing certificates", err)
	}
	return p, nil
}

func (s *snapshot) log() *slog.Logger {
	if s.Logger != nil {
		return s.Logger
	}
	return slog.New(slog.DiscardHandler)
}
