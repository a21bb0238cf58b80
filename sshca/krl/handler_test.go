package krl_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/sshca/krl"
)

func TestHandler(t *testing.T) {
	b := &books{}
	p := publisher(t, b, krl.Options{})
	do := func(method string, tag string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/any/where", nil)
		if tag != "" {
			r.Header.Set("If-None-Match", tag)
		}
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		return w
	}
	got := do("GET", "")
	require.Equal(t, http.StatusOK, got.Code)
	require.Equal(t, "application/octet-stream", got.Header().Get("Content-Type"))
	require.Equal(t, "max-age=2", got.Header().Get("Cache-Control"))
	require.NotEmpty(t, got.Header().Get("Last-Modified"))
	_, err := krl.Parse(got.Body.Bytes())
	require.NoError(t, err)
	tag := got.Header().Get("ETag")
	head := do("HEAD", "")
	require.Equal(t, got.Header().Get("Content-Length"), head.Header().Get("Content-Length"))
	require.Empty(t, head.Body.Bytes())
	for _, v := range []string{tag, `"other", ` + tag, "W/" + tag, "*"} {
		require.Equal(t, http.StatusNotModified, do("GET", v).Code, v)
	}
	require.Equal(t, http.StatusOK, do("GET", `"other"`).Code)
	post := do("POST", "")
	require.Equal(t, http.StatusMethodNotAllowed, post.Code)
	require.Equal(t, "GET, HEAD", post.Header().Get("Allow"))

	bad := publisher(t, &books{err: errors.New("secret reason")}, krl.Options{})
	w := httptest.NewRecorder()
	bad.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.NotContains(t, w.Body.String(), "secret")
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
}
