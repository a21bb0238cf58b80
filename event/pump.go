package event

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Pump carries events from an outbox to a sink: each at least once, and those of one subject in order.
//
// An event that the sink does not accept is offered again after a pause that doubles, and holds back the
// later events of its own subject, not those of others. When one event after the other fails, the sink
// is taken to be down and is tried just now and then. The pump remembers the subjects that it holds back
// and not their events, so its memory does not grow with the backlog.
//
// An event of which the sink says that it never will accept it (see [Permanent]) is buried: it becomes a
// dead letter of the outbox, and the later events of its subject go on. GiveUp does the same to one that
// fails on and on. Only failing beside others counts for that: the time between two tries of the event, up
// to the pause that was planned, if in between the sink accepted an event that goes the same way through
// Multi and Filter. So an outage buries nothing however long it lasts, nor does a sink that asks for
// patience (see [Later]), and where nothing else is sent, nothing is given up. Counting starts anew with
// Run.
//
// Fields must not change once Run was called. Several pumps may not share one outbox at the same time.
type Pump struct {
	Name   string // of the sink, for the log
	Outbox Outbox // required
	Sink   Sink   // required; it may panic, which counts as an error
	Logger *slog.Logger

	Interval   time.Duration // between looks at the outbox when nobody calls Wake; default 1s
	MinBackoff time.Duration // pause after the first failure; default 1s
	MaxBackoff time.Duration // longest pause; default 1m
	Timeout    time.Duration // for one Publish, by its context; default 30s
	Batch      int           // events read at a time; default 100
	GiveUp     time.Duration // how long an event may fail while others are accepted; zero is for ever

	once   sync.Once
	wake   chan struct{}
	oldest atomic.Int64 // time of the oldest event known to be undelivered, Unix nanoseconds; 0 is none

	// What follows belongs to Run.
	held     map[string]*hold // subjects whose oldest event was not accepted
	scanned  int64            // up to here, every event is delivered or of a subject in held
	acks     []int64          // published, and not yet reported as delivered
	acked    time.Time        // when acks was last reported
	faults   int              // passes in a row that ended early
	accepted map[route]int    // when an event was last accepted by each route, in events accepted until then
	accepts  int              // events accepted
}

const (
	maxHeld     = 10_000      // subjects remembered
	maxFailures = 8           // in a pass without success: then the sink is down
	ackEvery    = time.Second // how much work a crash repeats
	ackTimeout  = 5 * time.Second
)

var errOrder = errors.New("event: outbox returned events out of order")

// Wake makes Run look at the outbox now, unless it is pausing because the sink or the outbox is down. It
// never blocks and may be called at any time.
func (p *Pump) Wake() {
	p.init()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Lag returns the age of the oldest undelivered event that the pump knows of, by the time in the event;
// zero if there is none. It is cheap and may be called at any time.
func (p *Pump) Lag() time.Duration {
	at := p.oldest.Load()
	if at == 0 {
		return 0
	}
	return max(time.Since(time.Unix(0, at)), 0)
}

func (p *Pump) init() { p.once.Do(func() { p.wake = make(chan struct{}, 1) }) }

// Run delivers until ctx ends, and returns ctx's error. It waits for a Publish that is under way.
func (p *Pump) Run(ctx context.Context) error {
	p.init()
	p.held, p.scanned, p.faults = map[string]*hold{}, 0, 0
	p.accepted, p.accepts = map[route]int{}, 0
	defer p.lastAck(ctx)
	for {
		err := p.pass(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		wake, wait := p.wake, p.nextWait()
		if err != nil {
			p.faults++
			asked, _ := waitOf(err)
			wake, wait = nil, max(p.backoff(p.faults), asked)
			p.log(ctx, slog.LevelWarn, "event delivery is paused", "error", reasonOf(err), "pause", wait)
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-wake:
		case <-t.C:
		}
		t.Stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// nextWait is the time until something is due.
func (p *Pump) nextWait() time.Duration {
	wait, now := orElse(p.Interval, time.Second), time.Now()
	for _, h := range p.held {
		wait = min(wait, h.until.Sub(now))
	}
	return max(wait, 0)
}

// backoff returns the pause after n failures, n ≥ 1: doubling, with the last half of it random.
func (p *Pump) backoff(n int) time.Duration {
	d, most := orElse(p.MinBackoff, time.Second), orElse(p.MaxBackoff, time.Minute)
	for ; n > 1 && d < most; n-- {
		d *= 2
	}
	d = min(d, most)
	return d - rand.N(d/2+1)
}

// ack reports what was published. Until it succeeds nothing more is read, so that nothing is repeated
// that need not be.
func (p *Pump) ack(ctx context.Context) error {
	if len(p.acks) > 0 {
		if err := p.Outbox.Delivered(ctx, p.acks); err != nil {
			return err
		}
		p.acks = p.acks[:0]
	}
	p.acked = time.Now()
	return nil
}

// lastAck spares the sink repeats after a restart.
func (p *Pump) lastAck(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackTimeout)
	defer cancel()
	if err := p.ack(ctx); err != nil {
		p.log(ctx, slog.LevelWarn, "delivered events will be repeated", "error", reasonOf(err), "events", len(p.acks))
	}
}

func (p *Pump) log(ctx context.Context, l slog.Level, msg string, args ...any) {
	if p.Logger != nil {
		p.Logger.With("sink", p.Name).Log(ctx, l, msg, args...)
	}
}

func orElse[T time.Duration | int](v, zero T) T {
	if v <= 0 {
		return zero
	}
	return v
}
