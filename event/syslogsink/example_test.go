package syslogsink_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/syslogsink"
)

func Example() {
	server, here := net.Pipe()
	sink, err := syslogsink.New(syslogsink.Config{
		Address: "log.internal:6514", Hostname: "ca.internal",
		Plain: true, Dial: func(context.Context, string, string) (net.Conn, error) { return here, nil }, // leave out for TLS
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() {
		defer sink.Close()
		sink.Publish(context.Background(), event.Event{
			ID: "1", Type: event.CertificateReleased, Source: "/ca", Subject: "1f", Time: time.Unix(0, 0),
			Data: event.Revocation{Serial: "1f"},
		})
	}()
	b, err := io.ReadAll(server)
	fmt.Println(string(b), err)
	// Output:
	// 415 <85>1 1970-01-01T00:00:00Z ca.internal chancery - certificate.released [chancery@32473 id="1" serial="1f" source="/ca" subject="1f" type="io.chancery.certificate.released"] {"specversion":"1.0","id":"1","source":"/ca","type":"io.chancery.certificate.released","subject":"1f","time":"1970-01-01T00:00:00Z","datacontenttype":"application/json","data":{"serial":"1f","reasonCode":0,"revokedAt":"0001-01-01T00:00:00Z"}} <nil>
}
