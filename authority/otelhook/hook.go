package otelhook

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// module is the path of the module, and scope the name under which its measurements and spans appear.
const (
	module = "github.com/chancery-ca/chancery"
	scope  = module + "/authority/otelhook"
)

// Options say where measurements and spans go.
type Options struct {
	MeterProvider  metric.MeterProvider // nil: nothing is measured
	TracerProvider trace.TracerProvider // nil: nothing is traced
}

// Hook is an [authority.Observer], and makes what watches the other parts of an authority. It is safe for
// concurrent use.
type Hook struct {
	meter  metric.Meter
	tracer trace.Tracer

	duration, step, store, signer metric.Float64Histogram
	active                        metric.Int64UpDownCounter
	done, errors, failures        metric.Int64Counter
	gauges                        gauges

	steps, methods sets // attributes of steps and of calls of the store
	names, codes   values

	watch atomic.Pointer[Watch] // the open one; nil: none
}

// gauges are what a Watch observes.
type gauges struct {
	issuer, root, lag, crlAge, crlRemaining metric.Float64ObservableGauge
	dead, build                             metric.Int64ObservableGauge
}

// buckets reach from what memory takes to what a far key or a busy disk takes, in seconds. Those that an SDK
// has by default are made for milliseconds.
func buckets() metric.HistogramOption {
	return metric.WithExplicitBucketBoundaries(.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30)
}

// New makes a hook. It returns what the meter provider says of instruments that it does not make.
func New(o Options) (*Hook, error) {
	if o.MeterProvider == nil {
		o.MeterProvider = metricnoop.NewMeterProvider()
	}
	if o.TracerProvider == nil {
		o.TracerProvider = tracenoop.NewTracerProvider()
	}
	h := &Hook{meter: o.MeterProvider.Meter(scope), tracer: o.TracerProvider.Tracer(scope), names: values{max: 1000}, codes: values{max: 200}}
	m := h.meter
	var faults [15]error
	histogram := func(err *error, name, about string) (i metric.Float64Histogram) {
		i, *err = m.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(about), buckets())
		return i
	}
	counter := func(err *error, name, unit, about string) (i metric.Int64Counter) {
		i, *err = m.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(about))
		return i
	}
	seconds := func(err *error, name, about string) (i metric.Float64ObservableGauge) {
		i, *err = m.Float64ObservableGauge(name, metric.WithUnit("s"), metric.WithDescription(about))
		return i
	}
	number := func(err *error, name, unit, about string) (i metric.Int64ObservableGauge) {
		i, *err = m.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(about))
		return i
	}
	h.duration = histogram(&faults[0], "chancery.operation.duration", "How long operations take.")
	h.active, faults[1] = m.Int64UpDownCounter("chancery.operation.active", metric.WithUnit("{operation}"), metric.WithDescription("Operations under way."))
	h.done = counter(&faults[2], "chancery.operation.done", "{operation}", "Operations that did what was asked.")
	h.errors = counter(&faults[3], "chancery.operation.errors", "{operation}", "Operations that were refused or failed.")
	h.step = histogram(&faults[4], "chancery.step.duration", "How long each step of an operation takes.")
	h.store = histogram(&faults[5], "chancery.store.duration", "How long calls of the store take.")
	h.signer = histogram(&faults[6], "chancery.signer.duration", "How long signatures take.")
	h.failures = counter(&faults[7], "chancery.watch.failures", "{reading}", "Readings for gauges that failed.")
	g := &h.gauges
	g.issuer = seconds(&faults[8], "chancery.issuer.remaining", "Time until the end of an issuer's chain.")
	g.root = seconds(&faults[9], "chancery.root.remaining", "Time until the end of a root.")
	g.lag = seconds(&faults[10], "chancery.outbox.lag", "Age of the oldest event that a sink has not received.")
	g.dead = number(&faults[11], "chancery.outbox.dead_letters", "{event}", "Events that a sink would not accept, up to 100.")
	g.crlAge = seconds(&faults[12], "chancery.crl.age", "Time since a CRL's thisUpdate.")
	g.crlRemaining = seconds(&faults[13], "chancery.crl.remaining", "Time until a CRL's nextUpdate.")
	g.build = number(&faults[14], "chancery.build.info", "1", "Always 1; the attributes tell what runs.")
	if err := errors.Join(faults[:]...); err != nil {
		return nil, fmt.Errorf("otelhook: %w", err)
	}
	return h, nil
}

// child begins a span below the one of ctx, if that one is recorded. The span may be nil.
func (h *Hook) child(ctx context.Context, name string) (context.Context, trace.Span) {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return ctx, nil
	}
	return h.tracer.Start(ctx, name)
}

// attributes makes an option for measurements. Attributes without a value are left out.
func attributes(kvs ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(present(kvs)...))
}

func present(kvs []attribute.KeyValue) []attribute.KeyValue {
	out := kvs[:0]
	for _, kv := range kvs {
		if kv.Value.Type() != attribute.STRING || kv.Value.AsString() != "" {
			out = append(out, kv)
		}
	}
	return out
}
