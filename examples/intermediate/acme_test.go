package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	xacme "golang.org/x/crypto/acme"

	"github.com/chancery-ca/chancery/authority/stepconfig"
	"github.com/chancery-ca/chancery/internal/pgtest"
	"github.com/chancery-ca/chancery/provisioner"
)

// shop is an ACME client, and the web server on loopback that answers its challenges.
type shop struct {
	*xacme.Client
	t       *testing.T
	answers *http.ServeMux
	port    int
}

func newShop(t *testing.T) *shop {
	s := &shop{t: t, answers: http.NewServeMux()}
	web := httptest.NewServer(s.answers)
	t.Cleanup(web.Close)
	s.port = web.Listener.Addr().(*net.TCPAddr).Port
	return s
}

// call makes the client one of the CA at url, with an account key of its own.
func (s *shop) call(dir, url string) {
	s.Client = &xacme.Client{Key: newKey(s.t), HTTPClient: client(s.t, dir), DirectoryURL: directory(url, "acme")}
}

func newKey(t *testing.T) crypto.Signer {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return k
}

// prove has an order made ready.
func (s *shop) prove(name string) *xacme.Order {
	o, err := s.proved(name)
	require.NoError(s.t, err)
	return o
}

func (s *shop) proved(name string) (*xacme.Order, error) {
	ctx := s.t.Context()
	o, err := s.AuthorizeOrder(ctx, xacme.DomainIDs(name))
	if err != nil {
		return nil, err
	}
	for _, u := range o.AuthzURLs {
		z, err := s.GetAuthorization(ctx, u)
		if err != nil {
			return nil, err
		}
		for _, ch := range z.Challenges {
			if ch.Type != "http-01" || z.Status != xacme.StatusPending {
				continue
			}
			body, err := s.HTTP01ChallengeResponse(ch.Token)
			if err != nil {
				return nil, err
			}
			s.answers.HandleFunc(s.HTTP01ChallengePath(ch.Token), func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })
			if _, err := s.Accept(ctx, ch); err != nil {
				return nil, err
			}
		}
	}
	return s.WaitOrder(ctx, o.URI)
}

// finish has the certificate issued.
func (s *shop) finish(o *xacme.Order, name string) *x509.Certificate {
	leaf, err := s.finished(o, name)
	require.NoError(s.t, err)
	return leaf
}

func (s *shop) finished(o *xacme.Order, name string) (*x509.Certificate, error) {
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{name}}, newKey(s.t))
	if err != nil {
		return nil, err
	}
	der, _, err := s.CreateOrderCert(s.t.Context(), o.FinalizeURL, csr, true)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der[0])
}

func (s *shop) obtain(name string) error {
	o, err := s.proved(name)
	if err == nil {
		_, err = s.finished(o, name)
	}
	return err
}

// setACME changes the ACME provisioner in ca.json, as step's CLI would.
func setACME(t *testing.T, dir string, change func(p map[string]any)) {
	path := filepath.Join(dir, "config", "ca.json")
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, json.Unmarshal(b, &m))
	for _, p := range m["authority"].(map[string]any)["provisioners"].([]any) {
		if p := p.(map[string]any); p["type"] == "ACME" {
			change(p)
		}
	}
	b, err = json.Marshal(m)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, b, 0o600))
}

func setOwn(t *testing.T, dir, text string) {
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config", "chancery.json"), []byte(text), 0o600))
}

// TestACME serves a new folder: what the banner says is there, orders outlive a reload and a start, and then external
// account keys are asked for.
func TestACME(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	args := []string{"-dir", dir, "-address", "127.0.0.1:0", "-http-address", "127.0.0.1:0"}
	s := newShop(t)
	p := begin(t, args...)
	p.wait(`"ready"`)
	url := p.url()
	require.Eventually(t, func() bool { return strings.Contains(p.stdout.String(), "Note: ") }, 10*time.Second, 10*time.Millisecond)
	require.Contains(t, p.stdout.String(), "REQUESTS_CA_BUNDLE="+filepath.Join(dir, "certs", "root_ca.crt")+" certbot certonly -n --standalone --server "+url+"/acme/acme/directory -d localhost ")
	require.Contains(t, p.stdout.String(), onLoopback)
	require.Contains(t, p.stderr.String(), onLoopback)

	setOwn(t, dir, fmt.Sprintf(`{"acme": {"httpPort": %d}}`, s.port))
	require.NoError(t, p.Process.Signal(syscall.SIGHUP))
	p.wait("configuration reloaded")
	s.call(dir, url)
	_, err := s.Register(t.Context(), &xacme.Account{}, xacme.AcceptTOS)
	require.NoError(t, err)
	leaf := s.finish(s.prove("localhost"), "localhost")
	name, mark, ok := provisioner.MarkOf(leaf)
	require.True(t, ok)
	require.Equal(t, "acme", name)
	require.Equal(t, 6, int(mark.Type))

	// Another instance of the server has the same accounts and orders, and works by its own rules.
	o := s.prove("app.localhost")
	setACME(t, dir, func(p map[string]any) { p["forceCN"], p["challenges"] = true, []string{"http-01"} })
	p.stderr.reset()
	require.NoError(t, p.Process.Signal(syscall.SIGHUP))
	p.wait("configuration reloaded")
	require.Equal(t, "app.localhost", s.finish(o, "app.localhost").Subject.CommonName)
	for i := range 3 { // as many challenges as there may be work for
		s.finish(s.prove(fmt.Sprintf("w%d.localhost", i)), fmt.Sprintf("w%d.localhost", i))
	}
	require.NotContains(t, p.stderr.String(), `"ERROR"`)

	// While the server has the database, keys can be looked at and not made.
	out, err := keysCommandIn(t, "add", "alice", "-dir", dir)
	require.ErrorIs(t, err, errKeysServing, out)
	_, err = keysCommandIn(t, "list", "-dir", dir)
	require.NoError(t, err)
	o = s.prove("late.localhost")
	require.NoError(t, p.Process.Signal(syscall.SIGTERM))
	require.Zero(t, p.ends())

	setACME(t, dir, func(p map[string]any) { p["requireEAB"] = true })
	out, err = keysCommandIn(t, "add", "-json", "alice", "-dir", dir)
	require.NoError(t, err)
	var key struct{ ID, HmacKey string }
	require.NoError(t, json.Unmarshal([]byte(out), &key))
	args[3] = strings.TrimPrefix(url, "https://") // accounts are known by their URL
	p = begin(t, args...)
	p.wait(`"ready"`)
	require.NotEmpty(t, s.finish(o, "late.localhost"))
	s.call(dir, p.url())
	_, err = s.Register(t.Context(), &xacme.Account{}, xacme.AcceptTOS)
	require.ErrorContains(t, err, "externalAccountRequired")
	secret, err := base64.RawURLEncoding.DecodeString(key.HmacKey)
	require.NoError(t, err)
	_, err = s.Register(t.Context(), &xacme.Account{ExternalAccountBinding: &xacme.ExternalAccountBinding{KID: key.ID, Key: secret}}, xacme.AcceptTOS)
	require.NoError(t, err)
	out, err = keysCommandIn(t, "list", "-dir", dir)
	require.NoError(t, err)
	require.Regexp(t, key.ID+` +alice .* used `, out)
	require.NotContains(t, p.stderr.String()+p.stdout.String()+out, key.HmacKey)
	require.NoError(t, p.Process.Signal(syscall.SIGTERM))
	require.Zero(t, p.ends())
}

// TestNoACME: a folder without an ACME provisioner stays as it is.
func TestNoACME(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	args := []string{"-dir", dir, "-address", "127.0.0.1:0", "-http-address", "127.0.0.1:0"}
	p := begin(t, args...)
	p.wait(`"ready"`)
	require.NoError(t, p.Process.Signal(syscall.SIGTERM))
	require.Zero(t, p.ends())
	path := filepath.Join(dir, "config", "ca.json")
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, json.Unmarshal(b, &m))
	a := m["authority"].(map[string]any)
	a["provisioners"] = a["provisioners"].([]any)[:1]
	b, err = json.Marshal(m)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, b, 0o600))

	p = begin(t, args...)
	p.wait(`"ready"`)
	url := p.url()
	r, err := client(t, dir).Get(directory(url, "acme"))
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	require.Equal(t, 404, r.StatusCode)
	require.NotContains(t, p.stdout.String(), "certbot")
	require.NotContains(t, p.stdout.String()+p.stderr.String(), onLoopback)
	_, err = keysCommandIn(t, "list", "-dir", dir)
	require.ErrorContains(t, err, "has no ACME provisioner")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(b), string(after))
}

// keysCommandIn runs a subcommand of acme keys in this process.
func keysCommandIn(t *testing.T, args ...string) (string, error) {
	var out, log bytes.Buffer
	err := acmeKeys(t.Context(), append([]string{"keys"}, args...), &out, &log)
	return out.String() + log.String(), err
}

// TestKeys walks through the life of keys, on both kinds of database.
func TestKeys(t *testing.T) {
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "ca")
			_, err := stepconfig.Init(t.Context(), stepconfig.InitOptions{Dir: dir, Name: "Test", DNSNames: []string{"localhost"}, Password: []byte("x"), ACME: "acme"})
			require.NoError(t, err)
			place := []string{"-dir", dir}
			if kind == "postgres" {
				place = append(place, "-db", pgtest.Start(t).Database(t))
			}
			keys := func(args ...string) (string, error) { return keysCommandIn(t, append(args, place...)...) }
			add := func(args ...string) (id string) {
				out, err := keys(append([]string{"add"}, args...)...)
				require.NoError(t, err, out)
				f := strings.Fields(out)
				require.Equal(t, "ID", f[0])
				require.Regexp(t, `For +`+args[0]+`\n`, out)
				secret, err := base64.RawURLEncoding.DecodeString(f[3])
				require.NoError(t, err)
				require.Len(t, secret, 32)
				return f[1]
			}
			alice, bob := add("alice"), add("bob", "-reusable", "-expires", "7d")
			out, err := keys("list")
			require.NoError(t, err)
			require.Regexp(t, alice+` +alice .* - +good +-`, out)
			require.Regexp(t, bob+` +bob .*\(in 6d\) +good +-`, out)
			out, err = keys("revoke", alice)
			require.NoError(t, err, out)
			_, err = keys("revoke", alice)
			require.ErrorContains(t, err, "revoked already")
			_, err = keys("revoke", "nobody")
			require.ErrorContains(t, err, `no key "nobody"`)
			out, err = keys("list", "-format", "jsonl")
			require.NoError(t, err)
			require.Equal(t, 2, strings.Count(out, "\n"))
			require.Contains(t, out, `"name":"alice","status":"revoked"`)
			require.NotContains(t, strings.ToLower(out), `key"`)
			for _, bad := range [][]string{{"add"}, {"add", "a", "b"}, {"add", "a", "-expires", "2020-01-01"}, {"list", "-format", "xml"}, {"list", "-provisioner", "admin"}, {"revoke"}, {"remove", "x"}} {
				_, err = keys(bad...)
				require.Error(t, err, bad)
			}
		})
	}
}

// TestACMEUnderReload: who is being served while ca.json is read again gets what was ordered.
func TestACMEUnderReload(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	p := begin(t, "-dir", dir, "-address", "127.0.0.1:0", "-http-address", "127.0.0.1:0")
	p.wait(`"ready"`)
	s := newShop(t)
	setOwn(t, dir, fmt.Sprintf(`{"acme": {"httpPort": %d}}`, s.port))
	require.NoError(t, p.Process.Signal(syscall.SIGHUP))
	p.wait("configuration reloaded")
	var clients sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		c := &shop{t: t, answers: s.answers}
		c.call(dir, p.url())
		_, err := c.Register(t.Context(), &xacme.Account{}, xacme.AcceptTOS)
		require.NoError(t, err)
		clients.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					assert.Positive(t, i)
					return
				default:
				}
				if !assert.NoError(t, c.obtain("localhost")) {
					return
				}
			}
		})
	}
	for i := range 2 { // each opens the key anew, which takes its time
		setACME(t, dir, func(p map[string]any) { p["forceCN"] = i%2 == 0 })
		p.stderr.reset()
		require.NoError(t, p.Process.Signal(syscall.SIGHUP))
		p.wait("configuration reloaded")
	}
	close(done)
	clients.Wait()
}
