package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/webhook"
)

func Example() {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Header.Get("Content-Type"), r.Header.Get("webhook-id"), r.Header.Get("webhook-signature") != "")
	}))
	defer receiver.Close()

	secret, err := webhook.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		fmt.Println(err)
		return
	}
	sink, err := webhook.New(webhook.Config{URL: receiver.URL, AllowHTTP: true, Secrets: []webhook.Secret{secret}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sink.Close()

	err = sink.Publish(context.Background(), event.Event{
		ID: "1", Type: event.ConfigChanged, Source: "/ca", Time: time.Unix(0, 0), Data: event.Config{Issuers: []string{"issuing"}},
	})
	fmt.Println(err, sink.String() == "webhook to "+receiver.Listener.Addr().String())
	// Output:
	// application/cloudevents+json; charset=utf-8 1 true
	// <nil> true
}
