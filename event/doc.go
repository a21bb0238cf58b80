// Package event says what happens in an authority: typed events in the envelope of CloudEvents 1.0, and
// the [Sink] that is told of them.
//
// A sink that only needs to be told (a log, metrics) is called with [Publish]. One that must not miss an
// event reads from an outbox through a [Pump], which delivers at least once and in order per subject.
// [NewSlog], [SinkFunc], [Multi] and [Filter] make sinks; the suite in event/eventtest says what a sink
// must do.
package event
