package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ocsp"

	"github.com/chancery-ca/chancery/internal/pgtest"
)

// TestMain lets the test binary be the program, so that the tests have a process to send signals to.
func TestMain(m *testing.M) {
	if os.Getenv("BE_INTERMEDIATE") == "1" {
		main()
		return
	}
	os.Exit(pgtest.Run(m))
}

// relyingParty asks about a certificate where the certificate says.
type relyingParty struct {
	t            *testing.T
	leaf, issuer *x509.Certificate
}

func newRelyingParty(t *testing.T, signed string) *relyingParty {
	var answer struct{ Crt, CA string }
	require.NoError(t, json.Unmarshal([]byte(signed), &answer))
	parse := func(text string) *x509.Certificate {
		b, _ := pem.Decode([]byte(text))
		require.NotNil(t, b)
		c, err := x509.ParseCertificate(b.Bytes)
		require.NoError(t, err)
		return c
	}
	return &relyingParty{t, parse(answer.Crt), parse(answer.CA)}
}

func fetch(t *testing.T, c *http.Client, method, url string, body []byte) (*http.Response, []byte) {
	q, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	require.NoError(t, err)
	if method == http.MethodPost {
		q.Header.Set("Content-Type", "application/ocsp-request")
	}
	r, err := c.Do(q)
	require.NoError(t, err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return r, b
}

func (p *relyingParty) crl() *x509.RevocationList {
	require.Len(p.t, p.leaf.CRLDistributionPoints, 1)
	r, b := fetch(p.t, http.DefaultClient, "GET", p.leaf.CRLDistributionPoints[0], nil)
	require.Equal(p.t, http.StatusOK, r.StatusCode)
	l, err := x509.ParseRevocationList(b)
	require.NoError(p.t, err)
	require.NoError(p.t, l.CheckSignatureFrom(p.issuer))
	return l
}

// listed returns the reason for which the CRL lists the certificate, -1 if it does not.
func (p *relyingParty) listed() int {
	for _, e := range p.crl().RevokedCertificateEntries {
		if e.SerialNumber.Cmp(p.leaf.SerialNumber) == 0 {
			return e.ReasonCode
		}
	}
	return -1
}

func (p *relyingParty) ocsp() *ocsp.Response {
	q, err := ocsp.CreateRequest(p.leaf, p.issuer, nil)
	require.NoError(p.t, err)
	require.Len(p.t, p.leaf.OCSPServer, 1)
	r, b := fetch(p.t, http.DefaultClient, "POST", p.leaf.OCSPServer[0], q)
	require.Equal(p.t, http.StatusOK, r.StatusCode)
	a, err := ocsp.ParseResponseForCert(b, p.leaf, p.issuer)
	require.NoError(p.t, err)
	return a
}

// base is the URL of the plain HTTP listener.
func (p *relyingParty) base() string { return strings.TrimSuffix(p.leaf.OCSPServer[0], "/ocsp") }

func (p *relyingParty) eventually(reason int) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return p.listed() == reason }, 20*time.Second, 20*time.Millisecond, "reason %d", reason)
}

// stores runs a test with each kind, and what it takes on the command line.
func stores(t *testing.T, test func(t *testing.T, sqlite bool, flags ...string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, true) })
	t.Run("postgres", func(t *testing.T) { test(t, false, "-db", pgtest.Start(t).Database(t)) })
}

func TestRevocationIsPublished(t *testing.T) {
	stores(t, func(t *testing.T, sqlite bool, db ...string) {
		dir := filepath.Join(t.TempDir(), "ca")
		at := append([]string{"-dir", dir}, db...)
		p := begin(t, append([]string{"-address", "127.0.0.1:0", "-http-address", "127.0.0.1:0"}, at...)...)
		p.wait(`"msg":"ready"`)
		url, c := p.url(), client(t, dir)
		status, body := sign(t, c, url, dir, "admin")
		require.Equal(t, http.StatusCreated, status, body)
		rp := newRelyingParty(t, body)
		require.Contains(t, p.stdout.String(), rp.leaf.CRLDistributionPoints[0])
		require.Contains(t, p.stdout.String(), rp.leaf.OCSPServer[0])

		_, der := fetch(t, http.DefaultClient, "GET", rp.leaf.IssuingCertificateURL[0], nil)
		require.Equal(t, rp.issuer.Raw, der)
		require.Equal(t, -1, rp.listed(), "there is a CRL from the first moment on")
		require.Equal(t, ocsp.Good, rp.ocsp().Status)
		checkMounts(t, c, url, rp)

		serial := rp.leaf.SerialNumber.String()
		status, body = post(t, c, url+"/1.0/revoke", map[string]any{
			"serial": serial, "ott": token(t, dir, "admin", url+"/1.0/revoke", serial), "reasonCode": 6, "passive": true,
		})
		require.Equal(t, http.StatusOK, status, body)
		require.Equal(t, ocsp.Revoked, rp.ocsp().Status, "at once")
		rp.eventually(6)

		if sqlite {
			_, err := certificatesCommand(t, append([]string{"release", serial}, at...)...)
			require.ErrorContains(t, err, "the server has the database")
			_, err = certificatesCommand(t, append([]string{"revoke", serial}, at...)...)
			require.ErrorContains(t, err, "step ca revoke")
			require.NoError(t, p.Process.Signal(syscall.SIGTERM))
			require.Zero(t, p.ends(), "%s", p.stderr)
			out, err := certificatesCommand(t, append([]string{"release", serial}, at...)...)
			require.NoError(t, err)
			require.Contains(t, out, "is good again")
			out, err = certificatesCommand(t, append([]string{"show", serial, "-bare"}, at...)...)
			require.NoError(t, err)
			require.Regexp(t, `Status +valid`, out)
			return
		}
		commandsBesideAServer(t, rp, serial, at)
	})
}

// commandsBesideAServer changes records in a database that a server uses, which publishes them.
func commandsBesideAServer(t *testing.T, rp *relyingParty, serial string, at []string) {
	out, err := certificatesCommand(t, append([]string{"list", "-revoked", "true"}, at...)...)
	require.NoError(t, err)
	require.Contains(t, out, "on hold")
	out, err = certificatesCommand(t, append([]string{"release", serial}, at...)...)
	require.NoError(t, err, out)
	require.Equal(t, ocsp.Good, rp.ocsp().Status)
	rp.eventually(-1)

	out, err = certificatesCommand(t, append([]string{"revoke", "-name", "web.internal", "-dry-run"}, at...)...)
	require.NoError(t, err)
	require.Contains(t, out, "1 would be revoked.")
	require.Equal(t, ocsp.Good, rp.ocsp().Status)
	out, err = certificatesCommand(t, append([]string{"revoke", "-name", "web.internal", "-yes", "-reason", "superseded"}, at...)...)
	require.NoError(t, err)
	require.Contains(t, out, "1 revoked, of 1 that were chosen.")
	require.Equal(t, ocsp.Revoked, rp.ocsp().Status)
	rp.eventually(4)
	_, err = certificatesCommand(t, append([]string{"release", serial}, at...)...)
	require.ErrorContains(t, err, "not on hold")
}

// checkMounts looks at what is served where: everything public without TLS, and nothing else.
func checkMounts(t *testing.T, c *http.Client, url string, rp *relyingParty) {
	r, _ := fetch(t, c, "GET", url+"/1.0/crl", nil)
	require.Equal(t, http.StatusOK, r.StatusCode)
	staple, err := ocsp.ParseResponseForCert(r.TLS.OCSPResponse, r.TLS.PeerCertificates[0], rp.issuer)
	require.NoError(t, err, "the server staples its own response")
	require.Equal(t, ocsp.Good, staple.Status)
	q, err := ocsp.CreateRequest(rp.leaf, rp.issuer, nil)
	require.NoError(t, err)
	r, _ = fetch(t, c, "POST", url+"/ocsp", q)
	require.Equal(t, http.StatusOK, r.StatusCode)
	require.Equal(t, "application/ocsp-response", r.Header.Get("Content-Type"))

	for _, path := range []string{"/crl", "/1.0/crl", "/crl?pem=1", "/roots.pem", "/1.0/roots.pem", "/intermediates.pem"} {
		r, _ := fetch(t, http.DefaultClient, "GET", rp.base()+path, nil)
		require.Equal(t, http.StatusOK, r.StatusCode, path)
	}
	for _, path := range []string{
		"/", "/health", "/version", "/roots", "/provisioners", "/sign", "/1.0/sign", "/renew", "/revoke", "/1.0/revoke", "/federation",
		"/issuers/", "/issuers/x.cer", "/issuers/../roots", "//crl", "/1.0//crl", "/crl/../sign", "/crl/../../health", "/1.0/1.0/crl",
	} {
		for _, method := range []string{"GET", "POST", "PUT"} {
			r, _ := fetch(t, http.DefaultClient, method, rp.base()+path, nil)
			require.NotEqual(t, 2, r.StatusCode/100, "%s %s", method, path)
		}
	}
	for _, path := range []string{"/crl", "/roots.pem", strings.TrimPrefix(rp.leaf.IssuingCertificateURL[0], rp.base())} {
		r, _ := fetch(t, http.DefaultClient, "POST", rp.base()+path, nil)
		require.Contains(t, []int{http.StatusNotFound, http.StatusMethodNotAllowed}, r.StatusCode, path)
	}
	_, err = tls.Dial("tcp", strings.Replace(strings.TrimPrefix(rp.base(), "http://"), "localhost", "127.0.0.1", 1), &tls.Config{InsecureSkipVerify: true})
	require.Error(t, err, "no TLS there")
}

// What is published follows a reload, and a folder of before asks for none of it.
func TestPublicationFollowsTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	p := begin(t, "-dir", dir, "-address", "127.0.0.1:0", "-http-address", "")
	p.wait(`"msg":"ready"`)
	url, c := p.url(), client(t, dir)
	require.NotContains(t, p.stdout.String(), "OCSP")
	status, body := sign(t, c, url, dir, "admin")
	require.Equal(t, http.StatusCreated, status, body)
	leaf := newRelyingParty(t, body).leaf
	require.Empty(t, leaf.CRLDistributionPoints)
	require.Empty(t, leaf.OCSPServer)
	require.Empty(t, leaf.IssuingCertificateURL)
	for _, path := range []string{"/crl", "/1.0/crl", "/ocsp/x"} {
		r, _ := fetch(t, c, "GET", url+path, nil)
		require.Equal(t, http.StatusNotFound, r.StatusCode)
	}

	own := filepath.Join(dir, "config", "chancery.json")
	reload := func(text, log string) {
		require.NoError(t, os.WriteFile(own, []byte(text), 0o600))
		p.stderr.reset()
		require.NoError(t, p.Process.Signal(syscall.SIGHUP))
		p.wait(log)
	}
	reload(`{"revocation": {"pointers": {}}}`, "no URL is known: set url")
	reload(`{"revocation": {"ocsp": true, "pointers": {"url": "http://pki.internal"}}}`, "configuration reloaded")
	status, body = sign(t, c, url, dir, "admin")
	require.Equal(t, http.StatusCreated, status, body)
	rp := newRelyingParty(t, body)
	require.Equal(t, []string{"http://pki.internal/ocsp"}, rp.leaf.OCSPServer)
	require.Empty(t, rp.leaf.CRLDistributionPoints, "ca.json has no crl")
	q, err := ocsp.CreateRequest(rp.leaf, rp.issuer, nil)
	require.NoError(t, err)
	_, b := fetch(t, c, "POST", url+"/ocsp", q)
	a, err := ocsp.ParseResponseForCert(b, rp.leaf, rp.issuer)
	require.NoError(t, err)
	require.Equal(t, ocsp.Good, a.Status)

	edit(t, dir, `"logger"`, `"crl": {"enabled": true}, "logger"`)
	reload(`{}`, "configuration reloaded")
	require.Eventually(t, func() bool {
		r, _ := fetch(t, c, "GET", url+"/crl", nil)
		return r.StatusCode == http.StatusOK
	}, 20*time.Second, 20*time.Millisecond)
	r, _ := fetch(t, c, "POST", url+"/ocsp", q)
	require.Equal(t, http.StatusNotFound, r.StatusCode)
	require.NoError(t, p.Process.Signal(syscall.SIGTERM))
	require.Zero(t, p.ends(), "%s", p.stderr)
}

// Two nodes share a database: what one revokes, the other tells, and their CRLs are the same.
func TestTwoNodes(t *testing.T) {
	dir, db := filepath.Join(t.TempDir(), "ca"), pgtest.Start(t).Database(t)
	flags := []string{"-dir", dir, "-db", db, "-address", "127.0.0.1:0", "-http-address", "127.0.0.1:0"}
	one := begin(t, flags...)
	one.wait(`"msg":"ready"`)
	two := begin(t, flags...)
	two.wait(`"msg":"ready"`)
	c := client(t, dir)
	status, body := sign(t, c, one.url(), dir, "admin")
	require.Equal(t, http.StatusCreated, status, body)
	first := newRelyingParty(t, body)
	status, body = sign(t, c, two.url(), dir, "admin")
	require.Equal(t, http.StatusCreated, status, body)
	second := newRelyingParty(t, body)
	require.NotEqual(t, first.base(), second.base())

	serial := first.leaf.SerialNumber.String()
	status, body = post(t, c, two.url()+"/1.0/revoke", map[string]any{
		"serial": serial, "ott": token(t, dir, "admin", two.url()+"/1.0/revoke", serial), "reasonCode": 4, "passive": true,
	})
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, ocsp.Revoked, first.ocsp().Status)
	first.eventually(4)
	require.Eventually(t, func() bool { return first.crl().Number.Cmp(second.crl().Number) == 0 }, 20*time.Second, 20*time.Millisecond)
	for _, p := range []*process{one, two} {
		require.NoError(t, p.Process.Signal(syscall.SIGTERM))
		require.Zero(t, p.ends(), "%s", p.stderr)
	}
}
