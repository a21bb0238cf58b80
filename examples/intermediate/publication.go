package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/crl"
	"github.com/chancery-ca/chancery/authority/ocsp"
	"github.com/chancery-ca/chancery/authority/stepconfig"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/sshca/krl"
)

// publication is how relying parties learn what is revoked. It stays the same across reloads that do not
// change how.
type publication struct {
	context.Context // ends when it is replaced
	end             context.CancelFunc

	settings stepconfig.CRL
	crl      *crl.Publisher  // nil: none
	ocsp     *ocsp.Responder // nil: none
	krl      *krl.Publisher  // nil: no SSH
	log      *slog.Logger
}

// publish returns old if the file wants it like that.
func publish(ca *authority.Authority, file *stepconfig.File, old *publication, log *slog.Logger) (*publication, error) {
	if old != nil && old.settings == file.CRL && (old.ocsp != nil) == file.OCSP && (old.krl != nil) == (file.SSH != nil) {
		return old, nil
	}
	p := &publication{settings: file.CRL, log: log}
	p.Context, p.end = context.WithCancel(context.Background())
	var err error
	if c := file.CRL; c.Enabled {
		o := crl.Options{Validity: c.Validity, Interval: c.Interval, Delta: c.Delta, DeltaValidity: c.DeltaValidity, Logger: log}
		if c.Scheduled {
			o.OnChange = -1
		}
		if p.crl, err = crl.New(ca, o); err != nil {
			return nil, file.Fault("crl", err)
		}
	}
	if file.SSH != nil {
		if p.krl, err = krl.New(ca, krl.Options{}); err != nil {
			return nil, err
		}
	}
	if file.OCSP {
		if p.ocsp, err = ocsp.New(ca, ocsp.Options{Logger: log}); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// handlers are nil for what is not served.
func (p *publication) handlers() (crls, responder http.Handler) {
	if p.crl != nil {
		crls = p.crl.Handler()
	}
	if p.ocsp != nil {
		responder = p.ocsp
	}
	return crls, responder
}

func (p *publication) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	if p.crl != nil {
		g.Go(func() error { return ended(p.crl.Run(ctx)) })
	}
	if p.ocsp != nil {
		g.Go(func() error { return ended(p.ocsp.Run(ctx)) })
	}
	return g.Wait()
}

// patience is how long a start waits for the first CRL.
const patience = 30 * time.Second

// await returns when relying parties find a CRL. One that cannot be made does not keep the CA from starting:
// revoking and OCSP may work all the same.
func (p *publication) await(ctx context.Context) {
	if p.crl == nil {
		return
	}
	late := time.After(patience)
	for {
		err := p.crl.Ready()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-late:
			p.log.Error("there is no CRL yet", "error", err)
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// hear has CRLs made at once, instead of within a second, of what this process has revoked.
func (p *publication) hear(e event.Event) {
	if e.Type != event.CertificateRevoked && e.Type != event.CertificateReleased {
		return
	}
	if p.crl != nil && !p.settings.Scheduled {
		p.crl.Wake()
	}
	if p.krl != nil {
		p.krl.Wake()
	}
}

// How long the server's own OCSP response is used again, and how long a handshake may take over a new one.
const (
	stapleFor  = time.Minute
	stapleTime = 2 * time.Second
)

// stapled adds to a server's certificate what OCSP says of it. While there is no response it goes without.
func (p *publication) stapled(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if p.ocsp == nil {
		return get
	}
	var mu sync.Mutex
	var last struct {
		of   *tls.Certificate
		with tls.Certificate
		at   time.Time
	}
	return func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		c, err := get(h)
		if err != nil {
			return nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		if last.of != c || time.Since(last.at) > stapleFor {
			// Not the client's context: who goes away must not take the staple from the others.
			ctx, cancel := context.WithTimeout(p, stapleTime)
			defer cancel()
			last.of, last.with, last.at = c, *c, time.Now()
			if last.with.OCSPStaple, err = p.ocsp.Staple(ctx, c.Leaf); err != nil {
				p.log.Warn("no OCSP response for the server's own certificate", "error", err)
			}
		}
		with := last.with
		return &with, nil
	}
}
