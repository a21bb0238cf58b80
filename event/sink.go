package event

import (
	"context"
	"fmt"
	"slices"
)

// Publish tells s of e and turns a panic of the sink into an error.
func Publish(ctx context.Context, s Sink, e Event) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("event: sink panicked: %.200s", fmt.Sprint(r))
		}
	}()
	return s.Publish(ctx, e)
}

// Multi makes one Sink of several. Each is told, whatever becomes of the others; their errors are joined.
// After an error all of them are told again, so those that had received the event see it twice. The error
// is [Permanent] only if that of each sink that failed is.
func Multi(sinks ...Sink) Sink { return multi(slices.Clone(sinks)) }

type multi []Sink

func (m multi) Publish(ctx context.Context, e Event) error {
	var errs []error
	for _, s := range m {
		if err := Publish(ctx, s, e); err != nil {
			errs = append(errs, err)
		}
	}
	return joinFailures(errs)
}

func (m multi) Unwrap() []Sink { return slices.Clone(m) }

// Filter passes on the events of the types that are named, and no other: without types, none.
func Filter(s Sink, types ...Type) Sink { return filter{s, slices.Clone(types)} }

type filter struct {
	sink  Sink
	types []Type
}

func (f filter) Publish(ctx context.Context, e Event) error {
	if !slices.Contains(f.types, e.Type) {
		return nil
	}
	return f.sink.Publish(ctx, e)
}

func (f filter) Unwrap() Sink { return f.sink }

// As finds the first T among s and what it wraps, by Unwrap() Sink or Unwrap() []Sink, depth first.
func As[T any](s Sink) (T, bool) {
	for s != nil {
		if t, ok := s.(T); ok {
			return t, true
		}
		switch u := s.(type) {
		case interface{ Unwrap() Sink }:
			s = u.Unwrap()
			continue
		case interface{ Unwrap() []Sink }:
			for _, w := range u.Unwrap() {
				if t, ok := As[T](w); ok {
					return t, true
				}
			}
		}
		break
	}
	var zero T
	return zero, false
}
