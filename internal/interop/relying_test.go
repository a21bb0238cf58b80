package interop

import (
	"crypto/x509"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// relying is somebody who is shown a certificate, trusts the root, and asks where the certificate says.
type relying struct {
	*client
	name   string // of the files: name.crt holds leaf and issuer
	leaf   *x509.Certificate
	issuer *x509.Certificate
	crl    string // URLs
	ocsp   string
}

// reason is one for which certificates are revoked, in the words of each program.
type reason struct{ step, ocsp, crl string }

var (
	compromised = reason{"keyCompromise", "keyCompromise", "Key Compromise"}
	superseded  = reason{"Superseded", "superseded", "Superseded"}
	held        = reason{"CertificateHold", "certificateHold", "Certificate Hold"}
)

var uri = regexp.MustCompile(`URI:(\S+)`)

// relying finds the URLs by OpenSSL.
func (c *client) relying(name string) *relying {
	c.t.Helper()
	chain := parse(c.t, c.path(name+".crt"))
	require.GreaterOrEqual(c.t, len(chain), 2)
	r := &relying{client: c, name: name, leaf: chain[0], issuer: chain[1]}
	c.run("openssl", "x509", "-in", name+".crt", "-out", r.file("leaf"))
	c.write(r.file("issuer"), strings.TrimPrefix(c.read(name+".crt"), c.read(r.file("leaf"))))
	require.Equal(c.t, r.issuer.Raw, parse(c.t, c.path(r.file("issuer")))[0].Raw)
	r.ocsp = strings.TrimSpace(c.run("openssl", "x509", "-in", name+".crt", "-noout", "-ocsp_uri"))
	require.NotEmpty(c.t, r.ocsp)
	r.crl = r.uri("crlDistributionPoints")
	return r
}

func (r *relying) file(what string) string { return r.name + "." + what }

// uri is the only URL in an extension.
func (r *relying) uri(extension string) string {
	r.t.Helper()
	found := uri.FindAllStringSubmatch(r.run("openssl", "x509", "-in", r.file("leaf"), "-noout", "-ext", extension), -1)
	require.Len(r.t, found, 1, extension)
	return found[0][1]
}

func (r *relying) serial() string { return "0x" + r.leaf.SerialNumber.Text(16) }

// fetch gets a CRL by curl, and returns the name of the file, in PEM.
func (r *relying) fetch(url string) string {
	r.t.Helper()
	r.run("curl", "-sS", "--fail", "--noproxy", "*", "-o", r.file("crl.der"), url)
	r.run("openssl", "crl", "-inform", "DER", "-in", r.file("crl.der"), "-out", r.file("crl"))
	return r.file("crl")
}

// listed is whether the CRL at a URL lists the certificate; ok is whether there is one.
func (r *relying) listed(url string) (listed, ok bool) {
	res, err := (&http.Client{Timeout: 10 * time.Second}).Get(url)
	if err != nil {
		return false, false
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return false, false
	}
	list, err := x509.ParseRevocationList(b)
	if err != nil {
		return false, false
	}
	return slices.ContainsFunc(list.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool {
		return e.SerialNumber.Cmp(r.leaf.SerialNumber) == 0
	}), true
}

// vanishes waits until a CRL does not list the certificate any more.
func (r *relying) vanishes(url string) {
	r.t.Helper()
	require.Eventuallyf(r.t, func() bool {
		listed, ok := r.listed(url)
		return ok && !listed
	}, 20*time.Second, 20*time.Millisecond, "%s lists %s", url, r.serial())
}

// appears waits until a CRL lists the certificate, and reports how long that took.
func (r *relying) appears(url string) {
	r.t.Helper()
	began := time.Now()
	require.Eventuallyf(r.t, func() bool {
		listed, _ := r.listed(url)
		return listed
	}, 20*time.Second, 20*time.Millisecond, "%s does not list %s", url, r.serial())
	r.t.Logf("%s lists it %s after it was revoked", url, time.Since(began).Round(time.Millisecond))
}

// good has every program say that the certificate is.
func (r *relying) good() {
	r.t.Helper()
	r.askOCSP("good", "good")
	list := r.fetch(r.crl)
	require.NotContains(r.t, r.printed(list), r.entry())
	r.run("openssl", "verify", "-x509_strict", "-crl_check", "-CAfile", "certs/root_ca.crt", "-untrusted", r.file("issuer"), "-CRLfile", list, r.file("leaf"))
	r.run("openssl", "verify", "-crl_check", "-crl_download", "-CAfile", "certs/root_ca.crt", "-untrusted", r.file("issuer"), r.file("leaf"))
	r.run("certtool", "--verify", "--load-ca-certificate", "certs/root_ca.crt", "--load-crl", list, "--infile", r.name+".crt")
	out := r.step("certificate", "verify", r.name+".crt", "--roots", "certs/root_ca.crt", "--verify-ocsp", "--verify-crl", "--verbose")
	require.Contains(r.t, out, "certificate not revoked in CRL "+r.crl)
	require.Contains(r.t, out, "certificate status is good according OCSP "+r.ocsp)
}

// revoked has every program say that the certificate is, and why.
func (r *relying) revoked(why reason) {
	r.t.Helper()
	r.askOCSP("revoked", "revoked", "Reason: "+why.ocsp)
	list := r.fetch(r.crl)
	text := r.printed(list)
	_, entry, found := strings.Cut(text, r.entry())
	require.Truef(r.t, found, "%s\n%s", r.serial(), text)
	entry, _, _ = strings.Cut(entry, "Serial Number:")
	require.Contains(r.t, entry, why.crl)

	base := []string{"verify", "-crl_check", "-CAfile", "certs/root_ca.crt", "-untrusted", r.file("issuer")}
	require.Contains(r.t, r.refused("openssl", append(base, "-CRLfile", list, r.file("leaf"))...), "certificate revoked")
	require.Contains(r.t, r.refused("openssl", append(base, "-crl_download", r.file("leaf"))...), "certificate revoked")
	require.Contains(r.t, r.refused("certtool", "--verify", "--load-ca-certificate", "certs/root_ca.crt", "--load-crl", list, "--infile", r.name+".crt"), "revoked")

	verify := []string{"certificate", "verify", r.name + ".crt", "--roots", "certs/root_ca.crt"}
	require.Contains(r.t, r.refused("step", append(verify, "--verify-crl")...), "marked as revoked in CRL "+r.crl)
	require.Contains(r.t, r.refused("step", append(verify, "--verify-ocsp")...), "has been revoked according to OCSP "+r.ocsp)
}

// entry is how OpenSSL shows the certificate in a list.
func (r *relying) entry() string {
	hex := strings.ToUpper(r.leaf.SerialNumber.Text(16))
	return "Serial Number: " + strings.Repeat("0", len(hex)%2) + hex
}

// printed is a CRL in the words of OpenSSL, which, as GnuTLS and the step CLI do, checks its signature.
func (r *relying) printed(list string) string {
	r.t.Helper()
	text := r.run("openssl", "crl", "-in", list, "-noout", "-text", "-CAfile", r.file("issuer"))
	require.Contains(r.t, text, "verify OK")
	r.run("certtool", "--verify-crl", "--load-ca-certificate", r.file("issuer"), "--infile", list)
	require.Contains(r.t, r.step("crl", "inspect", r.crl, "--ca", r.file("issuer")), "Valid: true")
	return text
}

// askOCSP asks by POST with and without a nonce, by GET, and with GnuTLS.
func (r *relying) askOCSP(gnutls string, want ...string) {
	r.t.Helper()
	about := []string{"ocsp", "-issuer", r.file("issuer"), "-cert", r.file("leaf"), "-CAfile", "certs/root_ca.crt"}
	check := func(how, out string) {
		r.t.Helper()
		for _, w := range append(want, "Response verify OK") {
			require.Contains(r.t, out, w, how)
		}
	}
	out := r.run("openssl", append(about, "-url", r.ocsp)...)
	check("nonce", out)
	require.NotContains(r.t, out, "no nonce", "the nonce comes back")
	check("no nonce", r.run("openssl", append(about, "-no_nonce", "-url", r.ocsp)...))

	r.run("openssl", append(about, "-no_nonce", "-reqout", r.file("request"))...)
	r.run("curl", "-sS", "--fail", "--noproxy", "*", "-o", r.file("response"), r.getURL([]byte(r.read(r.file("request")))))
	check("GET", r.run("openssl", append(about, "-respin", r.file("response"))...))

	// GnuTLS looks for the responder's issuer among what it is told to trust.
	out = r.run("ocsptool", "--ask="+r.ocsp, "--nonce", "--load-cert", r.file("leaf"), "--load-issuer", r.file("issuer"), "--load-trust", r.file("issuer"))
	require.Contains(r.t, out, "Certificate Status: "+gnutls)
	require.Contains(r.t, out, "Verifying OCSP Response: Success")
}

// getURL asks in the path (RFC 6960, appendix A.1).
func (r *relying) getURL(request []byte) string {
	return r.ocsp + "/" + url.PathEscape(base64.StdEncoding.EncodeToString(request))
}

// certificates runs the subcommands of the program under test, which look at the store while it is served.
func (s *server) certificates(c *client, args ...string) string {
	c.t.Helper()
	at := append([]string{"-config", s.config(), "-password-file", s.passwordFile}, s.stored()...)
	cmd := exec.CommandContext(c.t.Context(), program(c.t), slices.Concat([]string{"certificates", args[0]}, at, args[1:])...)
	cmd.Dir, cmd.Env = c.home, environment(c.home)
	out, err := cmd.CombinedOutput()
	require.NoErrorf(c.t, err, "certificates %v\n%s", args, out)
	return string(out)
}

// stored is the flag that says where records are, if the server has one.
func (s *server) stored() []string {
	for i, f := range s.flags {
		if f == "-db" {
			return s.flags[i : i+2]
		}
	}
	return nil
}
