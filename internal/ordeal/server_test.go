package ordeal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/httpapi"
	"github.com/chancery-ca/chancery/authority/sqlite"
)

// server is the HTTP API of an authority on a port of the loopback, put together as the online CA of the
// examples is.
type server struct {
	*http.Server
	url  string
	done chan error // what serving ended with
}

// listen starts a server. Limits of base that are zero become those of httpapi.Timeouts.
func listen(ctx context.Context, a *authority.Authority, base *http.Server, o *httpapi.Options) (*server, error) {
	id, err := authority.NewIdentity(ctx, a, authority.IdentityOptions{Provisioner: "self", Names: []string{"127.0.0.1"}})
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{Server: base, url: "https://" + l.Addr().String(), done: make(chan error, 1)}
	s.Handler = httpapi.New(a, o)
	s.TLSConfig = httpapi.TLSConfig(a, id.GetCertificate)
	s.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelWarn)
	httpapi.Timeouts(s.Server)
	go func() { s.done <- s.ServeTLS(l, "", "") }()
	return s, nil
}

// listenHere is listen for tests, which end the server with themselves.
func listenHere(t testing.TB, a *authority.Authority, base *http.Server, o *httpapi.Options) *server {
	t.Helper()
	s, err := listen(t.Context(), a, base, o)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		require.ErrorIs(t, <-s.done, http.ErrServerClosed)
	})
	return s
}

// serve is the process that gets killed: the CA in a folder. It prints its URL once it is ready, and
// stops in good order when its standard input ends.
func serve(args []string) error {
	dir, ctx := args[0], context.Background()
	k, err := readKeys(dir)
	if err != nil {
		return err
	}
	store, err := sqlite.Open(ctx, filepath.Join(dir, storeFile), nil)
	if err != nil {
		return err
	}
	return errors.Join(run(ctx, dir, k, store, nil), store.Close())
}

// run is an authority over HTTP, and what else goes on beside it, until the standard input ends.
func run(ctx context.Context, dir string, k *keys, store authority.Store, beside func(context.Context, *authority.Authority) error) error {
	sink, err := openAudit(dir)
	if err != nil {
		return err
	}
	c, err := k.config(store, sink)
	if err != nil {
		return err
	}
	if beside == nil { // nodes of a database that is restarted have nothing else to say
		c.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	}
	a, err := authority.New(c)
	if err != nil {
		return err
	}
	s, err := listen(ctx, a, &http.Server{}, &httpapi.Options{Logger: c.Logger})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	ran := make(chan error, 2)
	go func() { ran <- a.Run(ctx) }()
	if beside == nil {
		beside = func(context.Context, *authority.Authority) error { return nil }
	}
	go func() { ran <- beside(ctx, a) }()
	fmt.Println(s.url)
	io.Copy(io.Discard, os.Stdin)
	down, end := context.WithTimeout(context.Background(), 10*time.Second)
	defer end()
	err = s.Shutdown(down)
	cancel()
	<-ran
	<-ran
	return errors.Join(err, a.Close())
}
