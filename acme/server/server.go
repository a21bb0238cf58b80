package server

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/envelope"
	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

// Server is an ACME server. It is safe for concurrent use, and its configuration never changes.
type Server struct {
	c          Config
	validators map[acme.ChallengeType]acme.Validator
	public     map[string]any

	nonces   atomic.Pointer[envelope.Nonces]
	making   sync.Mutex // of nonces
	accounts *cache[*holder]
	recent   *cache[*known]
	tickets  sync.Map // ID of an order that is being issued for → *ticket

	jobs    chan *job    // validations: those that wait for slow hosts must not keep others from their certificates
	issues  chan *job    // issuances
	working atomic.Int32 // how many goroutines take them
}

var (
	_ provisioner.Provisioner = (*Server)(nil)
	_ provisioner.Marker      = (*Server)(nil)
	_ provisioner.Publisher   = (*Server)(nil)
	_ authority.Guest         = (*Server)(nil)
	_ authority.Worker        = (*Server)(nil)
)

// New makes a Server. It reports every fault of c, starts nothing, and reads nothing from the store.
func New(c Config) (*Server, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		c: c, validators: map[acme.ChallengeType]acme.Validator{}, accounts: newCache[*holder](), recent: newCache[*known](),
		jobs: make(chan *job, backlog), issues: make(chan *job, backlog),
	}
	for _, v := range c.Validators {
		s.validators[v.Type()] = v
	}
	s.public = s.publish()
	if len(c.NonceSecrets) > 0 {
		n, err := envelope.NewNonces(envelope.NonceConfig{Secrets: c.NonceSecrets})
		if err != nil {
			return nil, err
		}
		s.nonces.Store(n)
	}
	return s, nil
}

// Store returns the store that the server works on.
func (s *Server) Store() acme.Store { return s.c.Store }

// Path is "acme/" and the name.
func (s *Server) Path() string { return "acme/" + s.c.Name }

// issueNonces returns what makes nonces, with the secret that the store keeps.
func (s *Server) issueNonces(ctx context.Context) (*envelope.Nonces, error) {
	if n := s.nonces.Load(); n != nil {
		return n, nil
	}
	s.making.Lock()
	defer s.making.Unlock()
	if n := s.nonces.Load(); n != nil {
		return n, nil
	}
	fresh := make([]byte, 32)
	rand.Read(fresh) // never fails since Go 1.24
	secret, err := s.c.Store.Secret(ctx, "acme/nonce", fresh)
	if err != nil {
		return nil, err
	}
	n, err := envelope.NewNonces(envelope.NonceConfig{Secrets: [][]byte{secret}})
	if err == nil {
		s.nonces.Store(n)
	}
	return n, err
}

// route is one resource. The table is all there is.
type route struct {
	path   string // below the server's; {} is one segment
	get    func(*call) error
	post   func(*call) error
	ownKey bool // a request may bring its key, instead of naming an account
	named  bool // a request may name an account
}

func routes() []route {
	return []route{
		{path: "/directory", get: (*call).directory},
		{path: "/new-nonce", get: (*call).newNonce},
		{path: "/new-account", post: (*call).newAccount, ownKey: true},
		{path: "/new-order", post: (*call).newOrder, named: true},
		{path: "/revoke-cert", post: (*call).revokeCert, ownKey: true, named: true},
		{path: "/key-change", post: (*call).keyChange, named: true},
		{path: "/account/{}", post: (*call).updateAccount, named: true},
		{path: "/account/{}/orders", post: (*call).orders, named: true},
		{path: "/order/{}", post: (*call).order, named: true},
		{path: "/order/{}/finalize", post: (*call).finalize, named: true},
		{path: "/authz/{}", post: (*call).authorization, named: true},
		{path: "/challenge/{}/{}", post: (*call).challenge, named: true},
		{path: "/certificate/{}", post: (*call).certificate, named: true},
		{path: "/certificate/{}/{}", post: (*call).certificate, named: true},
		{path: "/renewal-info/{}", get: (*call).renewalInfo},
	}
}

// match returns the segments that a route's braces stand for.
func (rt *route) match(path string) ([]string, bool) {
	pattern, rest := rt.path, path
	var args []string
	for {
		before, after, more := strings.Cut(pattern, "{}")
		if !more {
			return args, rest == pattern
		}
		var ok bool
		if rest, ok = strings.CutPrefix(rest, before); !ok {
			return nil, false
		}
		n := strings.IndexByte(rest, '/')
		if n < 0 {
			n = len(rest)
		}
		if n == 0 {
			return nil, false
		}
		args, rest, pattern = append(args, rest[:n]), rest[n:], after
	}
}

// Handler serves the protocol for an authority that the server is a provisioner of. It is mounted with the prefix
// stripped: what it sees begins with /directory and the like.
func (s *Server) Handler(a *authority.Authority) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(a, w, r) })
}
