// Package event says what happens in an authority: typed events in the envelope of CloudEvents 1.0, and
// the [Sink] that is told of them.
//
// A sink that only needs to be told (a log, metrics) is called with [Publish]. One that must not miss an
// event reads from an [Outbox] through a [Pump], which delivers at least once and in order per subject, and
// sets aside as a [DeadLetter] what the sink will never accept. [NewSlog], [NewJSONLines], [SinkFunc],
// [Multi] and [Filter] make sinks, and so do the packages below this one; the suites in event/eventtest say
// what a sink and an outbox must do.
package event
