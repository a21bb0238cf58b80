// Package eventtest says what an event.Sink must do, in [Run], and has sinks for the tests of others:
// [Recorder], [Failing], [Panicking] and [Slow]. [Samples] has an event of every type.
package eventtest
