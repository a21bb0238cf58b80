package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/httpapi"
	"github.com/chancery-ca/chancery/authority/stepconfig"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/inventory"
)

// live is what a reload replaces, as one.
type live struct {
	context.Context // ends when it is replaced
	end             context.CancelFunc

	file        *stepconfig.File
	config      *authority.Config
	handler     http.Handler
	public      http.Handler // of the plain HTTP listener
	tls         *tls.Config
	inventory   *inventory.File // nil: none
	publication *publication
	sinks       *sinks
}

// config makes the authority's configuration. Its outbox is what sinks has.
func (s *server) config(ctx context.Context, file *stepconfig.File, k *sinks) (*authority.Config, error) {
	o := stepconfig.Options{Password: s.folder.password(), Store: s.store, Address: s.listener.Addr().String(), Logger: s.log, ACME: s.acme()}
	if s.plain != nil {
		o.HTTP = s.plain.Addr().String()
	}
	c, err := file.Config(ctx, o)
	if err != nil {
		return nil, err
	}
	c.Outbox = k.deliveries
	c.Sinks = []event.Sink{event.NewSlog(s.log), event.SinkFunc(s.hear)}
	return c, nil
}

func (s *server) hear(_ context.Context, e event.Event) error {
	if l := s.live.Load(); l != nil {
		l.publication.hear(e)
	}
	return nil
}

// assemble makes what clients see of the authority as it is configured now.
func (s *server) assemble(ctx context.Context, file *stepconfig.File, c *authority.Config, k *sinks) (*live, error) {
	identity, err := authority.NewIdentity(ctx, s.ca, authority.IdentityOptions{
		Provisioner: stepconfig.Identity, CommonName: file.CommonName, Names: file.DNSNames,
	})
	if err != nil {
		return nil, fmt.Errorf("making the server's own certificate: %w", err)
	}
	var old *publication
	if before := s.live.Load(); before != nil {
		old = before.publication
	}
	l := &live{file: file, config: c, sinks: k}
	if l.publication, err = publish(s.ca, file, old, s.log); err != nil {
		return nil, err
	}
	l.Context, l.end = context.WithCancel(context.Background())
	l.inventory, _ = inventory.As[*inventory.File](c.Inventory)
	advice := httpapi.TLSOptions{MinVersion: version(file.TLS.MinVersion), MaxVersion: version(file.TLS.MaxVersion)}
	for _, id := range file.TLS.CipherSuites {
		advice.CipherSuites = append(advice.CipherSuites, tls.CipherSuiteName(id))
	}
	o := httpapi.Options{TLS: advice, AccessLog: s.log, Logger: s.log}
	o.CRL, o.OCSP = l.publication.handlers()
	if o.SSH, err = s.sshOptions(file, l.publication); err != nil {
		return nil, err
	}
	l.handler = probes(s.ca, httpapi.New(s.ca, &o), &httpapi.ReadyOptions{Logger: s.log})
	l.public = public(s.ca, l.handler)
	l.tls = tuned(httpapi.TLSConfig(s.ca, l.publication.stapled(identity.GetCertificate)), file.TLS)
	return l, nil
}

// reload reads ca.json again. Whatever is wrong with it, what runs goes on as it was.
func (s *server) reload(ctx context.Context) (err error) {
	file, err := s.folder.load()
	if err != nil {
		return err
	}
	old := s.live.Load()
	if file.DB != old.file.DB {
		return &stepconfig.Fault{File: file.Path, Path: "db", Reason: "changes at the next start only; nothing else of the file was taken over"}
	}
	if file.Address != old.file.Address || file.Insecure != old.file.Insecure {
		s.log.Warn("configuration", "note", "address, insecureAddress: change at the next start")
	}
	k, err := openSinks(file)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			k.close()
		}
	}()
	c, err := s.config(ctx, file, k)
	if err != nil {
		return err
	}
	if err := s.ca.Reconfigure(ctx, *c); err != nil {
		return err
	}
	l, err := s.assemble(ctx, file, c, k)
	if err != nil { // the CA must be able to certify itself
		return errors.Join(err, s.ca.Reconfigure(ctx, *old.config))
	}
	s.live.Store(l)
	old.end()
	s.retire(old.sinks)
	if l.publication != old.publication {
		old.publication.end()
	}
	return nil
}

// lingering is how long sinks stay open after a reload: longer than the authority takes to notice that there
// are others, or a mandatory one would hold back issuance meanwhile.
const lingering = 2 * time.Minute

// retire closes sinks, some time after a reload has replaced them.
func (s *server) retire(k *sinks) {
	s.retired = append(s.retired, retired{k, time.Now()})
	for len(s.retired) > 0 && time.Since(s.retired[0].at) > lingering {
		s.retired[0].close()
		s.retired = s.retired[1:]
	}
}

// retired are sinks that were replaced at that moment.
type retired struct {
	*sinks
	at time.Time
}

// rejected logs each fault of a configuration by itself.
func (s *server) rejected(err error) {
	const message = "configuration rejected, the running one stays"
	faults := stepconfig.Faults(err)
	for _, f := range faults {
		s.log.Error(message, "file", f.File, "line", f.Line, "setting", f.Path, "reason", f.Message())
	}
	if len(faults) == 0 {
		s.log.Error(message, "reason", err.Error())
	}
}

// followInventory takes in changes of the inventory's file, whichever one it is at the time.
func (s *server) followInventory(ctx context.Context) error {
	for ctx.Err() == nil {
		l := s.live.Load()
		within(ctx, l, func(ctx context.Context) {
			if l.inventory == nil {
				return
			}
			if err := l.inventory.Run(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("inventory is not followed any more", "error", err)
			}
		})
	}
	return nil
}

// followPublication does the publication's work, whichever one it is at the time.
func (s *server) followPublication(ctx context.Context) error {
	for ctx.Err() == nil {
		p := s.live.Load().publication
		within(ctx, p, func(ctx context.Context) {
			if err := p.run(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("revocations are not published any more", "error", err)
			}
		})
	}
	return nil
}

// within does something until either context has ended, and returns then.
func within(ctx, until context.Context, do func(context.Context)) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(until, cancel)()
	do(ctx)
	<-ctx.Done()
}
