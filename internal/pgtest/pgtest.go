package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// Server is a running PostgreSQL server.
type Server struct {
	admin url.URL  // of a role that may create databases
	own   *cluster // nil for a server that was there before
}

// shared is the server of all tests of a process between the beginning and the end of Run.
var shared struct {
	sync.Mutex
	on     bool
	server *Server
}

// Run is for TestMain: it runs the tests, which share a server, ends that, and returns the exit code.
func Run(m *testing.M) int {
	shared.Lock()
	shared.on = true
	shared.Unlock()
	code := m.Run()
	shared.Lock()
	defer shared.Unlock()
	shared.on = false
	if shared.server != nil {
		shared.server.end()
	}
	return code
}

// Start returns a running server: that of the process under [Run], else one that ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if !shared.on {
		return Private(t)
	}
	if shared.server == nil {
		s, err := start()
		if err != nil {
			skip(t, err)
		}
		shared.server = s
	}
	return shared.server
}

// Private returns a server that no other test uses and that ends with the test, so that it may be stopped.
// It skips the test where the server is one that was there before.
func Private(t testing.TB) *Server {
	t.Helper()
	s, err := start()
	if err != nil {
		skip(t, err)
	}
	t.Cleanup(s.end)
	return s
}

// Mine skips a test that stops and starts servers where that is not ours to do.
func (s *Server) Mine(t testing.TB) *Server {
	t.Helper()
	if s.own == nil {
		skip(t, fmt.Errorf("%w of its own: that in CHANCERY_POSTGRES is not a test's to stop", errAbsent))
	}
	return s
}

func start() (*Server, error) {
	if v := os.Getenv("CHANCERY_POSTGRES"); v != "" {
		u, err := url.Parse(v)
		if err != nil {
			return nil, errors.New("CHANCERY_POSTGRES is not a URL")
		}
		return &Server{admin: *u}, nil
	}
	c, err := newCluster()
	if err != nil {
		return nil, err
	}
	return &Server{admin: c.url(), own: c}, nil
}

// errAbsent says that this machine has no server for tests.
var errAbsent = errors.New("needs a PostgreSQL server (initdb and pg_ctl, or a URL in CHANCERY_POSTGRES)")

func skip(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, errAbsent) || os.Getenv("CHANCERY_INTEROP") == "require" {
		t.Fatal(err)
	}
	t.Skip(err)
}

func (s *Server) end() {
	if s.own != nil {
		s.own.remove()
	}
}

// URL returns the address of the database "postgres", for the role that may create others.
func (s *Server) URL() string { return s.admin.String() }

// Database makes an empty database, and a role without any right beyond owning it, and returns their URL.
// Both go with the test.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := "chancery_" + strings.ToLower(rand.Text()[:12])
	password := rand.Text()
	s.Exec(t, fmt.Sprintf("CREATE ROLE %s LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '%s'", name, password))
	s.Exec(t, fmt.Sprintf("GRANT %s TO CURRENT_USER", name))
	s.Exec(t, fmt.Sprintf("CREATE DATABASE %s OWNER %s TEMPLATE template0 ENCODING 'UTF8'", name, name))
	t.Cleanup(func() {
		s.try(fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", name)) // a server that was stopped has none
		s.try("DROP ROLE IF EXISTS " + name)
	})
	u := s.admin
	u.User, u.Path = url.UserPassword(name, password), "/"+name
	return u.String()
}

// Exec runs a statement in the database "postgres".
func (s *Server) Exec(t testing.TB, statement string) {
	t.Helper()
	require.NoError(t, s.try(statement))
}

func (s *Server) try(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	_, err = c.Exec(ctx, statement)
	return err
}

// Stop ends the server in one of the ways of pg_ctl: smart, fast or immediate.
func (s *Server) Stop(t testing.TB, mode string) {
	t.Helper()
	s.Mine(t)
	require.NoError(t, s.own.control("stop", "-m", mode))
}

// Start starts a server that was stopped, and returns when it takes connections.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	s.Mine(t)
	require.NoError(t, s.own.start())
}

// Restart is Stop and Start.
func (s *Server) Restart(t testing.TB, mode string) {
	t.Helper()
	s.Stop(t, mode)
	s.Start(t)
}

// Dir is where the server keeps its data; empty for one that was there before.
func (s *Server) Dir() string {
	if s.own == nil {
		return ""
	}
	return s.own.data
}
