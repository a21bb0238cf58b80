package authority

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/chancery-ca/chancery/event"
)

// leaseRetry is how often a node asks for a lease that another one holds.
const leaseRetry = 2 * time.Second

// delivery is a pump that runs for one sink of one configuration.
type delivery struct {
	of   *snapshot
	end  context.CancelFunc
	done chan struct{}
}

// pump starts a delivery for each sink of the outbox as it is configured now, and ends those of an
// earlier configuration: a sink of the same name may be another one. The goroutines are Run's and end
// with it.
func (a *Authority) pump(ctx context.Context, wg *sync.WaitGroup, running map[string]*delivery) {
	s := a.snapshot.Load()
	for name, d := range running {
		if d.of != s {
			d.end()
			<-d.done // never two at a time for one sink, for the sake of order
			delete(running, name)
		}
	}
	for _, o := range s.Outbox {
		if running[o.Name] != nil {
			continue
		}
		ctx, cancel := context.WithCancel(ctx)
		d := &delivery{s, cancel, make(chan struct{})}
		running[o.Name] = d
		wg.Go(func() {
			defer close(d.done)
			a.deliver(ctx, s, o)
		})
	}
}

// deliver carries events to a sink whenever no other node does.
func (a *Authority) deliver(ctx context.Context, s *snapshot, o Delivery) {
	for ctx.Err() == nil {
		a.alone(ctx, "outbox/"+o.Name, func(ctx context.Context) {
			p := &event.Pump{Name: o.Name, Outbox: outbox{a.store, o.Name}, Sink: o.Sink, GiveUp: o.GiveUp, Logger: s.log()}
			p.Run(ctx)
		})
		select {
		case <-ctx.Done():
		case <-time.After(leaseRetry):
		}
	}
}

// outbox is one sink's view of the store.
type outbox struct {
	store Store
	sink  string
}

func (o outbox) Pending(ctx context.Context, after int64, limit int) ([]event.Posted, error) {
	return o.store.Outbox(ctx, o.sink, after, limit)
}

func (o outbox) Bury(ctx context.Context, seq int64, reason string) error {
	return o.store.Bury(ctx, o.sink, seq, reason, time.Now())
}

func (o outbox) Delivered(ctx context.Context, seqs []int64) error {
	return o.store.Delivered(ctx, o.sink, seqs)
}

// DeadLetters returns events that a sink of the outbox would not accept, with Seq above after, oldest
// first; limit as in [OutboxStore]. The sink need not be configured any more.
func (a *Authority) DeadLetters(ctx context.Context, sink string, after int64, limit int) ([]DeadLetter, error) {
	if _, err := a.begin(); err != nil {
		return nil, err
	}
	d, err := a.store.Buried(ctx, sink, after, limit)
	if err != nil {
		return nil, fault("", "reading dead letters", err)
	}
	return d, nil
}

// Replay has dead letters delivered once more. Unknown ones are ignored.
func (a *Authority) Replay(ctx context.Context, sink string, seqs []int64) error {
	if _, err := a.begin(); err != nil {
		return err
	}
	if err := a.store.Replay(ctx, sink, seqs); err != nil {
		return fault("", "replaying dead letters", err)
	}
	return nil
}

// Dismiss forgets dead letters. Unknown ones are ignored.
func (a *Authority) Dismiss(ctx context.Context, sink string, seqs []int64) error {
	if _, err := a.begin(); err != nil {
		return err
	}
	if err := a.store.Delivered(ctx, sink, seqs); err != nil {
		return fault("", "dismissing dead letters", err)
	}
	return nil
}

// Lag is how long ago the oldest event happened that a sink is still to be told of; zero when there is none.
// Dead letters do not count. It costs one read.
func (a *Authority) Lag(ctx context.Context, sink string) (time.Duration, error) {
	b, err := a.store.Backlog(ctx, sink)
	if err != nil {
		return 0, fault("", "reading the outbox", err)
	}
	return since(b.Waiting), nil
}

// since is how long ago t was; zero for no time, and for one to come.
func since(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(time.Since(t), 0)
}

// holdEvery is how long what is known about mandatory sinks is good for.
const holdEvery = time.Second

// hold is why nothing is issued, as of that moment.
type hold struct {
	sync.Mutex
	at  time.Time
	of  *snapshot
	err *Error
}

// held refuses while a mandatory sink is behind.
func (a *Authority) held(ctx context.Context, s *snapshot) *Error {
	if len(s.mandatory) == 0 {
		return nil
	}
	h := &a.hold
	h.Lock()
	defer h.Unlock()
	if h.of == s && time.Since(h.at) < holdEvery {
		return h.err
	}
	err := a.behind(ctx, s)
	if err == nil || !errors.Is(err, ctx.Err()) { // a caller who went away says nothing about the sink
		h.at, h.of, h.err = time.Now(), s, err
	}
	return err
}

func (a *Authority) behind(ctx context.Context, s *snapshot) *Error {
	for _, o := range s.Outbox {
		if o.HoldAfter <= 0 {
			continue
		}
		b, err := a.store.Backlog(ctx, o.Name)
		if err != nil {
			return fault(StepAuthenticate, "looking at sink "+o.Name, err)
		}
		if lag := max(since(b.Waiting), since(b.Dead)); lag > o.HoldAfter {
			return &Error{Kind: Unavailable, Step: StepAuthenticate, Code: "sink-behind",
				Reason: fmt.Sprintf("sink %q was not told of something for %s", o.Name, lag.Truncate(time.Second))}
		}
	}
	return nil
}
