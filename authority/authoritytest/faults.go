package authoritytest

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/storetest"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/inventory"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
)

// A Point is a call that the authority makes to one of its parts.
type Point string

// The points where faults can be injected. Those of the store bear its methods' names.
const (
	Authorize Point = "Authorize" // provisioner
	Lookup    Point = "Lookup"    // inventory, where there is one
	Sign      Point = "Sign"      // signer
	Publish   Point = "Publish"   // sinks
	Reserve   Point = "Reserve"
	Commit    Point = "Commit"
	Abandon   Point = "Abandon"
	Revoke    Point = "Revoke"
	Release   Point = "Release"
	Read      Point = "Certificate"
)

// Points of the store that background work comes to, and administration.
const (
	Reconcile Point = "Reconcile"
	List      Point = "List"
	Ending    Point = "Ending"
	Revision  Point = "Revision"
	Changes   Point = "Changes"
	PutCRL    Point = "PutCRL"
	CRL       Point = "CRL"
	CRLs      Point = "CRLs"
	Post      Point = "Post"
	Outbox    Point = "Outbox"
	Delivered Point = "Delivered"
	Bury      Point = "Bury"
	Buried    Point = "Buried"
	Backlog   Point = "Backlog"
	Replay    Point = "Replay"
	Prune     Point = "Prune"
	Mark      Point = "Mark"
	SetMark   Point = "SetMark"
	Lease     Point = "Lease"
)

// Points lists those that a request to issue or revoke can come to.
func Points() []Point {
	return []Point{Authorize, Lookup, Sign, Publish, Reserve, Commit, Abandon, Revoke, Release, Read}
}

// BackgroundPoints lists all others.
func BackgroundPoints() []Point {
	return []Point{
		Reconcile, List, Ending, Revision, Changes, PutCRL, CRL, CRLs, Post, Outbox, Delivered, Bury, Buried, Backlog, Replay,
		Prune, Mark, SetMark, Lease,
	}
}

// ErrInjected is the cause of every injected fault. It counts as a store that is not available.
var ErrInjected = fmt.Errorf("authoritytest: injected fault: %w", authority.ErrUnavailable)

// Faults makes the parts of a CA fail. The zero value lets everything through. Safe for concurrent use.
type Faults struct {
	mu sync.Mutex
	at map[Point]fault
}

type fault struct {
	after bool // fail after taking effect
	times int
}

// Fail makes the next calls at p fail without doing anything.
func (f *Faults) Fail(p Point, times int) { f.set(p, fault{false, times}) }

// FailAfter makes the next calls at p do what they should, and fail all the same: the answer got lost.
func (f *Faults) FailAfter(p Point, times int) { f.set(p, fault{true, times}) }

// Clear lets everything through again.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = nil
}

func (f *Faults) set(p Point, v fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at == nil {
		f.at = map[Point]fault{}
	}
	f.at[p] = v
}

func (f *Faults) take(p Point) (v fault, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok = f.at[p]
	if !ok || v.times == 0 {
		return v, false
	}
	f.at[p] = fault{v.after, v.times - 1}
	return v, true
}

func (f *Faults) do(p Point, apply func() error) error {
	v, ok := f.take(p)
	switch {
	case !ok:
		return apply()
	case v.after:
		return errors.Join(apply(), ErrInjected)
	}
	return ErrInjected
}

// wrap puts a door that may stick before every part of c.
func (f *Faults) wrap(c *authority.Config) {
	c.Store = &storetest.Faulty{Store: c.Store, On: func(op string, apply func() error) error { return f.do(Point(op), apply) }}
	for i, p := range c.Provisioners {
		c.Provisioners[i] = faultyProvisioner{p, f}
	}
	for i := range c.Issuers {
		if c.Issuers[i].Signer == nil { // a retired one needs none
			continue
		}
		c.Issuers[i].Signer = faultySigner{c.Issuers[i].Signer, f}
	}
	if c.SSH != nil {
		own := *c.SSH
		own.Issuers = slices.Clone(own.Issuers)
		for i := range own.Issuers {
			if own.Issuers[i].Signer != nil {
				own.Issuers[i].Signer = faultySigner{own.Issuers[i].Signer, f}
			}
		}
		c.SSH = &own
	}
	for i, s := range c.Sinks {
		c.Sinks[i] = event.SinkFunc(func(ctx context.Context, e event.Event) error {
			return f.do(Publish, func() error { return s.Publish(ctx, e) })
		})
	}
	if c.Inventory != nil {
		c.Inventory = faultyInventory{c.Inventory, f}
	}
}

type faultyProvisioner struct {
	provisioner.Provisioner
	f *Faults
}

func (p faultyProvisioner) Unwrap() provisioner.Provisioner { return p.Provisioner }

func (p faultyProvisioner) Authorize(ctx context.Context, r *provisioner.Request) (g *provisioner.Grant, err error) {
	err = p.f.do(Authorize, func() (err error) {
		g, err = p.Provisioner.Authorize(ctx, r)
		return err
	})
	return g, err
}

type faultySigner struct {
	kms.Signer
	f *Faults
}

func (s faultySigner) Unwrap() kms.Signer { return s.Signer }

func (s faultySigner) Sign(ctx context.Context, digest []byte, opts crypto.SignerOpts) (sig []byte, err error) {
	err = s.f.do(Sign, func() (err error) {
		sig, err = s.Signer.Sign(ctx, digest, opts)
		return err
	})
	return sig, err
}

type faultyInventory struct {
	inventory.Inventory
	f *Faults
}

func (i faultyInventory) Unwrap() inventory.Inventory { return i.Inventory }

func (i faultyInventory) Lookup(ctx context.Context, q inventory.Query) (e *inventory.Entity, err error) {
	err = i.f.do(Lookup, func() (err error) {
		e, err = i.Inventory.Lookup(ctx, q)
		return err
	})
	return e, err
}
