package server_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"net"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/server"
	"github.com/chancery-ca/chancery/authority"
)

// certID is a certificate's unique identifier (RFC 9773, section 4.1).
func certID(c *x509.Certificate) string {
	return b64(c.AuthorityKeyId) + "." + b64(serialDER(c.SerialNumber))
}

func serialDER(n *big.Int) []byte {
	b := n.Bytes()
	if b[0] >= 0x80 {
		b = append([]byte{0}, b...)
	}
	return b
}

func TestFinalizeAbuse(t *testing.T) {
	with := func(csr func(l *lab, c *client, name string) any) func(*lab) *httptest.ResponseRecorder {
		return func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			o, name := c.ready()
			w := c.post(o.Finalize, csr(l, c, name))
			require.Equal(t, "ready", l.obj(c.post(o.at, nil)).Status, "another CSR may do")
			l.last = w
			return w
		}
	}
	asking := func(change func(q *x509.CertificateRequest)) func(*lab) *httptest.ResponseRecorder {
		return with(func(l *lab, _ *client, name string) any {
			q := &x509.CertificateRequest{DNSNames: []string{name}}
			change(q)
			return csrFor(t, newKey(t), q)
		})
	}
	raw := func(s string) func(*lab) *httptest.ResponseRecorder {
		return with(func(*lab, *client, string) any { return map[string]any{"csr": s} })
	}
	attempt(t, []abuse{
		{"order that is pending", func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			return c.post(c.order("a.test").Finalize, c.csr("a.test"))
		}, 403, acme.OrderNotReady},
		{"another's order", func(l *lab) *httptest.ResponseRecorder {
			o, name := l.client().ready()
			return l.client().post(o.Finalize, l.stranger().csr(name))
		}, 403, acme.Unauthorized},
		{"order of nobody", func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			return c.post(base+"/order/00000000000000000000000000/finalize", c.csr("a.test"))
		}, 404, acme.Malformed},
		{"valid order with another CSR", func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			o, leaf := c.certificate(newKey(t))
			return c.post(o.Finalize, c.csr(leaf.DNSNames...))
		}, 403, acme.OrderNotReady},
		{"authorization deactivated meanwhile", func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			o, name := c.ready()
			require.Equal(t, 200, c.post(o.Authorizations[0], map[string]any{"status": "deactivated"}).Code)
			return c.post(o.Finalize, c.csr(name))
		}, 403, acme.OrderNotReady},
		{"no CSR", with(func(*lab, *client, string) any { return map[string]any{} }), 400, acme.BadCSR},
		{"POST-as-GET", with(func(*lab, *client, string) any { return nil }), 400, acme.Malformed},
		{"CSR that is a number", with(func(*lab, *client, string) any { return `{"csr":1}` }), 400, acme.Malformed},
		{"garbage", raw(b64([]byte("garbage"))), 400, acme.BadCSR},
		{"PEM", raw("-----BEGIN CERTIFICATE REQUEST-----"), 400, acme.BadCSR},
		{"too much", raw(strings.Repeat("A", 44<<10)), 400, acme.BadCSR},
		{"padded base64", with(func(_ *lab, c *client, name string) any {
			return map[string]any{"csr": c.csr(name)["csr"].(string) + "="}
		}), 400, acme.BadCSR},
		{"bytes after the CSR", with(func(_ *lab, _ *client, name string) any {
			der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{name}}, newKey(t))
			require.NoError(t, err)
			return map[string]any{"csr": b64(append(der, 0))}
		}), 400, acme.BadCSR},
		{"other name", asking(func(q *x509.CertificateRequest) { q.DNSNames = []string{"other.test"} }), 400, acme.BadCSR},
		{"further name", asking(func(q *x509.CertificateRequest) { q.DNSNames = append(q.DNSNames, "other.test") }), 400, acme.BadCSR},
		{"wildcard of the name", asking(func(q *x509.CertificateRequest) { q.DNSNames[0] = "*." + q.DNSNames[0] }), 400, acme.BadCSR},
		{"no name", asking(func(q *x509.CertificateRequest) { q.DNSNames = nil }), 400, acme.BadCSR},
		{"further address", asking(func(q *x509.CertificateRequest) { q.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 1)} }), 400, acme.BadCSR},
		{"e-mail address", asking(func(q *x509.CertificateRequest) { q.EmailAddresses = []string{"a@b.test"} }), 400, acme.BadCSR},
		{"URI", asking(func(q *x509.CertificateRequest) { q.URIs = []*url.URL{{Scheme: "spiffe", Host: "b.test"}} }), 400, acme.BadCSR},
		{"common name of somebody else", asking(func(q *x509.CertificateRequest) { q.Subject = named("other.test") }), 400, acme.BadCSR},
		{"common name that is an address", asking(func(q *x509.CertificateRequest) { q.Subject = named("192.0.2.1") }), 400, acme.BadCSR},
		{"signature of another key", with(func(_ *lab, c *client, name string) any {
			der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{name}}, newKey(t))
			require.NoError(t, err)
			der[len(der)-1] ^= 1
			return map[string]any{"csr": b64(der)}
		}), 400, acme.BadCSR},
		{"the account's key", with(func(_ *lab, c *client, name string) any {
			return csrFor(t, c.key, &x509.CertificateRequest{DNSNames: []string{name}})
		}), 400, acme.BadCSR},
		{"short RSA key", with(func(_ *lab, _ *client, name string) any {
			t.Setenv("GODEBUG", "rsa1024min=0")
			k, err := rsa.GenerateKey(rand.Reader, 1024)
			require.NoError(t, err)
			return csrFor(t, k, &x509.CertificateRequest{DNSNames: []string{name}})
		}), 400, acme.BadCSR},
		{"certificate before it is there", func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			o, _ := c.ready()
			return c.post(strings.Replace(o.at, "/order/", "/certificate/", 1), nil)
		}, 403, acme.OrderNotReady},
		{"another's certificate", func(l *lab) *httptest.ResponseRecorder {
			o, _ := l.client().certificate(newKey(t))
			return l.client().post(o.Certificate, nil)
		}, 403, acme.Unauthorized},
		{"certificate with a payload", func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			o, _ := c.certificate(newKey(t))
			return c.post(o.Certificate, "{}")
		}, 400, acme.Malformed},
		{"chain that is not there", func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			o, _ := c.certificate(newKey(t))
			return c.post(o.Certificate+"/7", nil)
		}, 404, acme.Malformed},
		{"certificate of nobody", func(l *lab) *httptest.ResponseRecorder {
			return l.client().post(base+"/certificate/00000000000000000000000000", nil)
		}, 404, acme.Malformed},
	})
}

// Of many requests at once, one has the certificate issued, and all of them get that one.
func TestConcurrentFinalize(t *testing.T) {
	l := newLab(t)
	c := l.client()
	o, name := c.ready()
	csr := c.csr(name)
	bodies := make([][]byte, 20)
	for i := range bodies {
		bodies[i] = sign(c.key, c.header(o.Finalize), payloadOf(csr))
	}
	var wg sync.WaitGroup
	codes := make([]int, len(bodies))
	for i, b := range bodies {
		wg.Go(func() {
			r := httptest.NewRequest("POST", o.Finalize, strings.NewReader(string(b)))
			r.RequestURI = strings.TrimPrefix(o.Finalize, "https://ca.test")
			r.Header.Set("Content-Type", jose)
			w := httptest.NewRecorder()
			l.h.ServeHTTP(w, r)
			codes[i] = w.Code
		})
	}
	wg.Wait()
	for _, code := range codes {
		require.Equal(t, 200, code)
	}
	require.Equal(t, "valid", l.obj(c.post(o.at, nil)).Status)
	page, err := l.ca.Authority.Certificates(t.Context(), authority.Query{Provisioner: "acme"})
	require.NoError(t, err)
	require.Len(t, page.Records, 1)
	require.Equal(t, "valid", l.obj(c.post(o.Finalize, csr)).Status, "again changes nothing")
}

func TestFinalizeLimit(t *testing.T) {
	l := newLab(t, func(c *server.Config) { c.Limits.Finalizations = 2 })
	c := l.client()
	o, name := c.ready()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{name}}, newKey(t))
	require.NoError(t, err)
	der[len(der)-1] ^= 1
	bad := map[string]any{"csr": b64(der)}
	for range 2 {
		refused(t, c.post(o.Finalize, bad), 400, acme.BadCSR)
	}
	refused(t, c.post(o.Finalize, bad), 429, acme.RateLimited)
	require.Equal(t, "invalid", l.obj(c.post(o.at, nil)).Status)
}

func TestRevocationAbuse(t *testing.T) {
	to := base + "/revoke-cert"
	payload := func(leaf *x509.Certificate, reason any) map[string]any {
		m := map[string]any{"certificate": b64(leaf.Raw)}
		if reason != nil {
			m["reason"] = reason
		}
		return m
	}
	reason := func(n any) func(*lab) *httptest.ResponseRecorder {
		return func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			_, leaf := c.certificate(newKey(t))
			return c.post(to, payload(leaf, n))
		}
	}
	attempt(t, []abuse{
		{"reason 7", reason(7), 400, acme.BadRevocationReason},
		{"reason 6", reason(6), 400, acme.BadRevocationReason},
		{"reason 8", reason(8), 400, acme.BadRevocationReason},
		{"reason 11", reason(11), 400, acme.BadRevocationReason},
		{"reason below zero", reason(-1), 400, acme.BadRevocationReason},
		{"reason that is text", reason("keyCompromise"), 400, acme.Malformed},
		{"no certificate", func(l *lab) *httptest.ResponseRecorder { return l.client().post(to, map[string]any{}) }, 400, acme.Malformed},
		{"garbage", func(l *lab) *httptest.ResponseRecorder {
			return l.client().post(to, map[string]any{"certificate": b64([]byte("garbage"))})
		}, 400, acme.Malformed},
		{"PEM", func(l *lab) *httptest.ResponseRecorder {
			return l.client().post(to, map[string]any{"certificate": "-----BEGIN"})
		}, 400, acme.Malformed},
		{"another's certificate", func(l *lab) *httptest.ResponseRecorder {
			_, leaf := l.client().certificate(newKey(t))
			return l.client().post(to, payload(leaf, nil))
		}, 403, acme.Unauthorized},
		{"with a key that is not the certificate's", func(l *lab) *httptest.ResponseRecorder {
			_, leaf := l.client().certificate(newKey(t))
			return l.stranger().post(to, payload(leaf, nil))
		}, 403, acme.Unauthorized},
		{"certificate of another CA", func(l *lab) *httptest.ResponseRecorder {
			_, leaf := newLab(t).client().certificate(newKey(t))
			return l.client().post(to, payload(leaf, nil))
		}, 403, acme.Unauthorized},
		{"certificate of another provisioner", func(l *lab) *httptest.ResponseRecorder {
			return l.client().post(to, payload(l.ca.Leaf("a.test").Leaf, nil))
		}, 403, acme.Unauthorized},
		{"the CA's own certificate", func(l *lab) *httptest.ResponseRecorder {
			return l.client().post(to, payload(l.ca.Intermediate, nil))
		}, 403, acme.Unauthorized},
		{"twice", func(l *lab) *httptest.ResponseRecorder {
			c := l.client()
			_, leaf := c.certificate(newKey(t))
			require.Equal(t, 200, c.post(to, payload(leaf, 1)).Code)
			return c.post(to, payload(leaf, 1))
		}, 400, acme.AlreadyRevoked},
		{"names proved in part", func(l *lab) *httptest.ResponseRecorder {
			c, other := l.client(), l.client()
			o := c.prove(c.order("a.test", "b.test"))
			o = l.obj(c.post(o.Finalize, c.csr("a.test", "b.test")))
			leaf := leafOf(t, c.post(o.Certificate, nil))
			other.prove(other.order("a.test"))
			return other.post(to, payload(leaf, nil))
		}, 403, acme.Unauthorized},
	})
}

func TestRevocation(t *testing.T) {
	l := newLab(t)
	to := base + "/revoke-cert"
	owner := l.client()
	t.Run("key", func(t *testing.T) {
		k := l.stranger()
		_, leaf := owner.certificate(k.key)
		require.Equal(t, 200, k.post(to, map[string]any{"certificate": b64(leaf.Raw), "reason": 1}).Code)
		w := l.send("GET", base+"/renewal-info/"+certID(leaf), "", nil)
		require.Equal(t, 200, w.Code)
		var v struct {
			SuggestedWindow struct{ Start, End time.Time }
		}
		decode(t, w, &v)
		require.True(t, v.SuggestedWindow.End.Before(time.Now()))
	})
	t.Run("names", func(t *testing.T) {
		_, leaf := owner.certificate(newKey(t))
		c := l.client()
		c.prove(c.order(leaf.DNSNames[0]))
		require.Equal(t, 200, c.post(to, map[string]any{"certificate": b64(leaf.Raw)}).Code)
	})
	t.Run("renewal info", func(t *testing.T) {
		_, leaf := owner.certificate(newKey(t))
		w := l.send("GET", base+"/renewal-info/"+certID(leaf), "", nil)
		require.Equal(t, 200, w.Code)
		require.NotEmpty(t, w.Header().Get("Retry-After"))
		var v struct {
			SuggestedWindow struct{ Start, End time.Time }
		}
		decode(t, w, &v)
		require.True(t, v.SuggestedWindow.Start.After(leaf.NotBefore))
		require.True(t, v.SuggestedWindow.End.Before(leaf.NotAfter))
		require.True(t, v.SuggestedWindow.End.After(v.SuggestedWindow.Start))
		refused(t, l.send("GET", base+"/renewal-info/x", "", nil), 400, acme.Malformed)
		refused(t, l.send("GET", base+"/renewal-info/"+b64([]byte("other"))+"."+b64(serialDER(leaf.SerialNumber)), "", nil), 404, acme.Malformed)
		refused(t, l.send("GET", base+"/renewal-info/"+certID(l.ca.Leaf("a.test").Leaf), "", nil), 404, acme.Malformed)
	})
}
