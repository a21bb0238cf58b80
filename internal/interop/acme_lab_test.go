package interop

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/challenge"
	acmeserver "github.com/chancery-ca/chancery/acme/server"
	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/httpapi"
	"github.com/chancery-ca/chancery/authority/policy"
)

// acmeLab is a CA in the test's process that serves ACME over TLS on loopback, with a DNS of its own. Every name below
// interop.test is this machine, with http-01 and tls-alpn-01 on ports of the lab's.
type acmeLab struct {
	*authoritytest.CA
	t         *testing.T
	acme      *acmeserver.Server
	zone      *acmeZone
	dir       string
	url       string // of the CA
	directory string // of its ACME server
	rootFile  string
	http, tls string // ports
	log       *output

	mu   sync.Mutex
	seen []acmeExchange
}

// acmeExchange is a request that a client made, and what it was told.
type acmeExchange struct {
	method, path string
	status       int
	retryAfter   time.Duration // 0: not said
	begun, ended time.Time
}

// acmeOptions are how a lab differs from the usual one.
type acmeOptions struct {
	server    func(*acmeserver.Config)
	authority authoritytest.Option
	validator func(acme.Validator) acme.Validator // wraps each one
	caa       map[string]string
}

const acmeCAA = "ca.interop.test"

// retryOnce makes those wait less whom nobody answers.
const retryOnce = 100 * time.Millisecond

func newACMELab(t *testing.T, o acmeOptions) *acmeLab {
	t.Helper()
	l := &acmeLab{t: t, dir: t.TempDir(), http: quietPort(t), tls: quietPort(t), log: &output{}}
	if o.caa == nil {
		o.caa = map[string]string{"closed." + acmeDomain: ";", "open." + acmeDomain: acmeCAA}
	}
	l.zone = newACMEZone(t, filepath.Join(l.dir, "zone"), o.caa)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := acmeserver.Config{
		CAA: []string{acmeCAA}, Validators: l.validators(listener.Addr(), o.validator), Logger: slog.New(slog.NewTextHandler(l.log, nil)),
		TermsOfService: "https://ca.interop.test/terms", Website: "https://ca.interop.test",
	}
	if o.server != nil {
		o.server(&c)
	}
	l.acme, err = acmeserver.New(c)
	require.NoError(t, err)
	l.url = "https://localhost:" + strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	l.directory = l.url + "/" + l.acme.Path() + "/directory"
	l.CA = authoritytest.New(t, func(c *authority.Config) {
		c.URLs = []string{l.url}
		c.Provisioners = append(c.Provisioners, l.acme)
		c.Policy, err = policy.New(policy.Config{
			Allow: policy.Rules{DNS: []string{"localhost", "**." + acmeDomain}, IP: []string{"127.0.0.0/8"}},
			Deny:  policy.Rules{DNS: []string{"secret." + acmeDomain, "**.secret." + acmeDomain}}, AllowWildcards: true,
		})
		require.NoError(t, err)
		if o.authority != nil {
			o.authority(c)
		}
	})
	l.rootFile = filepath.Join(l.dir, "root.pem")
	require.NoError(t, os.WriteFile(l.rootFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: l.Root.Raw}), 0o600))
	l.serve(listener)
	return l
}

// validators are all there are. A challenge that a client has never heard of must not confuse it.
func (l *acmeLab) validators(own net.Addr, wrap func(acme.Validator) acme.Validator) []acme.Validator {
	l.t.Helper()
	resolver, err := challenge.NewClient(challenge.ClientConfig{Servers: []netip.AddrPort{l.zone.at}, Timeout: 2 * time.Second, MixedCase: true})
	require.NoError(l.t, err)
	listeners, err := challenge.OwnListeners(own)
	require.NoError(l.t, err)
	c := challenge.Config{
		Resolver: resolver, Addresses: challenge.Addresses{Scope: challenge.ListedOnly, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Listeners: listeners},
		HTTPPort: portNumber(l.t, l.http), TLSPort: portNumber(l.t, l.tls), PlainAccountURI: true,
	}
	var all []acme.Validator
	add := func(v acme.Validator, err error) {
		l.t.Helper()
		require.NoError(l.t, err)
		v = challenge.WithCAA(v, resolver)
		if wrap != nil {
			v = wrap(v)
		}
		all = append(all, v)
	}
	h, err := challenge.NewHTTP01(c)
	add(h, err)
	d, err := challenge.NewDNS01(c)
	add(d, err)
	a, err := challenge.NewTLSALPN01(c)
	add(a, err)
	n, err := challenge.NewDNSAccount01(c)
	add(n, err)
	p, err := challenge.NewDNSPersist01(c)
	add(p, err)
	return all
}

// quietPort is like freePort, for a port that is not used at once: it is below those that systems give to connections.
func quietPort(t testing.TB) string {
	t.Helper()
	for range 1000 {
		port := strconv.Itoa(15000 + rand.IntN(15000))
		if _, again := taken.LoadOrStore(port, true); again {
			continue
		}
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			require.NoError(t, l.Close())
			return port
		}
	}
	t.Fatal("no port is free")
	return ""
}

func portNumber(t testing.TB, port string) uint16 {
	t.Helper()
	n, err := strconv.ParseUint(port, 10, 16)
	require.NoError(t, err)
	return uint16(n)
}

// serve answers until the test is over; then the CA's books must be in order.
func (l *acmeLab) serve(listener net.Listener) {
	own := l.Leaf("localhost", "127.0.0.1")
	api := httpapi.New(l.Authority, nil)
	s := httpapi.Timeouts(&http.Server{
		TLSConfig: httpapi.TLSConfig(l.Authority, func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return own, nil }),
		Handler:   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { l.watch(api, w, r) }),
		ErrorLog:  slog.NewLogLogger(slog.NewTextHandler(l.log, nil), slog.LevelWarn),
	})
	ctx, stop := context.WithCancel(context.Background())
	var g sync.WaitGroup
	g.Go(func() { _ = l.Authority.Run(ctx) })
	g.Go(func() { _ = s.ServeTLS(listener, "", "") })
	l.t.Cleanup(func() {
		_ = s.Close()
		stop()
		g.Wait()
		l.Check()
		if l.t.Failed() {
			l.t.Logf("the CA's log:\n%s\nrequests:\n%s", l.log, l.story())
		}
	})
}

type acmeAnswer struct {
	http.ResponseWriter
	status int
}

func (a *acmeAnswer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

func (l *acmeLab) watch(next http.Handler, w http.ResponseWriter, r *http.Request) {
	a := &acmeAnswer{ResponseWriter: w, status: http.StatusOK}
	e := acmeExchange{method: r.Method, path: r.URL.Path, begun: time.Now()}
	next.ServeHTTP(a, r)
	e.ended, e.status = time.Now(), a.status
	if s, err := strconv.Atoi(w.Header().Get("Retry-After")); err == nil {
		e.retryAfter = time.Duration(s) * time.Second
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, e)
}

// requests are those so far below the ACME server's path whose rest begins like that.
func (l *acmeLab) requests(prefix string) (all []acmeExchange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.seen {
		if strings.HasPrefix(e.path, "/"+l.acme.Path()+prefix) {
			all = append(all, e)
		}
	}
	return all
}

func (l *acmeLab) story() string {
	var b strings.Builder
	var before time.Time
	for _, e := range l.requests("") {
		if before.IsZero() {
			before = e.begun
		}
		b.WriteString(e.begun.Sub(before).Round(time.Millisecond).String() + " " + e.method + " " + e.path + " " + strconv.Itoa(e.status))
		if e.retryAfter > 0 {
			b.WriteString(" retry-after " + e.retryAfter.String())
		}
		b.WriteString(" (" + e.ended.Sub(e.begun).Round(time.Millisecond).String() + ")\n")
		before = e.ended
	}
	return b.String()
}

// externalKey makes a key that an account can be bound with.
func (l *acmeLab) externalKey(id string) []byte {
	l.t.Helper()
	k := &acme.ExternalKey{ID: id, Provisioner: l.acme.Name(), Key: []byte(strings.Repeat("k", 32)), CreatedAt: time.Now()}
	require.NoError(l.t, l.acme.Store().PutExternalKey(l.t.Context(), k))
	return k.Key
}

// issued are the certificates that ACME clients got, by the record of the CA.
func (l *acmeLab) issued() (all []*authority.Record) {
	l.t.Helper()
	page, err := l.Authority.Certificates(l.t.Context(), authority.Query{Provisioner: l.acme.Name()})
	require.NoError(l.t, err)
	return page.Records
}

// record is what the CA knows of a certificate.
func (l *acmeLab) record(c *x509.Certificate) *authority.Record {
	l.t.Helper()
	r, err := l.Authority.Certificate(l.t.Context(), authority.SerialOf(c.SerialNumber))
	require.NoError(l.t, err)
	return r
}

// verify checks a chain as a TLS client does, and returns the leaf, which must have exactly these names.
func (l *acmeLab) verify(chain []*x509.Certificate, names ...string) *x509.Certificate {
	l.t.Helper()
	require.Len(l.t, chain, 2, "leaf and intermediate, no root")
	pool := x509.NewCertPool()
	pool.AddCert(chain[1])
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: l.Pool(), Intermediates: pool})
	require.NoError(l.t, err)
	got := chain[0].DNSNames
	for _, ip := range chain[0].IPAddresses {
		got = append(got, ip.String())
	}
	require.ElementsMatch(l.t, names, got)
	require.Equal(l.t, l.acme.Name(), l.record(chain[0]).Provisioner)
	return chain[0]
}
