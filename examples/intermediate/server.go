package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/httpapi"
	"github.com/chancery-ca/chancery/authority/stepconfig"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/internal/sdnotify"
	"github.com/chancery-ca/chancery/inventory"
)

// drain is how long requests under way may take after SIGTERM.
const drain = 20 * time.Second

// server is the CA while it runs.
type server struct {
	folder   *folder
	log      *slog.Logger
	store    stepconfig.Store
	listener net.Listener
	ca       *authority.Authority
	live     atomic.Pointer[live]
	notify   *sdnotify.Notifier
}

// live is what a reload replaces, as one.
type live struct {
	context.Context // ends when it is replaced
	end             context.CancelFunc

	file      *stepconfig.File
	config    *authority.Config
	handler   http.Handler
	tls       *tls.Config
	inventory *inventory.File // nil: none
}

// start puts the server together. It listens, so that whoever connects now is served in a moment.
func start(ctx context.Context, c *folder, f *flags, log *slog.Logger) (_ *server, err error) {
	s := &server{folder: c, log: log}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	file, err := c.load()
	if err != nil {
		return nil, err
	}
	if s.store, err = file.OpenStore(ctx); err != nil {
		return nil, err
	}
	address := file.Address
	if f.set["address"] {
		address = f.address
	}
	if s.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", address); err != nil {
		return nil, err
	}
	config, err := s.config(ctx, file)
	if err != nil {
		return nil, err
	}
	if s.ca, err = authority.New(*config); err != nil {
		return nil, err
	}
	l, err := s.assemble(ctx, file, config)
	if err != nil {
		return nil, err
	}
	s.live.Store(l)
	return s, nil
}

func (s *server) config(ctx context.Context, file *stepconfig.File) (*authority.Config, error) {
	c, err := file.Config(ctx, stepconfig.Options{
		Password: s.folder.password(), Store: s.store, Address: s.listener.Addr().String(), Logger: s.log,
	})
	if err != nil {
		return nil, err
	}
	c.Sinks = []event.Sink{event.NewSlog(s.log)}
	return c, nil
}

// assemble makes what clients see of the authority as it is configured now.
func (s *server) assemble(ctx context.Context, file *stepconfig.File, c *authority.Config) (*live, error) {
	identity, err := authority.NewIdentity(ctx, s.ca, authority.IdentityOptions{
		Provisioner: stepconfig.Identity, CommonName: file.CommonName, Names: file.DNSNames,
	})
	if err != nil {
		return nil, fmt.Errorf("making the server's own certificate: %w", err)
	}
	l := &live{file: file, config: c}
	l.Context, l.end = context.WithCancel(context.Background())
	l.inventory, _ = inventory.As[*inventory.File](c.Inventory)
	advice := httpapi.TLSOptions{MinVersion: version(file.TLS.MinVersion), MaxVersion: version(file.TLS.MaxVersion)}
	for _, id := range file.TLS.CipherSuites {
		advice.CipherSuites = append(advice.CipherSuites, tls.CipherSuiteName(id))
	}
	l.handler = httpapi.New(s.ca, &httpapi.Options{TLS: advice, AccessLog: s.log, Logger: s.log})
	l.tls = tuned(httpapi.TLSConfig(s.ca, identity.GetCertificate), file.TLS)
	return l, nil
}

// reload reads ca.json again. Whatever is wrong with it, what runs goes on as it was.
func (s *server) reload(ctx context.Context) error {
	file, err := s.folder.load()
	if err != nil {
		return err
	}
	old := s.live.Load()
	if file.DB != old.file.DB {
		return &stepconfig.Fault{File: file.Path, Path: "db", Reason: "changes at the next start only; nothing else of the file was taken over"}
	}
	if file.Address != old.file.Address {
		s.log.Warn("configuration", "note", "address: changes at the next start")
	}
	c, err := s.config(ctx, file)
	if err != nil {
		return err
	}
	if err := s.ca.Reconfigure(ctx, *c); err != nil {
		return err
	}
	l, err := s.assemble(ctx, file, c)
	if err != nil { // the CA must be able to certify itself
		return errors.Join(err, s.ca.Reconfigure(ctx, *old.config))
	}
	s.live.Store(l)
	old.end()
	return nil
}

// serve answers requests and signals until it is told to stop.
func (s *server) serve(ctx context.Context, signals <-chan os.Signal, ready func()) error {
	defer s.close()
	h := httpapi.Timeouts(&http.Server{
		Handler:   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.live.Load().handler.ServeHTTP(w, r) }),
		TLSConfig: follow(func() *tls.Config { return s.live.Load().tls }),
		ErrorLog:  slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	})
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return ended(h.ServeTLS(s.listener, "", "")) })
	g.Go(func() error { return ended(s.ca.Run(ctx)) })
	g.Go(func() error { return s.followInventory(ctx) })
	g.Go(func() error {
		defer stop() // after the last answer
		s.obey(ctx, signals)
		s.tell(sdnotify.Stopping)
		s.log.Info("stopping", "grace", drain.String())
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
		defer cancel()
		if err := h.Shutdown(ctx); err != nil {
			return errors.Join(fmt.Errorf("requests were cut off: %w", err), h.Close())
		}
		return nil
	})
	ready()
	s.log.Info("ready", "address", s.listener.Addr().String(), "config", s.folder.config)
	s.tell(sdnotify.Ready)
	return g.Wait()
}

// followInventory takes in changes of the inventory's file, whichever one it is at the time.
func (s *server) followInventory(ctx context.Context) error {
	for ctx.Err() == nil {
		l := s.live.Load()
		current, cancel := context.WithCancel(ctx)
		unhook := context.AfterFunc(l, cancel)
		if l.inventory != nil {
			if err := l.inventory.Run(current); err != nil && current.Err() == nil {
				s.log.Error("inventory is not followed any more", "error", err)
			}
		}
		<-current.Done()
		unhook()
		cancel()
	}
	return nil
}

// obey reloads on SIGHUP, and returns on any other signal or when ctx ends.
func (s *server) obey(ctx context.Context, signals <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case sig := <-signals:
			if sig != syscall.SIGHUP {
				return
			}
		}
		s.tell(sdnotify.Reloading)
		if err := s.reload(ctx); err != nil {
			s.rejected(err)
		} else {
			s.log.Info("configuration reloaded", "config", s.folder.config)
		}
		s.tell(sdnotify.Ready)
	}
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

func (s *server) tell(state string) {
	if err := s.notify.Notify(state); err != nil {
		s.log.Warn("service manager not told", "error", err)
	}
}

func (s *server) close() {
	if s.listener != nil {
		s.listener.Close() // again, perhaps
	}
	if s.ca != nil {
		s.ca.Close()
	}
	if s.store != nil {
		if err := s.store.Close(); err != nil {
			s.log.Error("closing the store", "error", err)
		}
	}
}

// ended makes no error of the ways in which things end as they should.
func ended(err error) error {
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
