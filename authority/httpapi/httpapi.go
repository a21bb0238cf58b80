package httpapi

import (
	"cmp"
	"context"
	"crypto/x509"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/provisioner"
)

// Options are what New can be told. The zero value of each field is the one in its comment.
type Options struct {
	// Version is what GET /version answers; default "0.0.0". Clients show it and do not act on it.
	Version string

	// TLS is sent to clients along with each certificate; the zero value is step-ca's default.
	TLS TLSOptions

	// ClientCertificates finds the certificate with which the client authenticated, leaf first, none if
	// it did not; default [FromTLS]. It is trusted: whoever it names may renew, rekey and revoke that
	// certificate.
	ClientCertificates func(*http.Request) ([]*x509.Certificate, error)

	// CRL and OCSP answer what is asked at and below /crl and /ocsp: a [crl.Publisher]'s Handler and an
	// [ocsp.Responder], say. Nil: there is no such path.
	//
	// [crl.Publisher]: https://pkg.go.dev/github.com/chancery-ca/chancery/authority/crl
	// [ocsp.Responder]: https://pkg.go.dev/github.com/chancery-ca/chancery/authority/ocsp
	CRL, OCSP http.Handler

	SSH SSHOptions

	BodyTimeout time.Duration // for a request's body to arrive; default 15s
	Timeout     time.Duration // for a request, body and all; default 30s

	AccessLog *slog.Logger // one record for each request; nil discards
	Logger    *slog.Logger // faults of this side; nil discards
}

// New returns the API of ca as a handler. It starts nothing, keeps no state between requests beside
// buffers, and asks ca anew in each one, so what ca is reconfigured to is served at once. A nil o means
// the zero Options.
func New(ca *authority.Authority, o *Options) http.Handler { return newAPI(ca, o) }

// backend is what the API needs of an authority.
type backend interface {
	Issue(ctx context.Context, r *authority.Request) (*authority.Certificate, error)
	Revoke(ctx context.Context, r *authority.RevokeRequest) (*authority.Revocation, error)
	IssueSSH(ctx context.Context, r *authority.SSHRequest) (*authority.SSHCertificate, error)
	SSHKeys() authority.SSHKeys
	FederatedSSHKeys() authority.SSHKeys
	SSHHosts(ctx context.Context) ([]authority.SSHHost, error)
	HasSSHHost(ctx context.Context, name string) (bool, error)
	Mention(ctx context.Context, t event.Type, subject string, data event.Data)
	Recognise(ctx context.Context, c *x509.Certificate) error
	Roots() []*x509.Certificate
	FederatedRoots() []*x509.Certificate
	Intermediates() []*x509.Certificate
	Provisioners() []provisioner.Provisioner
}

type api struct {
	ca      backend
	routes  *router
	o       Options
	tls     []byte    // o.TLS in JSON
	version []byte    // the answer of GET /version
	buffers sync.Pool // of *[]byte, for bodies in both directions
}

func newAPI(ca backend, o *Options) *api {
	a := &api{ca: ca, routes: newRouter(endpoints())}
	if o != nil {
		a.o = *o
	}
	a.o.Version = cmp.Or(a.o.Version, "0.0.0")
	a.o.BodyTimeout = cmp.Or(a.o.BodyTimeout, 15*time.Second)
	a.o.Timeout = cmp.Or(a.o.Timeout, 30*time.Second)
	if a.o.ClientCertificates == nil {
		a.o.ClientCertificates = FromTLS
	}
	if a.o.Logger == nil {
		a.o.Logger = slog.New(slog.DiscardHandler)
	}
	a.tls = a.o.TLS.json()
	version := map[string]any{"version": a.o.Version}
	if a.o.SSH.Identity { // which is how step's clients are told to ask for one
		version["requireClientAuthentication"] = true
	}
	a.version = append(mustJSON(version), '\n')
	a.buffers.New = func() any { b := make([]byte, 0, 4<<10); return &b }
	return a
}
