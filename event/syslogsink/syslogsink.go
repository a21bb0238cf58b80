package syslogsink

import (
	"context"
	"net"
	"time"

	"github.com/chancery-ca/chancery/event"
)

// Sink sends events over one connection, which it makes when there is something to send and none is open.
// Make it with New. It is safe for concurrent use and writes one message at a time.
type Sink struct {
	c Config // complete, and unchanged since New

	busy chan struct{} // holds a token while somebody uses what follows

	conn   net.Conn // nil if there is none
	probed time.Time
	recent []sent // oldest first; kept bytes in all
	kept   int
}

// New returns a sink. It connects to nothing yet. The error names every fault of c.
func New(c Config) (*Sink, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	return &Sink{c: c, busy: make(chan struct{}, 1)}, nil
}

// Publish writes e as one message, after connecting if need be. Nil means that it was written, which is all
// that syslog can say: see the package comment. An event that makes no message, such as one with an id above
// MaxMessage ([ErrTooLarge]), is never acceptable (event.Permanent).
func (s *Sink) Publish(ctx context.Context, e event.Event) error {
	frame, err := s.frame(e)
	if err != nil {
		return event.Permanent(err)
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	s.probe()
	if s.conn == nil {
		if err := s.connect(ctx); err != nil {
			return err
		}
	}
	if err := s.write(ctx, frame); err != nil {
		return err
	}
	s.remember(frame)
	return nil
}

// Close ends the connection, if there is one. Publish makes a new one.
func (s *Sink) Close() error {
	s.busy <- struct{}{}
	defer s.unlock()
	c := s.conn
	if s.conn = nil; c == nil {
		return nil
	}
	return c.Close()
}

func (s *Sink) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Sink) unlock() { <-s.busy }
