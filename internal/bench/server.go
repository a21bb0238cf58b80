package main

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/httpapi"
	"github.com/chancery-ca/chancery/authority/sqlite"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/jwk"
	"github.com/chancery-ca/chancery/provisioner/sshpop"
)

// hello is the first line that the server prints: what a client has to know.
type hello struct {
	URL  string
	Root string // PEM
	Key  jose.JSONWebKey
}

// serve is the server's process. It answers each line on its standard input with a line: "cpu" with the
// CPU time that the process has used, "calls" and "trips" with the count of those, and
// anything else with the floor of that operation; times are in nanoseconds.
func serve(ctx context.Context, dir, postgresURL, profile, sshKey string, memory bool, port uint16) error {
	debug.SetGCPercent(400) // as examples/intermediate does
	var n counts
	store, err := openStore(ctx, dir, postgresURL, memory, &n)
	if err != nil {
		return err
	}
	c, key, err := newCA(ctx, countedStore{store, &n}, sshKey)
	if err != nil {
		return err
	}
	guests, err := acmeProvisioners(countedACME{store.ACME(), &n}, port)
	if err != nil {
		return err
	}
	for _, g := range guests {
		c.Provisioners = append(c.Provisioners, g)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	url := "https://" + ln.Addr().String()
	c.URLs = []string{url}
	logs, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewJSONHandler(logs, nil))
	c.Sinks = []event.Sink{event.NewSlog(logger)}
	a, err := authority.New(*c)
	if err != nil {
		return err
	}
	id, err := authority.NewIdentity(ctx, a, authority.IdentityOptions{Provisioner: "self", Names: []string{"127.0.0.1"}})
	if err != nil {
		return err
	}
	srv := &http.Server{
		Handler:   httpapi.New(a, &httpapi.Options{AccessLog: logger}),
		TLSConfig: httpapi.TLSConfig(a, id.GetCertificate), ReadHeaderTimeout: 10 * time.Second,
	}
	go srv.ServeTLS(ln, "", "")
	go a.Run(ctx)
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Roots[0].Raw})
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(hello{url, string(root), key}); err != nil {
		return err
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var d time.Duration
		switch in.Text() {
		case "cpu":
			d = cpuTime()
		case "calls":
			d = time.Duration(n.calls.Load())
		case "trips":
			d = time.Duration(n.trips.Load())
		default:
			if d, err = floorOf(in.Text()); err != nil {
				return err
			}
		}
		fmt.Println(int64(d))
	}
	return srv.Close()
}

// both are the stores that a server has.
type both interface {
	authority.Store
	io.Closer
	ACME() acme.Store
}

// inMemory is both without a database.
type inMemory struct {
	*authority.Memory
	orders *acme.Memory
}

func (m inMemory) ACME() acme.Store { return m.orders }
func (inMemory) Close() error       { return nil }

// openStore opens PostgreSQL where there is a URL, and otherwise SQLite in the folder, unless it shall be memory.
func openStore(ctx context.Context, dir, postgresURL string, memory bool, n *counts) (both, error) {
	switch {
	case memory:
		return inMemory{authority.NewMemory(), acme.NewMemory()}, nil
	case postgresURL != "":
		return openCounted(ctx, postgresURL, n)
	}
	return sqlite.Open(ctx, filepath.Join(dir, "ca.db"), nil)
}

func newCA(ctx context.Context, store authority.Store, sshKey string) (*authority.Config, jose.JSONWebKey, error) {
	var keys [3]*ecdsa.PrivateKey
	for i := range keys {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, jose.JSONWebKey{}, err
		}
		keys[i] = k
	}
	none := jose.JSONWebKey{}
	root, err := authority.SelfSign(ctx, authority.Root{Subject: pkix.Name{CommonName: "Bench Root CA"}, Life: 24 * time.Hour, MaxPathLen: 1}, kms.FromCrypto(keys[0]))
	if err != nil {
		return nil, none, err
	}
	der, err := x509.CreateCertificate(rand.Reader, intermediate(), root, keys[1].Public(), keys[0])
	if err != nil {
		return nil, none, err
	}
	inter, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, none, err
	}
	admin, err := jwk.New(jwk.Config{Name: "admin", Keys: []jwk.Key{{JWK: jose.JSONWebKey{Key: keys[2].Public(), Algorithm: string(jose.ES256), Use: "sig"}}}})
	if err != nil {
		return nil, none, err
	}
	pop, err := sshpop.New(sshpop.Config{Name: "sshpop"})
	if err != nil {
		return nil, none, err
	}
	ssh, err := sshCA(sshKey)
	if err != nil {
		return nil, none, err
	}
	return &authority.Config{
		SSH:          ssh,
		Bindings:     map[string]authority.Binding{"admin": {SSH: []string{""}}, "sshpop": {SSH: []string{""}}},
		Roots:        []*x509.Certificate{root},
		Issuers:      []authority.Issuer{{Name: "bench", Chain: []*x509.Certificate{inter}, Signer: kms.FromCrypto(crypto.Signer(keys[1]))}},
		Provisioners: []provisioner.Provisioner{&provisioner.Local{ID: "self", Names: provisioner.ParseNames([]string{"127.0.0.1"})}, admin, pop},
		Store:        store,
	}, jose.JSONWebKey{Key: keys[2], Algorithm: string(jose.ES256)}, nil
}

// server is the server's process, seen from the client's.
type server struct {
	hello
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func start(dir, postgresURL, profile string, more ...string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{cmd: exec.Command(self, "-server", dir, "-postgres", postgresURL, "-cpuprofile", profile)}
	s.cmd.Args = append(s.cmd.Args, more...)
	s.cmd.Stderr = os.Stderr
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.out = bufio.NewReader(out)
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := s.out.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("the server did not start: %w", err)
	}
	return s, json.Unmarshal(line, &s.hello)
}

func (s *server) ask(what string) (time.Duration, error) {
	fmt.Fprintln(s.in, what)
	var ns int64
	_, err := fmt.Fscanln(s.out, &ns)
	return time.Duration(ns), err
}

func (s *server) cpu() (time.Duration, error) { return s.ask("cpu") }

// floor asks for the floor of an operation while this process keeps the other processors as busy as the
// clients do under load. Otherwise a floor measured on a quiet machine would be held against a server
// that shares its cores' caches and execution units.
func (s *server) floor(operation string) (time.Duration, error) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range max(1, runtime.NumCPU()-1) {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					floorOf("renew")
				}
			}
		})
	}
	defer wg.Wait()
	defer close(done)
	return s.ask(operation)
}

func (s *server) stop() {
	s.in.Close()
	s.cmd.Wait()
}
