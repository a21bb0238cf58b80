package ocsp

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	oracle "golang.org/x/crypto/ocsp"
)

// need finds a program, or ends the test: skipped, or failed where nothing may be skipped.
func need(t *testing.T, name, from string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CHANCERY_INTEROP") == "require" {
		t.Fatalf("CHANCERY_INTEROP=require, and %s is not installed; get it with: apt-get install %s", name, from)
	}
	t.Skipf("%s is not installed; get it with: apt-get install %s", name, from)
	return ""
}

// lab is a world with a server on loopback, and a folder for foreign programs.
type lab struct {
	*world
	t        *testing.T
	dir, url string
	method   atomic.Pointer[string] // of the last request
	issuer   string                 // file
	trust    string                 // file: root and issuer
}

func newLab(t *testing.T, o Options) *lab {
	l := &lab{world: newWorld(t, o), t: t, dir: t.TempDir()}
	h := l.Responder.Handler("/ocsp", http.NotFoundHandler())
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		l.method.Store(&q.Method)
		h.ServeHTTP(w, q)
	}))
	t.Cleanup(s.Close)
	l.url = s.URL + "/ocsp"
	l.issuer = l.file("issuer.pem", l.Intermediate)
	l.trust = l.file("trust.pem", l.Root, l.Intermediate)
	return l
}

func (l *lab) file(name string, certs ...*x509.Certificate) string {
	var b bytes.Buffer
	for _, c := range certs {
		require.NoError(l.t, pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return l.write(name, b.Bytes())
}

func (l *lab) write(name string, b []byte) string {
	path := filepath.Join(l.dir, name)
	require.NoError(l.t, os.WriteFile(path, b, 0o600))
	return path
}

// run runs a program with nothing of this one's environment but the path, and returns all that it printed.
func (l *lab) run(program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(l.t.Context(), 30*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, program, args...)
	c.Dir, c.Env = l.dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + l.dir}
	out, err := c.CombinedOutput()
	return string(out), err
}

// subjects are a good, a revoked and a held certificate, and one that was never issued.
func (l *lab) subjects() (files map[string]string, certs map[string]*x509.Certificate) {
	certs = map[string]*x509.Certificate{}
	for _, name := range []string{"good", "revoked", "hold"} {
		certs[name] = l.Leaf(name + ".internal").Leaf
	}
	l.revoke(certs["revoked"], 1)
	l.revoke(certs["hold"], 6)
	certs["unknown"] = l.SignAnything(func(c *x509.Certificate) { c.SerialNumber = big.NewInt(0xbeef) }, "unknown.internal").Leaf
	files = map[string]string{}
	for name, c := range certs {
		files[name] = l.file(name+".pem", c)
	}
	return files, certs
}

func TestOpenSSL(t *testing.T) {
	openssl := need(t, "openssl", "openssl")
	for name, o := range map[string]Options{"delegated": {}, "direct": {Direct: true}} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, o)
			files, _ := l.subjects()
			for _, nonce := range []string{"-nonce", "-no_nonce"} {
				for _, hash := range []string{"-sha1", "-sha256"} {
					for status, want := range map[string][]string{
						"good": {": good"}, "revoked": {": revoked", "Reason: keyCompromise"}, "hold": {": revoked", "Reason: certificateHold"}, "unknown": {": unknown"},
					} {
						out, err := l.run(openssl, "ocsp", hash, "-issuer", l.issuer, "-cert", files[status], "-url", l.url, nonce,
							"-CAfile", l.trust, "-resp_text", "-validity_period", "60", "-status_age", "86400")
						require.NoError(t, err, out)
						for _, w := range append(want, "Response verify OK") {
							require.Contains(t, out, w)
						}
						require.Equal(t, nonce == "-nonce", strings.Contains(out, "OCSP Nonce:"), out)
						require.NotContains(t, out, "WARNING")
						require.Equal(t, o.Direct, !strings.Contains(out, "OCSP No Check"), out)
					}
				}
			}
			out, err := l.run(openssl, "ocsp", "-issuer", l.issuer, "-cert", files["good"], "-cert", files["revoked"], "-cert", files["unknown"], "-url", l.url+"/", "-CAfile", l.trust)
			require.NoError(t, err, out)
			for _, w := range []string{"good.pem: good", "revoked.pem: revoked", "unknown.pem: unknown"} {
				require.Contains(t, out, w)
			}
			foreign := root(t, "Foreign", newKey(t), 5)
			out, _ = l.run(openssl, "ocsp", "-issuer", l.file("foreign.pem", foreign), "-cert", l.file("f.pem", foreign), "-url", l.url, "-CAfile", l.trust)
			require.Contains(t, out, "unauthorized (6)")
		})
	}
}

// A GET as clients make it, with the request of one program, the transport of another, and the answer checked
// by the first.
func TestCurlGet(t *testing.T) {
	openssl, curl := need(t, "openssl", "openssl"), need(t, "curl", "curl")
	l := newLab(t, Options{})
	files, _ := l.subjects()
	for status := range files {
		for _, nonce := range []string{"-nonce", "-no_nonce"} {
			out, err := l.run(openssl, "ocsp", "-issuer", l.issuer, "-cert", files[status], nonce, "-reqout", "q.der")
			require.NoError(t, err, out)
			der, err := os.ReadFile(filepath.Join(l.dir, "q.der"))
			require.NoError(t, err)
			b64 := base64.StdEncoding.EncodeToString(der)
			for _, path := range []string{b64, url.QueryEscape(b64), url.PathEscape(b64)} {
				headers, err := l.run(curl, "-sS", "--fail", "--path-as-is", "-D", "-", "-o", "a.der", l.url+"/"+path)
				require.NoError(t, err, headers)
				require.Equal(t, "GET", *l.method.Load())
				require.Equal(t, nonce == "-no_nonce" && status != "unknown", strings.Contains(headers, "max-age="), headers)
				out, err = l.run(openssl, "ocsp", "-issuer", l.issuer, "-cert", files[status], "-respin", "a.der", "-no_nonce", "-CAfile", l.trust)
				require.NoError(t, err, out)
				want := ": " + strings.Replace(status, "hold", "revoked", 1)
				require.Contains(t, out, want)
			}
		}
	}
}

func TestGnuTLS(t *testing.T) {
	ocsptool := need(t, "ocsptool", "gnutls-bin")
	for name, o := range map[string]Options{"delegated": {}, "direct": {Direct: true}} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, o)
			files, _ := l.subjects()
			for status, want := range map[string]string{"good": "Certificate Status: good", "revoked": "Certificate Status: revoked", "unknown": "Certificate Status: unknown"} {
				for _, nonce := range []string{"--no-nonce", "--nonce"} {
					args := []string{"--ask=" + l.url, nonce, "--load-cert", files[status], "--load-issuer", l.issuer, "--load-trust", l.trust}
					if o.Direct { // it finds a signer among trusted ones only by a SubjectKeyId that is SHA-1
						args = append(args[:len(args)-2], "--load-signer", l.issuer)
					}
					out, err := l.run(ocsptool, args...)
					require.Contains(t, out, want, "%v", err)
					require.Contains(t, out, "Verifying OCSP Response: Success", out)
				}
			}
		})
	}
}

// stapled serves TLS with a certificate that our responder speaks for at every handshake.
func stapled(t *testing.T, l *lab, leaf *tls.Certificate) (address string) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("open sesame")) }))
	s.TLS = &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		c := *leaf
		var err error
		c.OCSPStaple, err = l.Staple(h.Context(), leaf.Leaf)
		return &c, err
	}}
	s.StartTLS()
	t.Cleanup(s.Close)
	_, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "https://"), ":")
	return "https://localhost:" + port
}

func TestCurlStapling(t *testing.T) {
	curl := need(t, "curl", "curl")
	l := newLab(t, Options{})
	leaf := l.Leaf("localhost")
	at := stapled(t, l, leaf)
	root := l.file("root.pem", l.Root)
	ask := func() (string, error) {
		return l.run(curl, "-sS", "-v", "--noproxy", "*", "--cacert", root, "--cert-status", at)
	}
	out, err := ask()
	require.NoError(t, err, out)
	require.Contains(t, out, "open sesame")
	require.Contains(t, out, "SSL certificate status: good (0)")
	l.revoke(leaf.Leaf, 4)
	out, err = ask()
	require.Error(t, err)
	require.Contains(t, out, "revoked")
	require.NotContains(t, out, "sesame")
}

// OpenSSL reads what is stapled.
func TestOpenSSLStapling(t *testing.T) {
	openssl := need(t, "openssl", "openssl")
	l := newLab(t, Options{})
	leaf := l.Leaf("localhost")
	out, err := l.run(openssl, "s_client", "-connect", strings.TrimPrefix(stapled(t, l, leaf), "https://"), "-servername", "localhost", "-status", "-CAfile", l.file("root.pem", l.Root), "-verify_return_error")
	require.NoError(t, err, out)
	require.Contains(t, out, "OCSP Response Status: successful (0x0)")
	require.Contains(t, out, "Cert Status: good")
	require.Contains(t, out, "Verify return code: 0 (ok)")
}

// nginx asks by GET, by itself, checks the answer, and staples it.
func TestNginxStapling(t *testing.T) {
	nginx, curl := need(t, "nginx", "nginx"), need(t, "curl", "curl")
	l := newLab(t, Options{})
	leaf := l.Leaf("localhost")
	key, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	require.NoError(t, err)
	l.file("chain.pem", leaf.Leaf, l.Intermediate)
	l.write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	at := free.Addr().String()
	require.NoError(t, free.Close())
	l.write("nginx.conf", []byte(`daemon off; master_process off; pid nginx.pid; error_log stderr info;
events {}
http {
	access_log off;
	client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
	server {
		listen `+at+` ssl;
		ssl_certificate chain.pem; ssl_certificate_key key.pem;
		ssl_stapling on; ssl_stapling_verify on; ssl_trusted_certificate trust.pem;
		ssl_stapling_responder `+l.url+`;
		location / { return 200 "open sesame"; }
	}
}`))
	var log bytes.Buffer
	c := exec.Command(nginx, "-p", l.dir, "-c", "nginx.conf")
	c.Dir, c.Stderr = l.dir, &log
	require.NoError(t, c.Start())
	defer func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	}()
	_, port, _ := strings.Cut(at, ":")
	root := l.file("root.pem", l.Root)
	require.Eventually(t, func() bool { // the first handshake only makes it ask
		out, err := l.run(curl, "-sS", "-v", "--noproxy", "*", "--cacert", root, "--cert-status", "https://localhost:"+port)
		return err == nil && strings.Contains(out, "status: good (0)") && strings.Contains(out, "open sesame")
	}, 20*time.Second, 100*time.Millisecond)
	require.Equal(t, "GET", *l.method.Load())
}

func TestGoStapling(t *testing.T) {
	l := newLab(t, Options{})
	leaf := l.Leaf("localhost")
	at := stapled(t, l, leaf)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: l.Pool(), ServerName: "localhost"}, DisableKeepAlives: true}}
	res, err := c.Get(strings.Replace(at, "localhost", "127.0.0.1", 1))
	require.NoError(t, err)
	res.Body.Close()
	got := l.parsed(res.TLS.OCSPResponse, leaf.Leaf, l.Intermediate)
	require.Equal(t, oracle.Good, got.Status)
	require.Equal(t, crypto.SHA1, got.IssuerHash)
	chain, err := got.Certificate.Verify(x509.VerifyOptions{
		Roots: l.Pool(), Intermediates: pool(l.Intermediate), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning},
	})
	require.NoError(t, err)
	require.Len(t, chain[0], 3)
}

func pool(c *x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(c)
	return p
}
