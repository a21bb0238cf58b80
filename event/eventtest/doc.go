// Package eventtest says what an event.Sink must do, in [Run] and, where its other end may be away, in
// [RunOutage], and what an event.Outbox must do, in [RunOutbox]. It has an [Outbox] in memory and sinks for
// the tests of others: [Recorder], [Failing], [Panicking] and [Slow]. [Samples] has an event of every type.
package eventtest
