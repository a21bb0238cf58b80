package ocsp

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// Options says how a Responder answers. The zero value is good for most.
type Options struct {
	// Validity is the time from an answer's thisUpdate to its nextUpdate: how long clients and caches on the
	// way may go on believing it. Zero means 12 hours. An answer is signed anew when half of it is over.
	Validity time.Duration

	// Backdate is how far before the look into the store thisUpdate lies, for clients whose clocks are slow;
	// zero means one minute, negative none.
	Backdate time.Duration

	// Direct makes every issuer sign its answers with its own key.
	Direct bool

	// Fallback makes an issuer sign with its own key while no responder certificate can be had. The zero value
	// answers tryLater then.
	Fallback bool

	// ServeThroughOutage answers, while the store cannot be asked or is not asked soon enough because too many
	// want that, with what was signed before and has not reached its nextUpdate. The zero value answers tryLater.
	ServeThroughOutage bool

	// IgnoreNonces answers as if clients sent none, as RFC 9654 allows, so that the answers to all of them can
	// be kept. Clients that insist on their nonce refuse such an answer.
	IgnoreNonces bool

	Cache   int           // how many signed answers are kept, of about 2 KiB each; zero means 100000, negative none
	Signing int           // how many signatures are made at the same time; zero means 32
	Lookups int           // how many look-ups in the store are under way at the same time; zero means 8
	Timeout time.Duration // for a whole request, reading included; zero means 10 seconds

	Logger *slog.Logger // nil discards
}

// backend is what a Responder wants of an authority.
type backend interface {
	Issuers() []authority.IssuerInfo
	Standing(ctx context.Context, issuer string, serial authority.Serial) (authority.Standing, error)
	SignOCSP(ctx context.Context, issuer string, responseData []byte) (signature, algorithm []byte, err error)
	IssueResponder(ctx context.Context, issuer string, key crypto.Signer) (*authority.Certificate, error)
}

// Responder answers questions about the certificates of all issuers of an authority. It follows when the
// authority is reconfigured. Its methods are safe for concurrent use.
type Responder struct {
	a       backend
	o       Options
	index   atomic.Pointer[index]
	cache   *cache
	gate    *gate
	lookups *queue
	faults  faults

	rebuild sync.Mutex // held while the index is made anew

	mu     sync.Mutex
	flight map[flightKey]*flight
}

// New makes a Responder. It starts nothing and signs nothing.
func New(a *authority.Authority, o Options) (*Responder, error) {
	if a == nil {
		return nil, errors.New("ocsp: no authority")
	}
	return newResponder(a, o)
}

func newResponder(a backend, o Options) (*Responder, error) {
	var wrong []error
	set := func(name string, v *time.Duration, zero, least, most time.Duration) {
		if *v == 0 {
			*v = zero
		}
		if *v < least || *v > most {
			wrong = append(wrong, fmt.Errorf("ocsp: %s of %s is not between %s and %s", name, *v, least, most))
		}
	}
	o.Backdate = max(o.Backdate, -1)
	set("a validity", &o.Validity, 12*time.Hour, minute, 366*24*time.Hour)
	set("a backdate", &o.Backdate, time.Minute, -1, o.Validity/4)
	set("a timeout", &o.Timeout, 10*time.Second, time.Millisecond, 10*time.Minute)
	o.Backdate = max(o.Backdate, 0)
	if o.Cache == 0 {
		o.Cache = 100_000
	}
	if o.Signing == 0 {
		o.Signing = 32
	}
	if o.Lookups == 0 {
		o.Lookups = 8
	}
	if o.Signing < 0 || o.Lookups < 0 {
		wrong = append(wrong, fmt.Errorf("ocsp: with %d signatures or %d look-ups at a time nobody is answered", o.Signing, o.Lookups))
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Responder{
		a: a, o: o, cache: newCache(o.Cache), gate: newGate(o.Signing), lookups: newQueue(o.Lookups, crowd), faults: newFaults(o.Logger),
		flight: map[flightKey]*flight{},
	}, nil
}
