package crl

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// Publisher makes, keeps and serves the CRLs of an authority. Its methods are safe for concurrent use.
type Publisher struct {
	ca    *authority.Authority
	o     Options
	cache *cache
	board board

	mu    sync.Mutex
	nudge chan struct{} // closed by Wake
}

// New makes a publisher. It starts nothing. Its error names every issuer that cannot sign CRLs: leave it
// out by [Options.Issuers].
func New(a *authority.Authority, o Options) (*Publisher, error) {
	if a == nil {
		return nil, errors.New("crl: no authority")
	}
	o.Issuers = slices.Clone(o.Issuers)
	faults := []error{o.complete()}
	p := &Publisher{ca: a, o: o, nudge: make(chan struct{}), cache: newCache(a.Store(), o.Logger)}
	known := a.Issuers()
	for _, name := range o.Issuers {
		if !slices.ContainsFunc(known, func(i authority.IssuerInfo) bool { return i.Name == name }) {
			faults = append(faults, fmt.Errorf("crl: no issuer is called %q", name))
		}
	}
	for _, i := range known {
		if p.wants(&i) {
			faults = append(faults, fit(&i))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return p, nil
}

// wants reports whether CRLs of an issuer are made: of pending ones as well, so that the first certificate
// can be checked at once.
func (p *Publisher) wants(i *authority.IssuerInfo) bool {
	return i.State != authority.Retired && (len(p.o.Issuers) == 0 || slices.Contains(p.o.Issuers, i.Name))
}

// fit says why an issuer's certificate does not do for CRLs (RFC 5280, sections 4.2.1.3 and 5.2.1).
func fit(i *authority.IssuerInfo) error {
	switch c := i.Certificate; {
	case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCRLSign == 0:
		return fmt.Errorf("crl: the certificate of issuer %q has no key usage cRLSign", i.Name)
	case len(c.SubjectKeyId) == 0:
		return fmt.Errorf("crl: the certificate of issuer %q has no subject key identifier", i.Name)
	}
	return nil
}

// issuer returns an issuer as it is configured now, if its CRLs are made.
func (p *Publisher) issuer(name string) (authority.IssuerInfo, bool) {
	for _, i := range p.ca.Issuers() {
		if i.Name == name && p.wants(&i) {
			return i, true
		}
	}
	return authority.IssuerInfo{}, false
}

// superviseEvery is how often issuers are looked for that were not there before.
const superviseEvery = time.Second

// Run makes CRLs until ctx ends, and returns its error. Several may run, in as many processes. It has one
// goroutine for each issuer, so that one whose key does not answer does not hold up others.
func (p *Publisher) Run(ctx context.Context) error {
	var makers sync.WaitGroup
	defer makers.Wait()
	running := map[string]chan struct{}{}
	tick := time.NewTicker(superviseEvery)
	defer tick.Stop()
	for {
		infos := p.ca.Issuers()
		for _, i := range infos {
			if done := running[i.Name]; done != nil {
				select {
				case <-done: // it was not wanted any more, for a time
				default:
					continue
				}
			}
			if !p.wants(&i) {
				continue
			}
			done := make(chan struct{})
			running[i.Name] = done
			makers.Go(func() {
				defer close(done)
				newMaker(p, i.Name).run(ctx)
			})
		}
		p.cache.keep(infos)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Wake makes Run look for work at once, in this process.
func (p *Publisher) Wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.nudge)
	p.nudge = make(chan struct{})
}

func (p *Publisher) woken() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.nudge
}

// leaseRetry is how soon somebody who waits for another node's lease tries again.
const leaseRetry = 100 * time.Millisecond

// Publish makes every CRL anew, now. It needs no Run, and waits while another node is at work. Its errors
// are joined; CRLs that another node made meanwhile are none.
func (p *Publisher) Publish(ctx context.Context) error {
	var faults []error
	for _, i := range p.ca.Issuers() {
		if !p.wants(&i) {
			continue
		}
		m := newMaker(p, i.Name)
		m.all = true
		for {
			err := m.turn(ctx, &i)
			if !errors.Is(err, authority.ErrHeld) {
				faults = append(faults, err)
				break
			}
			if !sleep(ctx, leaseRetry) {
				return errors.Join(append(faults, ctx.Err())...)
			}
		}
	}
	return errors.Join(faults...)
}

// sleep reports whether the time passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
