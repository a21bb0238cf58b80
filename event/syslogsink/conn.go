package syslogsink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	probeEvery = 100 * time.Millisecond
	probeFor   = time.Millisecond // long enough to read what has arrived: a deadline in the past reads nothing
	settled    = 2 * time.Minute  // after which a good connection vouches for a message
)

// sent is a frame that was written, and perhaps lost.
type sent struct {
	frame []byte
	at    time.Time
}

// connect dials, and sends again what the last connection may have lost.
func (s *Sink) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.c.Timeout)
	defer cancel()
	c, err := s.c.Dial(ctx, "tcp", s.c.Address)
	if err != nil {
		return fmt.Errorf("syslogsink: connecting to %s: %w", s.c.Address, err)
	}
	if !s.c.Plain {
		t := tls.Client(c, s.c.TLS)
		if err := t.HandshakeContext(ctx); err != nil {
			c.Close()
			return fmt.Errorf("syslogsink: TLS with %s: %w", s.c.Address, err)
		}
		c = t
	}
	s.conn, s.probed = c, time.Now()
	for i := range s.recent {
		if err := s.write(ctx, s.recent[i].frame); err != nil {
			return err
		}
		s.recent[i].at = time.Now()
	}
	return nil
}

// probe drops a connection that the server has ended: it never sends anything, so a read waits or fails.
func (s *Sink) probe() {
	if s.conn == nil || time.Since(s.probed) < probeEvery {
		return
	}
	now := time.Now()
	var b [64]byte
	err := s.conn.SetReadDeadline(now.Add(probeFor))
	if err == nil {
		_, err = s.conn.Read(b[:])
	}
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		s.drop()
		return
	}
	s.probed = now
	for len(s.recent) > 0 && now.Sub(s.recent[0].at) > settled {
		s.forget()
	}
}

// write sends one frame in full, or drops the connection: nobody knows what the server has of it.
func (s *Sink) write(ctx context.Context, frame []byte) error {
	deadline := time.Now().Add(s.c.Timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	c := s.conn
	if err := c.SetWriteDeadline(deadline); err != nil {
		s.drop()
		return fmt.Errorf("syslogsink: writing to %s: %w", s.c.Address, err)
	}
	stop := context.AfterFunc(ctx, func() { c.SetWriteDeadline(time.Unix(1, 0)) })
	_, err := c.Write(frame)
	if cut := !stop(); err != nil || cut { // a late cut would spoil the next write
		s.drop()
	}
	if err != nil {
		return fmt.Errorf("syslogsink: writing to %s: %w", s.c.Address, err)
	}
	return nil
}

func (s *Sink) drop() {
	c := s.conn
	s.conn = nil
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn() // without a goodbye, which may block
	}
	if c != nil {
		c.Close()
	}
}

// remember keeps what was written last.
func (s *Sink) remember(frame []byte) {
	s.recent = append(s.recent, sent{frame, time.Now()})
	s.kept += len(frame)
	for len(s.recent) > 0 && s.kept > s.c.Resend {
		s.forget()
	}
}

func (s *Sink) forget() {
	s.kept -= len(s.recent[0].frame)
	s.recent[0] = sent{}
	s.recent = s.recent[1:]
}
