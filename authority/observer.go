package authority

import (
	"context"
	"time"

	"github.com/chancery-ca/chancery/provisioner"
)

// Observer watches what an authority does, for metrics and traces. It must be safe for concurrent use, and
// as fast as it should be: every request waits for it. Package otelhook has one.
type Observer interface {
	// Begin is called when an operation begins. All that is done for it is done under the context that
	// Begin returns, the calls of provisioners, stores and signers included.
	Begin(ctx context.Context, op provisioner.Operation) (context.Context, Observation)
}

// Observation is one operation under watch. One goroutine calls its methods, End last and once.
type Observation interface {
	// Step tells that a step of the pipeline, which began at that moment, has just ended.
	Step(s Step, began time.Time)

	End(o Outcome)
}

// Outcome is how an operation ended. What was not found out before it was refused is empty.
type Outcome struct {
	Provisioner string
	Profile     string
	Issuer      string
	Err         *Error // nil: it was done
}

// errPanic is how an operation ended of which nothing better is known.
var errPanic = &Error{Kind: Internal, Code: "panic", Reason: "panic"}

// observe begins to watch an operation.
func (s *snapshot) observe(ctx context.Context, op provisioner.Operation) (context.Context, Observation) {
	if s.Observer == nil {
		return ctx, unwatched{}
	}
	return s.Observer.Begin(ctx, op)
}

// unwatched is an operation that nobody watches.
type unwatched struct{}

func (unwatched) Step(Step, time.Time) {}
func (unwatched) End(Outcome)          {}
