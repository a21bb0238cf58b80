package httpapi

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/provisioner"
)

// fake is a backend that says yes to everything, unless told otherwise, and remembers what it was asked.
type fake struct {
	issue  func(context.Context, *authority.Request) (*authority.Certificate, error)
	revoke func(context.Context, *authority.RevokeRequest) (*authority.Revocation, error)

	roots, federated, intermediates []*x509.Certificate
	provs                           []provisioner.Provisioner
	answer                          *authority.Certificate

	sshAnswer    *authority.SSHCertificate
	sshKeys      authority.SSHKeys
	federatedSSH authority.SSHKeys
	hosts        []authority.SSHHost
	strangers    bool // no certificate is recognised

	mu        sync.Mutex
	sshIssued []*authority.SSHRequest
	mentioned []event.Event
	issued    []*authority.Request
	revoked   []*authority.RevokeRequest
}

func (f *fake) Issue(ctx context.Context, r *authority.Request) (*authority.Certificate, error) {
	f.mu.Lock()
	f.issued = append(f.issued, r)
	f.mu.Unlock()
	if f.issue != nil {
		return f.issue(ctx, r)
	}
	return f.answer, nil
}

func (f *fake) Revoke(ctx context.Context, r *authority.RevokeRequest) (*authority.Revocation, error) {
	f.mu.Lock()
	f.revoked = append(f.revoked, r)
	f.mu.Unlock()
	if f.revoke != nil {
		return f.revoke(ctx, r)
	}
	return &authority.Revocation{Serial: r.Serial, Provisioner: "prov"}, nil
}

func (f *fake) IssueSSH(_ context.Context, r *authority.SSHRequest) (*authority.SSHCertificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sshIssued = append(f.sshIssued, r)
	return f.sshAnswer, nil
}

func (f *fake) SSHKeys() authority.SSHKeys          { return f.sshKeys }
func (f *fake) FederatedSSHKeys() authority.SSHKeys { return f.federatedSSH }
func (f *fake) SSHHosts(context.Context) ([]authority.SSHHost, error) {
	return f.hosts, nil
}

func (f *fake) HasSSHHost(_ context.Context, name string) (bool, error) {
	return slices.ContainsFunc(f.hosts, func(h authority.SSHHost) bool { return h.Name == name }), nil
}

func (f *fake) Mention(_ context.Context, t event.Type, _ string, d event.Data) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mentioned = append(f.mentioned, event.Event{Type: t, Data: d})
}

func (f *fake) Recognise(context.Context, *x509.Certificate) error {
	if f.strangers {
		return &authority.Error{Kind: authority.Unauthenticated, Code: "foreign", Reason: "no"}
	}
	return nil
}

func (f *fake) Roots() []*x509.Certificate              { return f.roots }
func (f *fake) FederatedRoots() []*x509.Certificate     { return f.federated }
func (f *fake) Intermediates() []*x509.Certificate      { return f.intermediates }
func (f *fake) Provisioners() []provisioner.Provisioner { return f.provs }

func (f *fake) calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.issued) + len(f.revoked) + len(f.sshIssued)
}

// minted is a certificate with its key.
type minted struct {
	crt *x509.Certificate
	key crypto.Signer
}

// mint makes a certificate, self-signed when by is nil, that has begun an hour ago.
func mint(t testing.TB, cn string, ca bool, by *minted) *minted {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	require.NoError(t, err)
	tmpl := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: cn}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true, IsCA: ca,
	}
	if ca {
		tmpl.KeyUsage, tmpl.ExtKeyUsage = x509.KeyUsageCertSign, nil
	} else {
		tmpl.DNSNames = []string{cn}
	}
	parent, signer := tmpl, crypto.Signer(key)
	if by != nil {
		parent, signer = by.crt, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), signer)
	require.NoError(t, err)
	crt, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return &minted{crt, key}
}

func (m *minted) tls() *tls.Certificate {
	return &tls.Certificate{Certificate: [][]byte{m.crt.Raw}, PrivateKey: m.key, Leaf: m.crt}
}

func csrPEM(t testing.TB, names ...string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return csrPEMWith(t, key, names...)
}

func csrPEMWith(t testing.TB, key crypto.Signer, names ...string) string {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: names}, key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

// world is a fake authority with a chain, and its API.
type world struct {
	*fake
	root, inter, leaf *minted
	handler           http.Handler
}

func newWorld(t testing.TB, o *Options) *world {
	t.Helper()
	w := &world{fake: &fake{}}
	w.root = mint(t, "Root", true, nil)
	w.inter = mint(t, "Intermediate", true, w.root)
	w.leaf = mint(t, "leaf.internal", false, w.inter)
	w.fake.roots = []*x509.Certificate{w.root.crt}
	w.fake.intermediates = []*x509.Certificate{w.inter.crt}
	w.fake.answer = &authority.Certificate{
		Leaf: w.leaf.crt, Chain: []*x509.Certificate{w.leaf.crt, w.inter.crt},
		Record: &authority.Record{Provisioner: "prov"},
	}
	w.handler = newAPI(w.fake, o)
	return w
}

// request is what do sends.
type request struct {
	method, path, body string
	header             map[string]string
	peer               *minted
}

func (q request) http() *http.Request {
	var body io.Reader
	if q.body != "" {
		body = strings.NewReader(q.body)
	}
	r := httptest.NewRequest(q.method, q.path, body)
	for k, v := range q.header {
		r.Header.Set(k, v)
	}
	if q.peer != nil {
		r.TLS = verified(q.peer.crt)
	}
	return r
}

// verified is what a handshake leaves that verified a client's certificate.
func verified(crt *x509.Certificate) *tls.ConnectionState {
	return &tls.ConnectionState{
		HandshakeComplete: true, PeerCertificates: []*x509.Certificate{crt}, VerifiedChains: [][]*x509.Certificate{{crt}},
	}
}

func do(h http.Handler, q request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, q.http())
	return w
}

func signBodyOf(t testing.TB, more map[string]any) string {
	t.Helper()
	m := map[string]any{"csr": csrPEM(t, "leaf.internal"), "ott": "a.b.c", "notBefore": "", "notAfter": ""}
	for k, v := range more {
		m[k] = v
	}
	b, err := json.Marshal(m)
	require.NoError(t, err)
	return string(b)
}

// requireError checks the shape of an error's answer and returns the message.
func requireError(t testing.TB, status int, w *httptest.ResponseRecorder) string {
	t.Helper()
	require.Equal(t, status, w.Code, w.Body.String())
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.True(t, strings.HasSuffix(w.Body.String(), "}\n"))
	var e map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &e))
	require.Len(t, e, 2)
	require.EqualValues(t, status, e["status"])
	require.NotEmpty(t, e["message"])
	return e["message"].(string)
}
