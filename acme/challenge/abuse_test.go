package challenge_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/challenge"
)

// abuse is what a server does that has no good intentions.
type abuse struct {
	name string
	kind acme.ProblemType
	h    http.HandlerFunc
}

// redirect gives whoever follows what would pass.
func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			_, _ = io.WriteString(w, keyAuth)
			return
		}
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
	}
}

func raw(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_, _ = io.WriteString(c, s)
			_ = c.Close()
		}
	}
}

func drip(head, more string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		for _, err = io.WriteString(c, head); err == nil; _, err = io.WriteString(c, more) {
			time.Sleep(5 * time.Millisecond)
		}
	}
}

func bomb() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(make([]byte, 10<<20))
	_ = z.Close()
	return b.Bytes()
}

func abuses() []abuse {
	conn, wrong, auth := acme.Connection, acme.IncorrectResponse, acme.Unauthorized
	packed := bomb()
	out := []abuse{
		{"404", auth, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "SECRET", http.StatusNotFound) }},
		{"500", auth, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, keyAuth, http.StatusInternalServerError) }},
		{"201", auth, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, keyAuth)
		}},
		{"304", auth, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) }},
		{"300", auth, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMultipleChoices) }},
		{"other text", wrong, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "SECRET") }},
		{"nothing", wrong, func(http.ResponseWriter, *http.Request) {}},
		{"the token only", wrong, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, token) }},
		{"space before", wrong, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, " "+keyAuth) }},
		{"text after", wrong, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, keyAuth+" x") }},
		{"NUL after", wrong, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, keyAuth+"\x00") }},
		{"much space after", wrong, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, keyAuth+strings.Repeat(" ", 1000))
		}},
		{"a gigabyte", wrong, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1073741824")
			for chunk, err := make([]byte, 1<<20), error(nil); err == nil; _, err = w.Write(chunk) {
				_ = err
			}
		}},
		{"a gzip bomb", wrong, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed)
		}},
		{"a short body", conn, raw("HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nSECRET")},
		{"no HTTP", conn, raw("220 SECRET ESMTP\r\n")},
		{"silence", conn, raw("")},
		{"HTTP/0.9", conn, raw(keyAuth)},
		{"a huge header", conn, raw("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("SECRET", 10<<10) + "\r\n\r\n")},
		{"many headers", conn, raw("HTTP/1.1 200 OK\r\n" + strings.Repeat("X: SECRET\r\n", 10<<10) + "\r\n")},
		{"100 forever", conn, drip("", "HTTP/1.1 100 Continue\r\n\r\n")},
		{"103 forever", conn, drip("", "HTTP/1.1 103 Early Hints\r\nLink: SECRET\r\n\r\n")},
		{"two lengths", conn, raw("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")},
		{"a bad chunk", conn, raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n")},
		{"a slow header", conn, drip("HTTP/1.1 200 OK\r\n", "X: y\r\n")},
		{"a slow line", conn, drip("HTTP/1.1 200", " ")},
		{"a slow body", conn, drip("HTTP/1.1 200 OK\r\nContent-Length: 80\r\n\r\n", "")},
		{"a slow chunk", conn, drip("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "")},
		{"two locations", conn, raw("HTTP/1.1 302 Found\r\nLocation: http://a.example/\r\nLocation: http://a.example/\r\n\r\n")},
		{"no location", conn, raw("HTTP/1.1 302 Found\r\n\r\n")},
		{"a redirect in a circle", conn, redirect(path)},
		{"redirects without end", conn, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path+"x", http.StatusTemporaryRedirect)
		}},
	}
	for _, to := range []string{
		"http://127.0.0.1:1/SECRET", "http://ok.example:22/", "http://ok.example:8080/", "https://ok.example:80/", "https://ok.example:8443/",
		"ftp://ok.example/", "file:///etc/passwd", "gopher://ok.example/_x", "javascript:alert(1)", "data:text/plain," + keyAuth, "mailto:a@ok.example",
		"http:ok.example", "http:///x", "//user:SECRET@ok.example/", "http://user@ok.example/", "/x#" + keyAuth, "http://ok.example/#a", "http://2130706433/", "http://0x7f.1/", "http://127.1/",
		"http://[fe80::1%25eth0]/", "http://[::1]x/", "http://ok.example%00.evil/", "http://ok_example/", "http://*.example/", "http://.example/", "http://ok..example/", "http://ok.example./",
		"http://ok.example:99999/", "http://ok.example:-1/", "http://ok.example:x/", "/%zz", "/a\tb", "/" + strings.Repeat("a", 3000), "http://bücher.example/", "http://ok.example\\@a.example/", "",
		// addresses that the policy of this test keeps shut
		"http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://[::ffff:169.254.169.254]/", "http://[64:ff9b::a9fe:a9fe]/",
		"http://[fe80::1]/", "http://0.0.0.0/", "http://[::]/", "http://224.0.0.1/", "http://255.255.255.255/", "http://[2002:a9fe:a9fe::1]/", "http://metadata.example/", "http://both.example/",
	} {
		out = append(out, abuse{"to " + to[:min(len(to), 50)], conn, redirect(to)})
	}
	return append(out,
		abuse{"to a name that is none", acme.DNSProblem, redirect("http://nowhere.example/")},
		abuse{"to a name without an address", acme.DNSProblem, redirect("http://empty.example/")},
	)
}

func TestAbuse(t *testing.T) {
	cases := abuses()
	require.GreaterOrEqual(t, len(cases), 60)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := site(t, c.h)
			cfg.Timeout = 400 * time.Millisecond
			if c.name == "a gzip bomb" || c.name == "a gigabyte" {
				cfg.Timeout = 5 * time.Second
			}
			known := cfg.Resolver.(*names).addrs
			known["metadata.example"], known["both.example"], known["empty.example"] = ips("169.254.169.254"), ips("169.254.169.254", "fe80::1"), nil
			begin := time.Now()
			e, err := validateHTTP(t, cfg, dnsName("ok.example"))
			require.Nil(t, e)
			problem(t, err, c.kind, "169.254", "fe80", "metadata", "nowhere", "evil", "passwd", "user", "8080")
			require.Less(t, time.Since(begin), 10*time.Second)
		})
	}
}

// TestAbuseOfTheDefault points names at every hostile address and watches that nobody dials.
func TestAbuseOfTheDefault(t *testing.T) {
	for _, ip := range hostile {
		var dials atomic.Int32
		cfg := challenge.Config{Resolver: &names{addrs: map[string][]netip.Addr{"x.example": ips(ip)}},
			Dial: func(context.Context, netip.AddrPort) (net.Conn, error) {
				dials.Add(1)
				return nil, errors.New("SECRET")
			}}
		web, err := challenge.NewHTTP01(cfg)
		require.NoError(t, err)
		alpn, err := challenge.NewTLSALPN01(cfg)
		require.NoError(t, err)
		for _, v := range []acme.Validator{web, alpn} {
			_, err := v.Validate(t.Context(), dnsName("x.example"))
			problem(t, err, acme.Connection, ip+":", "policy", "loopback", "link-local")
			require.ErrorIs(t, err, challenge.ErrRefused)
			if a := netip.MustParseAddr(ip); !a.Is4In6() {
				_, err = v.Validate(t.Context(), ipAddr(a.String()))
				p, ok := errors.AsType[*acme.Problem](err)
				require.True(t, ok, "%v", err)
				require.Equal(t, acme.Connection, p.Type)
			}
		}
		require.Zero(t, dials.Load(), ip)
	}
}
