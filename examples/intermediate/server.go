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
	"github.com/chancery-ca/chancery/internal/sdnotify"
)

// drain is how long requests under way may take after SIGTERM.
const drain = 20 * time.Second

// server is the CA while it runs.
type server struct {
	folder   *folder
	log      *slog.Logger
	store    stepconfig.Store
	listener net.Listener
	plain    net.Listener // without TLS, for what everybody may read; nil: none
	ca       *authority.Authority
	live     atomic.Pointer[live]
	retired  []retired // of the goroutine that reloads
	notify   *sdnotify.Notifier
}

// start puts the server together. It listens, so that whoever connects now is served in a moment.
func start(ctx context.Context, c *folder, f *flags, log *slog.Logger) (_ *server, err error) {
	s := &server{folder: c, log: log}
	var k *sinks
	defer func() {
		if err != nil {
			k.close()
			s.close()
		}
	}()
	file, err := c.load()
	if err != nil {
		return nil, err
	}
	if s.store, err = c.openStore(ctx, file, false); err != nil {
		return nil, err
	}
	if err = s.listen(ctx, file, f); err != nil {
		return nil, err
	}
	if k, err = openSinks(file); err != nil {
		return nil, err
	}
	config, err := s.config(ctx, file, k)
	if err != nil {
		return nil, err
	}
	if s.ca, err = authority.New(*config); err != nil {
		return nil, err
	}
	l, err := s.assemble(ctx, file, config, k)
	if err != nil {
		return nil, err
	}
	s.live.Store(l)
	return s, nil
}

// listen opens the listeners that the file names, or the command line instead.
func (s *server) listen(ctx context.Context, file *stepconfig.File, f *flags) (err error) {
	address, insecure := file.Address, file.Insecure
	if f.set["address"] {
		address = f.address
	}
	if f.set["http-address"] {
		insecure = f.httpAddress
	}
	if s.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", address); err != nil {
		return err
	}
	if insecure != "" {
		s.plain, err = new(net.ListenConfig).Listen(ctx, "tcp", insecure)
	}
	return err
}

// serve answers requests and signals until it is told to stop.
func (s *server) serve(ctx context.Context, signals <-chan os.Signal, ready func()) error {
	defer s.close()
	h := s.http(func(l *live) http.Handler { return l.handler })
	h.TLSConfig = follow(func() *tls.Config { return s.live.Load().tls })
	plain := s.http(func(l *live) http.Handler { return l.public })
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return ended(h.ServeTLS(s.listener, "", "")) })
	if s.plain != nil {
		g.Go(func() error { return ended(plain.Serve(s.plain)) })
	}
	g.Go(func() error { return ended(s.ca.Run(ctx)) })
	g.Go(func() error { return s.followInventory(ctx) })
	g.Go(func() error { return s.followPublication(ctx) })
	g.Go(func() error {
		defer stop() // after the last answer
		s.obey(ctx, signals, func() {
			ready()
			if s.onLoopback() && acmeProvisioner(s.live.Load().file) != nil {
				s.log.Info("ACME", "note", onLoopback)
			}
			s.log.Info("ready", "address", s.listener.Addr().String(), "config", s.folder.config)
			s.tell(sdnotify.Ready)
		})
		s.tell(sdnotify.Stopping)
		s.log.Info("stopping", "grace", drain.String())
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
		defer cancel()
		return errors.Join(shutdown(ctx, h), shutdown(ctx, plain))
	})
	return g.Wait()
}

func (s *server) http(handler func(*live) http.Handler) *http.Server {
	return httpapi.Timeouts(&http.Server{
		Handler:  http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler(s.live.Load()).ServeHTTP(w, r) }),
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	})
}

func shutdown(ctx context.Context, h *http.Server) error {
	if err := h.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("requests were cut off: %w", err), h.Close())
	}
	return nil
}

// obey waits for the first CRL, then reloads on SIGHUP, and returns on any other signal or when ctx ends.
func (s *server) obey(ctx context.Context, signals <-chan os.Signal, ready func()) {
	first := make(chan struct{})
	go func() {
		defer close(first)
		s.live.Load().publication.await(ctx)
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case <-first:
			first = nil
			ready()
			continue
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

func (s *server) tell(state string) {
	if err := s.notify.Notify(state); err != nil {
		s.log.Warn("service manager not told", "error", err)
	}
}

func (s *server) close() {
	for _, l := range []net.Listener{s.listener, s.plain} {
		if l != nil {
			l.Close() // again, perhaps
		}
	}
	if s.ca != nil {
		s.ca.Close()
	}
	if l := s.live.Load(); l != nil {
		l.sinks.close()
	}
	for _, k := range s.retired {
		k.close()
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
