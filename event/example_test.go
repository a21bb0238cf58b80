package event_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/chancery-ca/chancery/event"
)

func Example() {
	log := event.NewSlog(slog.New(slog.NewJSONHandler(os.Stdout, nil)))
	count := 0
	revoked := event.Filter(event.SinkFunc(func(context.Context, event.Event) error {
		count++
		return nil
	}), event.CertificateRevoked)

	err := event.Publish(context.Background(), event.Multi(log, revoked), event.Event{
		ID: "1", Type: event.RequestRefused, Source: "/ca", Time: time.Unix(0, 0).UTC(),
		Data: event.Refusal{Operation: "x509/sign", Step: "decide", Kind: "denied", Code: "policy-dns", Reason: "not allowed", Subject: "alice"},
	})
	fmt.Println(err, count)
	// Output:
	// {"time":"1970-01-01T00:00:00Z","level":"WARN","msg":"request.refused","id":"1","type":"io.chancery.request.refused","source":"/ca","operation":"x509/sign","step":"decide","kind":"denied","code":"policy-dns","reason":"not allowed","subject":"alice"}
	// <nil> 0
}
