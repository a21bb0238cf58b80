package ocsp

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	oracle "golang.org/x/crypto/ocsp"
)

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}

// spellings are the ways in which clients put base64 into a path.
func spellings(der []byte) map[string]string {
	b64 := base64.StdEncoding.EncodeToString(der)
	return map[string]string{
		"as it is":             b64,
		"escaped":              url.QueryEscape(b64),
		"escaped for a path":   url.PathEscape(b64),
		"lower-case escapes":   strings.NewReplacer("%2F", "%2f", "%2B", "%2b", "%3D", "%3d").Replace(url.QueryEscape(b64)),
		"only slashes escaped": strings.ReplaceAll(b64, "/", "%2F"),
		"without padding":      strings.TrimRight(b64, "="),
		"everything escaped": func() (s string) {
			for _, c := range []byte(b64) {
				s += "%" + strings.ToUpper(string("0123456789abcdef"[c>>4])+string("0123456789abcdef"[c&15]))
			}
			return s
		}(),
	}
}

// Requests whose base64 has slashes, pairs of them and plus signs are found under every prefix.
func TestGet(t *testing.T) {
	w := newWorld(t, Options{})
	leaf := w.Leaf("a.internal").Leaf
	plain := question(t, leaf, w.Intermediate, crypto.SHA1)
	mux := http.NewServeMux()
	mux.Handle("/mux/", w)
	mux.Handle("/strip/", http.StripPrefix("/strip", w))
	var plus, double, slash int
	for nonce := range 200 {
		der := plain
		if nonce > 0 { // three octets of every kind somewhere, and all alignments
			der = withNonce(t, plain, bytes.Repeat([]byte{byte(nonce), 0xff, 0xef, byte(nonce * 7)}, 1+nonce%5))
		}
		for how, s := range spellings(der) {
			for prefix, h := range map[string]http.Handler{
				"/": w, "/ocsp/": w, "/deep/er/MAIN/": w, "/MFEwTzBNMEswSTAJ/": w,
				"/here/": w.Responder.Handler("/here", http.NotFoundHandler()), "/slash/": w.Responder.Handler("/slash/", http.NotFoundHandler()),
			} {
				res := get(h, prefix+s)
				require.Equal(t, 200, res.Code)
				require.Greater(t, res.Body.Len(), 100, "%s %s%s", how, prefix, s)
			}
			if !strings.Contains(s, "//") {
				for _, prefix := range []string{"/mux/", "/strip/"} {
					require.Greater(t, get(mux, prefix+s).Body.Len(), 100, "%s %s%s", how, prefix, s)
				}
			}
		}
		b64 := base64.StdEncoding.EncodeToString(der)
		plus += strings.Count(b64, "+")
		double += strings.Count(b64, "//")
		slash += strings.Count(b64, "/")
	}
	require.Greater(t, plus, 0)
	require.Greater(t, double, 0)
	require.Greater(t, slash, double*2)
	res := get(w, "/"+base64.StdEncoding.EncodeToString(plain)+"?from=somewhere")
	require.Equal(t, oracle.Good, w.parsed(res.Body.Bytes(), leaf, w.Intermediate).Status)
}

func TestGetRefuses(t *testing.T) {
	w := newWorld(t, Options{})
	b64 := base64.StdEncoding.EncodeToString(question(t, w.Intermediate, w.Root, crypto.SHA1))
	for name, path := range map[string]string{
		"nothing": "/", "a name": "/ocsp", "no base64": "/ocsp/M*******", "cut": "/" + b64[:len(b64)-8], "more": "/" + b64 + "AAAA",
		"behind it": "/" + b64 + "/x", "a number": "/AgEB", "long": "/" + strings.Repeat("M/", maxPath), "slashes": "/" + strings.Repeat("/", 5000),
		"long form": "/MIP/////////", "indefinite": "/MIAAAAAAAAAA",
	} {
		require.Equal(t, MalformedRequest, refused(t, get(w, path)), name)
	}
	require.Equal(t, Unauthorized, refused(t, get(w, "/"+b64)), "the root is not an issuer here")
	require.Equal(t, 404, get(w.Responder.Handler("/ocsp", http.NotFoundHandler()), "/ocspx/"+b64).Code)
	require.Nil(t, fromPath("/%zz"))
}

func TestPost(t *testing.T) {
	w := newWorld(t, Options{})
	der := question(t, w.Leaf("a.internal").Leaf, w.Intermediate, crypto.SHA1)
	ask := func(method, contentType string, body io.Reader) *httptest.ResponseRecorder {
		q := httptest.NewRequest(method, "/ocsp", body)
		if contentType != "" {
			q.Header.Set("Content-Type", contentType)
		}
		res := httptest.NewRecorder()
		w.Responder.ServeHTTP(res, q)
		return res
	}
	for _, ct := range []string{requestType, "", "Application/OCSP-Request", requestType + "; charset=binary"} {
		require.Greater(t, ask("POST", ct, bytes.NewReader(der)).Body.Len(), 100, ct)
	}
	for _, ct := range []string{"text/plain", "application/x-www-form-urlencoded", responseType, ";"} {
		require.Equal(t, http.StatusUnsupportedMediaType, ask("POST", ct, bytes.NewReader(der)).Code)
	}
	for _, m := range []string{"HEAD", "PUT", "DELETE", "OPTIONS", "BREW"} {
		res := ask(m, requestType, bytes.NewReader(der))
		require.Equal(t, []any{http.StatusMethodNotAllowed, "GET, POST"}, []any{res.Code, res.Header().Get("Allow")})
	}
	for name, body := range map[string][]byte{"empty": nil, "long": make([]byte, maxRequest+1), "cut": der[:len(der)-1], "more": append(bytes.Clone(der), 0)} {
		require.Equal(t, MalformedRequest, refused(t, ask("POST", requestType, bytes.NewReader(body))), name)
	}
	endless := ask("POST", requestType, io.LimitReader(zeros{}, 1<<40))
	require.Equal(t, MalformedRequest, refused(t, endless))
	require.Equal(t, "close", endless.Header().Get("Connection"))
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// A client that stalls is cut off.
func TestSlowClient(t *testing.T) {
	w := newWorld(t, Options{Timeout: 50 * time.Millisecond})
	s := httptest.NewServer(w.Responder)
	defer s.Close()
	r, stall := io.Pipe()
	defer stall.Close()
	start := time.Now()
	c := s.Client()
	defer c.CloseIdleConnections()
	res, err := c.Post(s.URL, requestType, r)
	if err == nil {
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		require.Equal(t, MalformedRequest.der(), b)
	}
	require.Less(t, time.Since(start), 5*time.Second)
}

// The headers of RFC 5019, section 6.2.
func TestCacheHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		leaf := w.Leaf("a.internal").Leaf
		path := "/" + base64.StdEncoding.EncodeToString(question(t, leaf, w.Intermediate, crypto.SHA1))
		first := get(w, path)
		got := w.parsed(first.Body.Bytes(), leaf, w.Intermediate)
		h := first.Header()
		require.Equal(t, "max-age=3600, public, no-transform, must-revalidate", h.Get("Cache-Control"))
		require.Equal(t, got.NextUpdate.Format(http.TimeFormat), h.Get("Expires"))
		require.Equal(t, got.ProducedAt.Format(http.TimeFormat), h.Get("Last-Modified"))
		require.Equal(t, responseType, h.Get("Content-Type"))
		require.Regexp(t, `^"[0-9a-f]{32}"$`, h.Get("Etag"))

		time.Sleep(time.Hour)
		again := get(w, path)
		require.Equal(t, first.Body.Bytes(), again.Body.Bytes())
		require.Equal(t, "max-age=3600, public, no-transform, must-revalidate", again.Header().Get("Cache-Control"))
		require.Equal(t, h.Get("Etag"), again.Header().Get("Etag"))

		conditional := func(tag string) *httptest.ResponseRecorder {
			q := httptest.NewRequest("GET", path, nil)
			q.Header.Set("If-None-Match", tag)
			res := httptest.NewRecorder()
			w.Responder.ServeHTTP(res, q)
			return res
		}
		same := conditional(`"other", W/` + h.Get("Etag"))
		require.Equal(t, http.StatusNotModified, same.Code)
		require.Zero(t, same.Body.Len())
		require.Equal(t, h.Get("Etag"), same.Header().Get("Etag"))
		w.revoke(leaf, 1)
		require.Equal(t, 200, conditional(h.Get("Etag")).Code, "it was modified")
	})
}
