package authoritytest

import (
	"io"
	"net"
	"sync"
	"time"
)

// pipe returns the two ends of a connection in memory. Unlike those of net.Pipe they keep what was written
// until it is read: both sides of an SSH connection begin by writing.
func pipe() (net.Conn, net.Conn) {
	a, b := newBuffer(), newBuffer()
	return &end{a, b}, &end{b, a}
}

// buffer is one direction.
type buffer struct {
	mu     sync.Mutex
	wake   *sync.Cond
	data   []byte
	closed bool
}

func newBuffer() *buffer {
	b := &buffer{}
	b.wake = sync.NewCond(&b.mu)
	return b
}

func (b *buffer) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.wake.Broadcast()
}

type end struct{ in, out *buffer }

func (e *end) Read(p []byte) (int, error) {
	e.in.mu.Lock()
	defer e.in.mu.Unlock()
	for len(e.in.data) == 0 && !e.in.closed {
		e.in.wake.Wait()
	}
	if len(e.in.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, e.in.data)
	e.in.data = e.in.data[n:]
	return n, nil
}

func (e *end) Write(p []byte) (int, error) {
	e.out.mu.Lock()
	defer e.out.mu.Unlock()
	if e.out.closed {
		return 0, io.ErrClosedPipe
	}
	e.out.data = append(e.out.data, p...)
	e.out.wake.Broadcast()
	return len(p), nil
}

func (e *end) Close() error {
	e.in.close()
	e.out.close()
	return nil
}

// address is where a pipe leads.
type address struct{}

func (address) Network() string { return "pipe" }
func (address) String() string  { return "192.0.2.1:22" }

func (e *end) LocalAddr() net.Addr              { return address{} }
func (e *end) RemoteAddr() net.Addr             { return address{} }
func (e *end) SetDeadline(time.Time) error      { return nil }
func (e *end) SetReadDeadline(time.Time) error  { return nil }
func (e *end) SetWriteDeadline(time.Time) error { return nil }
