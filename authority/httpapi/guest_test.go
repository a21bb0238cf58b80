package httpapi

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	xacme "golang.org/x/crypto/acme"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

// visitor is a guest that reads what it is sent and answers with a status that nobody else has.
type visitor struct{ provisioner.Provisioner }

func (v visitor) Path() string { return "acme/" + v.Name() }
func (visitor) Handler(*authority.Authority) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		} else if errors.Is(err, os.ErrDeadlineExceeded) {
			w.WriteHeader(http.StatusRequestTimeout)
		} else {
			w.WriteHeader(http.StatusTeapot)
		}
	})
}

// inn is an authority with a guest, served over TLS below a prefix.
func inn(t *testing.T, o *Options) (*house, *httptest.Server) {
	t.Helper()
	h := newHouse(t, kinds()[0])
	s := httptest.NewTLSServer(http.StripPrefix("/my/ca", New(h.ca, o)))
	t.Cleanup(s.Close)
	return h, s
}

// TestGuest has a certificate issued by a guest that is only mounted here, through both of its paths.
func TestGuest(t *testing.T) {
	for _, below := range []string{"/acme/guest", "/2.0/acme/guest"} {
		var log bytes.Buffer
		h, s := inn(t, &Options{AccessLog: slog.New(slog.NewJSONHandler(&log, nil))})
		ctx, key := t.Context(), newKey(t)
		client := &xacme.Client{Key: newKey(t), HTTPClient: s.Client(), DirectoryURL: s.URL + "/my/ca" + below + "/directory"}
		d, err := client.Discover(ctx)
		require.NoError(t, err)
		require.Equal(t, s.URL+"/my/ca/acme/guest/new-order", d.OrderURL, "as others see it")
		_, err = client.Register(ctx, &xacme.Account{}, xacme.AcceptTOS)
		require.NoError(t, err)
		o, err := client.AuthorizeOrder(ctx, xacme.DomainIDs(subject))
		require.NoError(t, err)
		z, err := client.GetAuthorization(ctx, o.AuthzURLs[0])
		require.NoError(t, err)
		_, err = client.Accept(ctx, z.Challenges[0])
		require.NoError(t, err)
		o, err = client.WaitOrder(ctx, o.URI)
		require.NoError(t, err)
		csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{subject}}, key)
		require.NoError(t, err)
		der, _, err := client.CreateOrderCert(ctx, o.FinalizeURL, csr, true)
		require.NoError(t, err)
		leaf, err := x509.ParseCertificate(der[0])
		require.NoError(t, err)
		require.NoError(t, leaf.CheckSignatureFrom(h.inter.crt))
		name, mark, ok := provisioner.MarkOf(leaf)
		require.True(t, ok)
		require.Equal(t, "guest", name)
		require.Equal(t, 6, int(mark.Type))
		require.Contains(t, log.String(), `"provisioner":"guest"`)
		require.NotContains(t, log.String(), "panic")
	}
}

func newKey(t *testing.T) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return k
}

// TestGuestsComeAndGo: who is a guest is asked in each request, and nobody else is one.
func TestGuestsComeAndGo(t *testing.T) {
	h, _ := inn(t, nil)
	status := func(path string) int { return do(h.handler, request{method: "GET", path: path}).Code }
	for _, name := range []string{"mine", "other", "nobody"} {
		require.Equal(t, 404, status("/acme/"+name+"/directory"), "%s speaks no ACME", name)
	}
	require.Equal(t, 404, status("/1.0/acme/guest/directory"))
	require.Equal(t, 404, status("/acme/late/directory"))
	require.NoError(t, h.ca.Reconfigure(t.Context(), h.config(h.acme(t, "late"))))
	require.Equal(t, 200, status("/acme/late/directory"))
	require.Equal(t, 404, status("/acme/guest/directory"))
}

// TestGuestLimits: a guest's own limit is lower, and its answer is of its own kind.
func TestGuestLimits(t *testing.T) {
	h, _ := inn(t, nil)
	q := request{method: "POST", path: "/acme/guest/new-account", body: strings.Repeat(" ", 65<<10), header: map[string]string{"Content-Type": "application/jose+json"}}
	got := do(h.handler, q)
	require.Equal(t, 413, got.Code)
	require.Equal(t, "application/problem+json", got.Header().Get("Content-Type"))
	for _, path := range resources() {
		q.path, q.body = "/acme/guest"+path, "{}"
		got := do(h.handler, q)
		require.GreaterOrEqual(t, got.Code, 400, path)
		require.Less(t, got.Code, 500, path)
		require.Equal(t, "application/problem+json", got.Header().Get("Content-Type"), path)
	}
}

// TestOrderIsNoToken: an order that is being issued for is a credential to the server that has it, and to nobody from
// outside.
func TestOrderIsNoToken(t *testing.T) {
	h, s := inn(t, nil)
	held, goOn := make(chan struct{}), make(chan struct{})
	hold := sync.OnceFunc(func() { close(held); <-goOn })
	h.store.onReserve.Store(&hold)
	ctx := t.Context()
	client := &xacme.Client{Key: newKey(t), HTTPClient: s.Client(), DirectoryURL: s.URL + "/my/ca/acme/guest/directory"}
	_, err := client.Register(ctx, &xacme.Account{}, xacme.AcceptTOS)
	require.NoError(t, err)
	o, err := client.AuthorizeOrder(ctx, xacme.DomainIDs(subject))
	require.NoError(t, err)
	z, err := client.GetAuthorization(ctx, o.AuthzURLs[0])
	require.NoError(t, err)
	_, err = client.Accept(ctx, z.Challenges[0])
	require.NoError(t, err)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{subject}}, newKey(t))
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		_, _, err := client.CreateOrderCert(ctx, o.FinalizeURL, csr, true)
		done <- err
	}()
	<-held
	id := o.URI[strings.LastIndexByte(o.URI, '/')+1:]
	for _, ott := range []string{id, id + "..", "." + id + ".", "acme/guest/order/" + id} {
		b := signBodyOf(t, map[string]any{"csr": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})), "ott": ott, "provisioner": "guest"})
		got := do(h.handler, request{method: "POST", path: "/sign", body: b})
		require.Equal(t, 401, got.Code, got.Body.String())
	}
	close(goOn)
	require.NoError(t, <-done)
}
