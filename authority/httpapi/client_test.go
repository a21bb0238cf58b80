package httpapi

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFromHeader(t *testing.T) {
	leaf := mint(t, "leaf.internal", false, nil)
	proxy := mint(t, "proxy", false, nil)
	b64 := base64.StdEncoding.EncodeToString(leaf.crt.Raw)
	text := pemOf(leaf)
	ask := func(h []string, trusted func(*http.Request) bool) (string, error) {
		r := request{method: "POST", path: "/renew", peer: proxy}.http()
		for _, v := range h {
			r.Header.Add("Client-Cert", v)
		}
		crts, err := FromHeader("Client-Cert", trusted)(r)
		if err != nil || len(crts) == 0 {
			return "", err
		}
		require.Len(t, crts, 1)
		return crts[0].Subject.CommonName, nil
	}
	yes := func(*http.Request) bool { return true }

	for name, v := range map[string]string{
		"RFC 9440": ":" + b64 + ":", "Caddy": b64, "nginx": url.PathEscape(text), "nginx with plus": strings.ReplaceAll(url.QueryEscape(text), "+", "%20"),
	} {
		got, err := ask([]string{v}, yes)
		require.NoError(t, err, name)
		require.Equal(t, "leaf.internal", got, name)
	}
	for name, v := range map[string]string{
		"text": "hello", "colon": ":", "colons": "::", "half": ":" + b64, "garbage": ":AAAA:", "two": url.PathEscape(text + text),
		"key": url.PathEscape(strings.ReplaceAll(text, "CERTIFICATE", "PRIVATE KEY")), "escape": "-----BEGIN%zz", "tail": b64 + "AAAA", "list": b64 + ", " + b64,
		"long": strings.Repeat("A", maxHeader+4),
	} {
		_, err := ask([]string{v}, yes)
		require.Error(t, err, name)
		if len(v) > 8 {
			require.NotContains(t, err.Error(), v, name)
		}
	}
	_, err := ask([]string{b64, b64}, yes)
	require.Error(t, err, "which of the two did the proxy write?")

	// The proxy's own certificate is never the client's.
	got, err := ask(nil, yes)
	require.NoError(t, err)
	require.Empty(t, got)
	got, err = ask([]string{""}, yes)
	require.NoError(t, err)
	require.Empty(t, got)

	// From others the header means nothing.
	for _, trusted := range []func(*http.Request) bool{nil, func(*http.Request) bool { return false }} {
		got, err = ask([]string{b64}, trusted)
		require.NoError(t, err)
		require.Equal(t, "proxy", got)
	}
}

func TestProxy(t *testing.T) {
	w := newWorld(t, &Options{ClientCertificates: FromHeader("Client-Cert", func(r *http.Request) bool { return r.RemoteAddr == "192.0.2.1:1234" })})
	h := map[string]string{"Client-Cert": base64.StdEncoding.EncodeToString(w.leaf.crt.Raw)}
	require.Equal(t, 201, do(w.handler, request{method: "POST", path: "/renew", header: h}).Code)
	require.True(t, w.leaf.crt.Equal(w.issued[0].Certificate))
	r := request{method: "POST", path: "/renew", header: h}.http()
	r.RemoteAddr = "192.0.2.2:1234"
	requireError(t, 400, recorder(w.handler, r))
}
