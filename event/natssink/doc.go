// Package natssink is an event.Sink that publishes events to a stream of NATS JetStream: the JSON of
// CloudEvents 1.0, on a subject made of a prefix and the event's type.
//
// An event counts as published when the stream has acknowledged it. The header Nats-Msg-Id is the event's
// ID, so within the stream's duplicate window (two minutes unless it says otherwise) a repeat leaves no
// second message; later ones do, and a consumer that minds compares IDs. A stream with several replicas
// acknowledges what a majority has; one with a single replica and no sync_interval "always" may lose
// what it acknowledged when its machine, not just its process, dies.
//
// The embedding program makes the connection and the stream, and closes them.
package natssink
