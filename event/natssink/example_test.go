package natssink_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/natssink"
)

func Example() {
	t := new(quiet)
	defer t.end()
	b := newBroker(t) // a program connects with nats.Connect and jetstream.New
	sink, err := natssink.New(natssink.Config{JetStream: b.js, Prefix: "ca"})
	if err != nil {
		fmt.Println(err)
		return
	}
	e := event.Event{ID: "1", Type: event.ConfigChanged, Source: "/ca", Time: time.Unix(0, 0)}
	fmt.Println(errors.Join(sink.Publish(context.Background(), e), sink.Publish(context.Background(), e)))
	fmt.Println(len(b.messages("events")), b.messages("events")[0].Subject)
	// Output:
	// <nil>
	// 1 ca.io.chancery.config.changed
}

// quiet is what an Example has instead of a test.
type quiet struct {
	testing.TB
	cleanups []func()
}

func (q *quiet) Helper()                        {}
func (q *quiet) Context() context.Context       { return context.Background() }
func (q *quiet) Errorf(format string, a ...any) { fmt.Printf(format, a...) }
func (q *quiet) FailNow()                       { panic("failed") }
func (q *quiet) Cleanup(f func())               { q.cleanups = append(q.cleanups, f) }

func (q *quiet) TempDir() string {
	dir, err := os.MkdirTemp("", "nats")
	if err != nil {
		panic(err)
	}
	q.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (q *quiet) end() {
	for i := len(q.cleanups) - 1; i >= 0; i-- {
		q.cleanups[i]()
	}
}
