package interop

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/internal/pgtest"
)

// C03: from the first moment on relying parties are told that a certificate is good, and, once the step CLI
// has revoked it, that it is not: by OCSP at once, by the CRL moments later. Its renewal is refused.
func TestRevocationIsSeen(t *testing.T) {
	t.Parallel()
	ours(t, "its certificates name neither CRL nor OCSP")
	s := shared(t)
	for name, c := range map[string]struct {
		reason
		revoke func(r *relying, flags ...string)
	}{
		"by token": {superseded, func(r *relying, flags ...string) {
			decimal := r.leaf.SerialNumber.String()
			r.step(append([]string{"ca", "revoke", decimal, "--token", r.token(decimal, "--revoke")}, flags...)...)
		}},
		"by certificate": {compromised, func(r *relying, flags ...string) {
			r.step(append([]string{"ca", "revoke", "--cert", r.name + ".crt", "--key", r.name + ".key"}, flags...)...)
		}},
		"hold": {held, func(r *relying, flags ...string) {
			r.step(append([]string{"ca", "revoke", "--cert", r.name + ".crt", "--key", r.name + ".key"}, flags...)...)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := user(t, s)
			u.certificate("srv", "srv.internal")
			u.certificate("other", "srv.internal")
			r, other := u.relying("srv"), u.relying("other")
			r.good()
			require.Contains(t, s.certificates(u, "show", r.serial(), "-bare"), "valid")

			c.revoke(r, "--reasonCode", c.step, "--reason", "as a test")
			r.askOCSP("revoked", "revoked", "Reason: "+c.ocsp)
			r.appears(r.crl)
			r.revoked(c.reason)
			other.good()
			require.Contains(t, s.certificates(u, "show", r.serial(), "-bare"), "as a test", "the store's own words")
			u.renewalRefused("srv")
			u.refused("step", "ca", "rekey", "srv.crt", "srv.key", "--force")
		})
	}
}

// OCSP knows nothing of serials that the CA never gave away.
func TestUnknownSerial(t *testing.T) {
	t.Parallel()
	ours(t, "it answers no OCSP")
	u := user(t, shared(t))
	u.certificate("srv", "srv.internal")
	r := u.relying("srv")
	out := u.run("openssl", "ocsp", "-issuer", r.file("issuer"), "-serial", "0x1234", "-url", r.ocsp, "-CAfile", "certs/root_ca.crt")
	require.Contains(t, out, "0x1234: unknown")
	require.Contains(t, out, "Response verify OK")
	// Of another CA it says nothing at all.
	u.step("certificate", "create", "stranger", "s.crt", "s.key", "--profile", "self-signed", "--subtle", "--no-password", "--insecure")
	out, _ = u.try("openssl", "ocsp", "-issuer", "s.crt", "-serial", "1", "-url", r.ocsp, "-CAfile", "certs/root_ca.crt")
	require.Contains(t, out, "unauthorized")
}

// The server staples what OCSP says of its own certificate.
func TestStapled(t *testing.T) {
	t.Parallel()
	ours(t, "it staples nothing")
	s := shared(t)
	u := user(t, s)
	out := u.run("curl", "-sS", "-v", "--fail", "--noproxy", "*", "--cacert", "certs/root_ca.crt", "--cert-status", s.url+"/health")
	require.Contains(t, out, "SSL certificate status: good (0)")
	out = u.run("openssl", "s_client", "-connect", s.at("127.0.0.1"), "-servername", "localhost", "-status", "-CAfile", "certs/root_ca.crt", "-verify_return_error")
	require.Contains(t, out, "Cert Status: good")
}

// Certificates are spread over CRLs. An earlier one still finds its own.
func TestShards(t *testing.T) {
	t.Parallel()
	ours(t, "it has none")
	s := makeFolder(t, options{})
	s.start(t)
	u := user(t, s)
	u.certificate("early", "early.internal")
	require.NoError(t, s.stop(t))
	s.own(t, `{"revocation": {"ocsp": true, "shards": 3, "pointers": {}}}`)
	s.start(t)
	u.certificate("late", "late.internal")
	early, late := u.relying("early"), u.relying("late")
	require.NotRegexp(t, shardURL, early.crl)
	require.Regexp(t, shardURL, late.crl)
	for _, r := range []*relying{early, late} {
		r.good()
		u.step("ca", "revoke", "--cert", r.name+".crt", "--key", r.name+".key", "--reasonCode", superseded.step)
		r.appears(r.crl)
		r.revoked(superseded)
	}
}

var shardURL = regexp.MustCompile(`/crl/[^/]+/[1-3]\.crl$`)

// Certificates are spread over CRLs, each with a delta.
func TestShardsAndDeltas(t *testing.T) {
	t.Parallel()
	ours(t, "it has neither")
	s := makeFolder(t, options{})
	s.own(t, `{"revocation": {"ocsp": true, "shards": 3, "delta": true, "pointers": {}}}`)
	s.start(t)
	u := user(t, s)
	shards := map[string]bool{}
	for _, name := range []string{"a", "b", "c"} {
		u.certificate(name, name+".internal")
		r := u.relying(name)
		shards[r.crl] = true
		require.Regexp(t, shardURL, r.crl)
		full := r.file("full")
		u.write(full, u.read(r.fetch(r.crl)))
		text := r.printed(full)
		require.Contains(t, text, "Issuing Distribution Point: critical")
		require.Contains(t, text, r.crl)
		_, after, _ := strings.Cut(text, "X509v3 Freshest CRL:")
		require.NotEmpty(t, after)
		delta := uri.FindStringSubmatch(after)[1]
		require.Equal(t, strings.TrimSuffix(r.crl, ".crl")+"/delta.crl", delta)
		verify := []string{"verify", "-crl_check", "-extended_crl", "-use_deltas", "-CAfile", "certs/root_ca.crt", "-untrusted", r.file("issuer")}
		both := func() []string {
			u.write(r.file("both"), u.read(full)+u.read(r.fetch(delta)))
			return append(verify, "-CRLfile", r.file("both"), r.file("leaf"))
		}
		u.run("openssl", both()...)
		r.askOCSP("good", "good")

		u.step("ca", "revoke", "--cert", name+".crt", "--key", name+".key", "--reasonCode", compromised.step)
		r.appears(delta)
		require.Contains(t, u.refused("openssl", both()...), "certificate revoked", "the full CRL of before, and the delta of now")
		u.run("openssl", append(verify, "-CRLfile", full, r.file("leaf"))...) // which is why there are deltas
		text = r.printed(r.fetch(delta))
		require.Contains(t, text, "X509v3 Delta CRL Indicator: critical")
		require.Contains(t, text, r.entry())
		require.Contains(t, text, compromised.crl)
		r.askOCSP("revoked", "revoked", "Reason: "+compromised.ocsp)
	}
	t.Logf("%d shards were used", len(shards))
}

// Two CAs, each with an issuer of its own, keep their records in one store. Each tells of its own.
func TestTwoIssuersInOneStore(t *testing.T) {
	t.Parallel()
	ours(t, "not with its store")
	db := pgtest.Start(t).Database(t)
	var all []*relying
	var s *server
	for range 2 {
		s = makeFolder(t, options{flags: []string{"-db", db}})
		s.start(t)
		u := user(t, s)
		for _, name := range []string{"bad", "good"} {
			u.certificate(name, name+".internal")
			all = append(all, u.relying(name))
		}
	}
	require.NotEqual(t, all[0].crl, all[2].crl)
	for _, r := range all {
		r.good()
	}
	one, two := all[0], all[2]
	for r, why := range map[*relying]reason{one: superseded, two: compromised} {
		r.step("ca", "revoke", "--cert", r.name+".crt", "--key", r.name+".key", "--reasonCode", why.step)
		r.appears(r.crl)
		r.revoked(why)
	}
	all[1].good()
	require.NotContains(t, one.printed(one.fetch(one.crl)), two.entry(), "what the other one revoked")
	require.NotContains(t, two.printed(two.fetch(two.crl)), one.entry(), "what the other one revoked")

	// A hold that ends beside the server.
	free := all[3]
	free.step("ca", "revoke", "--cert", free.name+".crt", "--key", free.name+".key", "--reasonCode", held.step)
	free.appears(free.crl)
	free.revoked(held)
	require.Contains(t, s.certificates(free.client, "release", free.serial()), "is good again")
	free.vanishes(free.crl)
	free.good()
}

// T09: CRL and OCSP are there for everybody, also below a well-known path (RFC 8615) of somebody else's server.
func TestWellKnownMount(t *testing.T) {
	t.Parallel()
	ours(t, "it has no OCSP")
	s := makeFolder(t, options{})
	port := freePort(t)
	base := "http://localhost:" + port + "/.well-known/pki"
	s.own(t, `{"revocation": {"ocsp": true, "pointers": {"url": "`+base+`"}}}`)
	s.start(t)
	u := user(t, s)
	u.nginx(`server {
		listen 127.0.0.1:` + port + `;
		merge_slashes off; # base64 has some
		location /.well-known/pki/ { proxy_pass ` + strings.Replace(s.plain, "localhost", "127.0.0.1", 1) + `/; }
	}`)
	require.Eventually(t, func() bool {
		_, err := u.try("curl", "-sS", "--noproxy", "*", base+"/crl")
		return err == nil
	}, 20*time.Second, 50*time.Millisecond)
	u.certificate("srv", "srv.internal")
	r := u.relying("srv")
	require.True(t, strings.HasPrefix(r.crl, base+"/crl/"), r.crl)
	require.Equal(t, base+"/ocsp", r.ocsp)
	r.good()

	u.run("openssl", "ocsp", "-issuer", r.file("issuer"), "-cert", r.file("leaf"), "-no_nonce", "-reqout", "q.der")
	issuer := r.leaf.IssuingCertificateURL[0]
	for _, c := range []struct {
		url, contentType string
		fresh            bool
		flags            []string
	}{
		{r.crl, "application/pkix-crl", true, nil},
		{r.crl, "application/pkix-crl", true, []string{"--head"}},
		{r.ocsp, "application/ocsp-response", false, []string{"--data-binary", "@q.der", "-H", "Content-Type: application/ocsp-request"}},
		{r.getURL([]byte(u.read("q.der"))), "application/ocsp-response", true, nil},
		{issuer, "application/pkix-cert", false, nil},
	} {
		headers := u.run("curl", append([]string{"-sS", "--fail", "--noproxy", "*", "-D", "-", "-o", "body", c.url}, c.flags...)...)
		head := strings.ToLower(headers)
		require.Contains(t, head, " 200 ok", c.url)
		require.Contains(t, head, "content-type: "+c.contentType)
		require.NotContains(t, head, "www-authenticate")
		if c.fresh {
			for _, h := range []string{"etag: ", "expires: ", "last-modified: ", "max-age=", "public"} {
				require.Contains(t, head, h, c.url)
			}
			tag := regexp.MustCompile(`(?i)etag: ("[^"]+")`).FindStringSubmatch(headers)[1]
			again := u.run("curl", append([]string{"-sS", "--noproxy", "*", "-D", "-", "-o", "body", "-H", "If-None-Match: " + tag, c.url}, c.flags...)...)
			require.Contains(t, again, " 304 ", "%s: %s", c.url, tag)
		}
	}
	u.run("curl", "-sS", "--fail", "--noproxy", "*", "-o", "issuer.der", issuer)
	require.Equal(t, string(r.issuer.Raw), u.read("issuer.der"))
	for _, path := range []string{"/health", "/provisioners", "/sign", "/1.0/sign"} {
		out := u.run("curl", "-sS", "--noproxy", "*", "-o", "body", "-w", "%{http_code}", base+path)
		require.Equal(t, "404", out, path)
	}
	u.step("ca", "revoke", "--cert", "srv.crt", "--key", "srv.key", "--reasonCode", superseded.step)
	r.appears(r.crl)
	r.revoked(superseded)
}
