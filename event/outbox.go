package event

import (
	"context"
	"time"
)

// Posted is an event in the outbox of one sink.
type Posted struct {
	Seq   int64 // rises in the order of commits, per store
	Event Event
}

// DeadLetter is an event that a sink would not accept: set aside, and kept to be looked at and replayed.
type DeadLetter struct {
	Posted
	Reason   string // what the sink said last: one line of at most 500 bytes
	BuriedAt time.Time
}

// Outbox is the queue of one sink. Pending returns up to limit undelivered events with Seq above after,
// oldest first. Delivered forgets events that the sink has received. Bury makes an event that the sink will
// not accept a [DeadLetter], which Pending no longer returns. Events that are not there, or no longer, are
// ignored by both.
type Outbox interface {
	Pending(ctx context.Context, after int64, limit int) ([]Posted, error)
	Delivered(ctx context.Context, seqs []int64) error
	Bury(ctx context.Context, seq int64, reason string) error
}
