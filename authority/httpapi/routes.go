package httpapi

import (
	"net/http"
	"strings"

	"github.com/chancery-ca/chancery/provisioner"
)

// Route is one method and path of the API, and what it takes to be let in.
type Route struct {
	Method    string                // GET routes answer HEAD as well
	Path      string                // with at most one {parameter}, which is one segment, or, if it ends in "...", the rest
	Operation provisioner.Operation // what it asks the authority for; empty where it only reads, and for a protocol
	Auth      Auth                  // the credentials that are looked at
	MaxBody   int64                 // bytes; what is longer is answered with 413, and a protocol may take less
}

// Auth says which credentials a route looks at. Others are not even read, so they cannot let anybody in.
type Auth string

// The credentials of routes.
const (
	Public             Auth = "public"               // none: it only tells what everybody may know
	Token              Auth = "token"                // a token
	Certificate        Auth = "certificate"          // the client's TLS certificate
	TokenOrCertificate Auth = "token or certificate" // either
	Protocol           Auth = "protocol"             // that of a provisioner which is an authority.Guest
)

// Any is the method of a route that answers, or refuses, every one.
const Any = "*"

func (a Auth) token() bool       { return a == Token || a == TokenOrCertificate }
func (a Auth) certificate() bool { return a == Certificate || a == TokenOrCertificate }

// Routes lists every route there is, under /1.0 and without. The handler is built from the same table.
func Routes() []Route {
	es := endpoints()
	rs := make([]Route, len(es))
	for i, e := range es {
		rs[i] = e.Route
	}
	return rs
}

// endpoint is a route and what answers it.
type endpoint struct {
	Route
	serve func(*api, *call) error
}

// What a body may be long: a CSR with an RSA key and many names stays under 16 KiB, a token with its
// certificates is bounded by provisioner.MaxToken.
const (
	noBody     = 4 << 10
	signBody   = 256 << 10
	rekeyBody  = 128 << 10
	revokeBody = provisioner.MaxToken + 8<<10
	ocspBody   = 8 << 10   // which the responder limits further
	guestBody  = 256 << 10 // as do guests
	askBody    = 64 << 10
)

func endpoints() []endpoint {
	es := []endpoint{
		{read("/health"), (*api).health},
		{read("/version"), (*api).versions},
		{read("/root/{sha}"), (*api).root},
		{read("/roots"), (*api).roots},
		{read("/roots.pem"), (*api).rootsPEM},
		{read("/intermediates"), (*api).intermediates},
		{read("/intermediates.pem"), (*api).intermediatesPEM},
		{read("/federation"), (*api).federation},
		{read("/provisioners"), (*api).provisioners},
		{read("/provisioners/{kid}/encrypted-key"), (*api).encryptedKey},
		{act("/sign", provisioner.X509Sign, Token, signBody), (*api).sign},
		{act("/renew", provisioner.X509Renew, TokenOrCertificate, noBody), (*api).renew},
		{act("/re-sign", provisioner.X509Renew, TokenOrCertificate, noBody), (*api).renew},
		{act("/rekey", provisioner.X509Rekey, Certificate, rekeyBody), (*api).rekey},
		{act("/revoke", provisioner.X509Revoke, TokenOrCertificate, revokeBody), (*api).revoke},
	}
	es = append(es, sshEndpoints()...)
	acme := Route{Method: Any, Path: "/acme/{path...}", Auth: Protocol, MaxBody: guestBody}
	es = append(es,
		endpoint{acme, (*api).guest},
		endpoint{read("/crl"), (*api).crl},
		endpoint{read("/crl/{path...}"), (*api).crl},
		endpoint{Route{Method: http.MethodPost, Path: "/ocsp", Auth: Public, MaxBody: ocspBody}, (*api).ocsp},
		endpoint{read("/ocsp/{request...}"), (*api).ocsp},
	)
	for _, e := range es[:len(es):len(es)] {
		if e.Auth == Protocol { // which step-ca has under /2.0 instead
			e.Path = old + e.Path
		} else {
			e.Path = "/1.0" + e.Path
		}
		es = append(es, e)
	}
	return es
}

// sshEndpoints are the SSH part, with step-ca's older names for some of it.
func sshEndpoints() []endpoint {
	ask := func(path string) Route {
		return Route{Method: http.MethodPost, Path: path, Auth: Public, MaxBody: askBody}
	}
	list := func(path string) Route {
		return Route{Method: http.MethodGet, Path: path, Auth: Certificate, MaxBody: noBody}
	}
	return []endpoint{
		{act("/ssh/sign", provisioner.SSHSign, Token, signBody), (*api).sshSign},
		{act("/sign-ssh", provisioner.SSHSign, Token, signBody), (*api).sshSign},
		{act("/ssh/renew", provisioner.SSHRenew, Token, revokeBody), (*api).sshRenew},
		{act("/ssh/rekey", provisioner.SSHRekey, Token, rekeyBody), (*api).sshRekey},
		{act("/ssh/revoke", provisioner.SSHRevoke, Token, revokeBody), (*api).revoke},
		{read("/ssh/roots"), (*api).sshRoots},
		{read("/ssh/federation"), (*api).sshFederation},
		{read("/ssh/krl"), (*api).sshKRL},
		{ask("/ssh/config"), (*api).sshConfig},
		{ask("/ssh/config/{type}"), (*api).sshConfig},
		{ask("/ssh/check-host"), (*api).sshCheckHost},
		{ask("/ssh/bastion"), (*api).sshBastion},
		{list("/ssh/hosts"), (*api).sshHosts},
		{list("/ssh/get-hosts"), (*api).sshHosts},
	}
}

func read(path string) Route {
	return Route{Method: http.MethodGet, Path: path, Auth: Public, MaxBody: noBody}
}

func act(path string, op provisioner.Operation, auth Auth, limit int64) Route {
	return Route{Method: http.MethodPost, Path: path, Operation: op, Auth: auth, MaxBody: limit}
}

// router finds endpoints. A path is matched as it stands: nothing is cleaned and nobody redirected.
type router struct {
	exact  map[string]*endpoint
	params []pattern
}

// pattern matches prefix, one segment that is not empty, suffix; or prefix and all that follows.
type pattern struct {
	prefix, suffix string
	rest           bool
	to             *endpoint
}

func newRouter(es []endpoint) *router {
	rt := &router{exact: make(map[string]*endpoint, len(es))}
	for i := range es {
		e := &es[i]
		if prefix, rest, ok := strings.Cut(e.Path, "{"); ok {
			name, suffix, _ := strings.Cut(rest, "}")
			rt.params = append(rt.params, pattern{prefix, suffix, strings.HasSuffix(name, "..."), e})
			continue
		}
		rt.exact[e.Path] = e
	}
	return rt
}

// find returns the endpoint at path and the value of its parameter, or nil.
func (rt *router) find(path string) (*endpoint, string) {
	if e := rt.exact[path]; e != nil {
		return e, ""
	}
	for _, p := range rt.params {
		v, ok := strings.CutPrefix(path, p.prefix)
		if !ok {
			continue
		}
		if v, ok = strings.CutSuffix(v, p.suffix); ok && v != "" && (p.rest || !strings.Contains(v, "/")) {
			return p.to, v
		}
	}
	return nil, ""
}

// allows reports whether method is e's, and allow lists those that are.
func (e *endpoint) allows(method string) bool {
	return e.Method == Any || method == e.Method || (method == http.MethodHead && e.Method == http.MethodGet)
}

func (e *endpoint) allow() string {
	if e.Method == http.MethodGet {
		return "GET, HEAD"
	}
	return e.Method
}
