package syslogsink_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/eventtest"
	"github.com/chancery-ca/chancery/event/syslogsink"
)

// FuzzMessage: whatever an event says, the frame is one message that reads back.
func FuzzMessage(f *testing.F) {
	seeds, err := os.ReadDir("testdata/fuzz/FuzzMessage")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	var p pipes
	s, err := syslogsink.New(syslogsink.Config{Address: "log.internal:6514", Plain: true, Dial: p.dial, Resend: -1})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, id, typ, subject, serial string) {
		e := event.Event{ID: id, Type: event.Type(typ), Source: "/ca", Subject: subject, Data: event.Refusal{Serial: serial}}
		p.reset()
		if err := s.Publish(t.Context(), e); err != nil {
			require.ErrorIs(t, err, event.ErrPermanent)
			return
		}
		require.NoError(t, s.Close())
		p.reading.Wait()
		got := parse(t, p.written())
		require.Len(t, got, 1)
		require.Nil(t, got[0].Hostname)
		require.NotRegexp(t, `[^\x20-\x7e]`, *got[0].Message)
		var back struct{ ID, Subject string }
		require.NoError(t, json.Unmarshal([]byte(*got[0].Message), &back))
		require.Equal(t, strings.ToValidUTF8(id, "\ufffd") == id, back.ID == id)
	})
}

// pipes are connections without a network, for time that is synctest's.
type pipes struct {
	mu    sync.Mutex
	bytes []byte
	far   []net.Conn
	fail  error
	stuck bool // nobody reads

	reading sync.WaitGroup
}

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return nil, p.fail
	}
	near, far := net.Pipe()
	p.far = append(p.far, far)
	if !p.stuck {
		p.reading.Go(func() {
			b := make([]byte, 64<<10)
			for {
				n, err := far.Read(b)
				p.mu.Lock()
				p.bytes = append(p.bytes, b[:n]...)
				p.mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	return near, nil
}

func (p *pipes) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes = nil
}

func (p *pipes) written() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]byte(nil), p.bytes...)
}

func (p *pipes) cut() { p.far[len(p.far)-1].Close() }

func (p *pipes) ids(t *testing.T) (ids []string) {
	for _, e := range eventsOf(t, parse(t, p.written())) {
		ids = append(ids, e.ID)
	}
	return ids
}

func plain(t *testing.T, p *pipes, change func(*syslogsink.Config)) *syslogsink.Sink {
	c := syslogsink.Config{Address: "log.internal:601", Plain: true, Dial: p.dial}
	if change != nil {
		change(&c)
	}
	return open(t, c)
}

// A connection that is good two minutes later vouches for what was written; an idle one does not.
func TestResendForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, e := new(pipes), eventtest.Samples()
		s := plain(t, p, nil)
		require.NoError(t, s.Publish(t.Context(), e[0]))
		time.Sleep(3 * time.Minute)
		require.NoError(t, s.Publish(t.Context(), e[1])) // finds the connection good
		time.Sleep(time.Hour)                            // in which it dies
		p.cut()
		p.reset()
		require.NoError(t, s.Publish(t.Context(), e[2]))
		require.NoError(t, s.Close())
		synctest.Wait()
		require.Equal(t, []string{e[1].ID, e[2].ID}, p.ids(t))
	})
}

// What is kept is bounded by bytes.
func TestResendBound(t *testing.T) {
	for resend, want := range map[int]int{-1: 1, 2000: 3 + 1, 0: 100 + 1} {
		synctest.Test(t, func(t *testing.T) {
			p, e := new(pipes), eventtest.Samples()
			s := plain(t, p, func(c *syslogsink.Config) { c.Resend = resend })
			for range 100 {
				require.NoError(t, s.Publish(t.Context(), e[0])) // some 650 bytes
			}
			p.cut()
			time.Sleep(time.Second)
			p.reset()
			require.NoError(t, s.Publish(t.Context(), e[1]))
			synctest.Wait()
			require.Len(t, p.ids(t), want)
			s.Close()
			synctest.Wait()
		})
	}
}

// A server that reads nothing costs the time it is given, and not a moment more than the caller has.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{stuck: true}
		s := plain(t, p, nil)
		began := time.Now()
		require.ErrorIs(t, s.Publish(t.Context(), eventtest.Samples()[0]), os.ErrDeadlineExceeded)
		require.Equal(t, 10*time.Second, time.Since(began))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		require.Error(t, s.Publish(ctx, eventtest.Samples()[0]))
		require.Equal(t, time.Second, time.Since(began))
		ctx, cancel = context.WithCancel(t.Context())
		defer cancel()
		go func() { time.Sleep(time.Second); cancel() }()
		began = time.Now()
		require.Error(t, s.Publish(ctx, eventtest.Samples()[0]))
		require.Equal(t, time.Second, time.Since(began))
		require.Len(t, p.far, 3, "what was half written is not gone on with")
	})
}

// One who waits for another's Publish ends with its own context.
func TestWaitingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{stuck: true}
		s := plain(t, p, nil)
		done := make(chan error)
		go func() { done <- s.Publish(context.Background(), eventtest.Samples()[0]) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, s.Publish(ctx, eventtest.Samples()[1]), context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(began))
		require.Error(t, <-done)
	})
}

func TestDialFails(t *testing.T) {
	p := &pipes{fail: errors.New("no route")}
	s := plain(t, p, nil)
	err := s.Publish(t.Context(), eventtest.Samples()[0])
	require.ErrorIs(t, err, p.fail)
	require.NotErrorIs(t, err, event.ErrPermanent)
	p.fail = nil
	require.NoError(t, s.Publish(t.Context(), eventtest.Samples()[0]))
}
