package otelhook

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/chancery-ca/chancery/authority"
)

// WatchOptions say what a Watch reads. The zero value of each field is the one in its comment.
type WatchOptions struct {
	Sinks   []string      // of the outbox, by the names of their deliveries; none
	Timeout time.Duration // for all reading in one collection; default 5s
}

// Watch observes an authority whenever measurements are collected.
type Watch struct {
	hook         *Hook
	ca           *authority.Authority
	o            WatchOptions
	registration metric.Registration
}

// Watch has the gauges observed, until the Watch is closed. A hook watches one authority at a time.
//
// The readings of a collection have o.Timeout, and need a store that honours contexts. One that fails leaves
// its gauges out and is counted: an error would keep some SDKs from sending anything else, too.
func (h *Hook) Watch(ca *authority.Authority, o WatchOptions) (*Watch, error) {
	if ca == nil {
		return nil, errors.New("otelhook: no authority to watch")
	}
	o.Timeout, o.Sinks = cmp.Or(o.Timeout, 5*time.Second), slices.Clone(o.Sinks)
	w := &Watch{hook: h, ca: ca, o: o}
	if !h.watch.CompareAndSwap(nil, w) {
		return nil, errors.New("otelhook: the hook watches an authority already")
	}
	var err error
	g := h.gauges
	if w.registration, err = h.meter.RegisterCallback(w.observe, g.issuer, g.root, g.lag, g.dead, g.crlAge, g.crlRemaining, g.build); err != nil {
		h.watch.Store(nil)
		return nil, fmt.Errorf("otelhook: %w", err)
	}
	return w, nil
}

// Close ends the observation. It waits for a collection under way. Closing again does nothing.
func (w *Watch) Close() error {
	if !w.hook.watch.CompareAndSwap(w, nil) {
		return nil
	}
	return w.registration.Unregister()
}

// observe reads everything. It returns no error, whatever fails.
func (w *Watch) observe(ctx context.Context, o metric.Observer) error {
	ctx, cancel := context.WithTimeout(ctx, w.o.Timeout)
	defer cancel()
	g, now := w.hook.gauges, time.Now()
	o.ObserveInt64(g.build, 1, attributes(keyVersion.String(version()), keyGo.String(runtime.Version())))
	for _, c := range w.ca.Roots() {
		sum := sha256.Sum256(c.Raw)
		o.ObserveFloat64(g.root, c.NotAfter.Sub(now).Seconds(), attributes(keyRoot.String(hex.EncodeToString(sum[:16]))))
	}
	for _, i := range w.ca.Issuers() {
		if i.State == authority.Retired {
			continue
		}
		o.ObserveFloat64(g.issuer, i.NotAfter.Sub(now).Seconds(), attributes(keyIssuer.String(i.Name)))
		w.crls(ctx, o, i.Name, now)
	}
	for _, sink := range w.o.Sinks {
		w.sink(ctx, o, sink)
	}
	return nil
}

func (w *Watch) crls(ctx context.Context, o metric.Observer, issuer string, now time.Time) {
	cs, err := w.ca.Store().CRLs(ctx, issuer)
	if w.failed(ctx, "crls", err) {
		return
	}
	for _, c := range cs {
		at := attributes(keyIssuer.String(issuer), keyShard.Int(c.Shard), keyDelta.Bool(c.Delta))
		o.ObserveFloat64(w.hook.gauges.crlAge, now.Sub(c.ThisUpdate).Seconds(), at)
		o.ObserveFloat64(w.hook.gauges.crlRemaining, c.NextUpdate.Sub(now).Seconds(), at)
	}
}

// deadLetters is how many are counted.
const deadLetters = 100

func (w *Watch) sink(ctx context.Context, o metric.Observer, sink string) {
	at := attributes(keySink.String(sink))
	if lag, err := w.ca.Lag(ctx, sink); !w.failed(ctx, "lag", err) {
		o.ObserveFloat64(w.hook.gauges.lag, lag.Seconds(), at)
	}
	if dead, err := w.ca.DeadLetters(ctx, sink, 0, deadLetters); !w.failed(ctx, "dead-letters", err) {
		o.ObserveInt64(w.hook.gauges.dead, int64(len(dead)), at)
	}
}

func (w *Watch) failed(ctx context.Context, reading string, err error) bool {
	if err != nil {
		w.hook.failures.Add(ctx, 1, metric.WithAttributes(keyReading.String(reading)))
	}
	return err != nil
}

// version is that of the module in the program; empty if the program does not know.
func version() string {
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, m := range append([]*debug.Module{&b.Main}, b.Deps...) {
		if m.Path == module {
			return m.Version
		}
	}
	return ""
}
