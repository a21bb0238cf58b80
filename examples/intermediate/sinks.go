package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/stepconfig"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/event/natssink"
	"github.com/chancery-ca/chancery/event/syslogsink"
	"github.com/chancery-ca/chancery/event/webhook"
)

// sinks are the receivers of events that chancery.json names, opened.
type sinks struct {
	deliveries []authority.Delivery
	opened     []io.Closer
}

// openSinks opens all of them, or none.
func openSinks(file *stepconfig.File) (*sinks, error) {
	all := &sinks{}
	var faults []error
	for i := range file.Sinks {
		k := &file.Sinks[i]
		s, err := all.open(k)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		if k.Types != nil {
			s = event.Filter(s, k.Types...)
		}
		all.deliveries = append(all.deliveries, authority.Delivery{Name: k.Name, Sink: s, HoldAfter: k.HoldAfter, GiveUp: k.GiveUp})
	}
	if len(faults) > 0 {
		all.close()
		return nil, errors.Join(faults...)
	}
	return all, nil
}

func (a *sinks) open(k *stepconfig.Sink) (event.Sink, error) {
	switch k.Kind {
	case "file":
		f, err := openLines(k.Path)
		if err != nil {
			return nil, k.Fault("path", err)
		}
		a.opened = append(a.opened, f)
		return event.NewJSONLines(f), nil
	case "webhook":
		return a.webhook(k)
	case "nats":
		return a.nats(k)
	case "syslog":
		return a.syslog(k)
	}
	return nil, k.Fault("type", fmt.Errorf("%s is not served by this program", k.Kind))
}

func (a *sinks) webhook(k *stepconfig.Sink) (event.Sink, error) {
	c := webhook.Config{URL: k.URL, Unsigned: k.Unsigned, AllowHTTP: k.AllowHTTP}
	if k.Binary {
		c.Mode = webhook.Binary
	}
	var err error
	if c.TLS, err = trusting(k); err != nil {
		return nil, err
	}
	for _, path := range k.SecretFiles {
		text, err := readPassword(path)
		if err != nil {
			return nil, k.Fault("secretFiles", err)
		}
		s, err := webhook.ParseSecret(string(text))
		if err != nil {
			return nil, k.Fault("secretFiles", fmt.Errorf("%s: %w", path, err))
		}
		c.Secrets = append(c.Secrets, s)
	}
	s, err := webhook.New(c)
	if err != nil {
		return nil, k.Fault("", err)
	}
	a.opened = append(a.opened, s)
	return s, nil
}

func (a *sinks) nats(k *stepconfig.Sink) (event.Sink, error) {
	o := []nats.Option{nats.Name("chancery"), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.Timeout(dialing)}
	if k.CredentialsFile != "" {
		o = append(o, nats.UserCredentials(k.CredentialsFile))
	}
	t, err := trusting(k)
	if err != nil {
		return nil, err
	}
	if t != nil {
		o = append(o, nats.Secure(t))
	}
	c, err := nats.Connect(k.URL, o...)
	if err != nil {
		return nil, k.Fault("url", err)
	}
	a.opened = append(a.opened, closer(c.Close))
	js, err := jetstream.New(c)
	if err != nil {
		return nil, k.Fault("url", err)
	}
	s, err := natssink.New(natssink.Config{JetStream: js, Prefix: k.Prefix, Stream: k.Stream})
	if err != nil {
		return nil, k.Fault("", err)
	}
	return s, nil
}

func (a *sinks) syslog(k *stepconfig.Sink) (event.Sink, error) {
	host, _ := os.Hostname() // without one, messages say so
	c := syslogsink.Config{Address: k.Address, Plain: k.Plain, Facility: uint8(k.Facility), Hostname: host}
	var err error
	if c.TLS, err = trusting(k); err != nil {
		return nil, err
	}
	s, err := syslogsink.New(c)
	if err != nil {
		return nil, k.Fault("", err)
	}
	a.opened = append(a.opened, s)
	return s, nil
}

// dialing is how long a connection may take to come about.
const dialing = 10 * time.Second

// trusting is nil where the system says whom to trust.
func trusting(k *stepconfig.Sink) (*tls.Config, error) {
	if k.RootFile == "" {
		return nil, nil
	}
	b, err := os.ReadFile(k.RootFile)
	if err != nil {
		return nil, k.Fault("rootFile", err)
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	if !t.RootCAs.AppendCertsFromPEM(b) {
		return nil, k.Fault("rootFile", fmt.Errorf("%s holds no certificate in PEM", k.RootFile))
	}
	return t, nil
}

// closer is a way to close that cannot fail.
type closer func()

func (c closer) Close() error {
	c()
	return nil
}

// close ends them. What is delivered to one of them afterwards fails, and waits for the next.
func (a *sinks) close() {
	if a == nil {
		return
	}
	for _, c := range a.opened {
		c.Close()
	}
}
