package eventtest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/eventtest"
)

func ExampleRecorder() {
	var r eventtest.Recorder
	go func() {
		for _, e := range eventtest.Samples() {
			r.Publish(context.Background(), e)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := r.Wait(ctx, len(event.Types()))
	fmt.Println(err, len(r.OfType(event.CertificateRevoked)))
	// Output: <nil> 1
}
