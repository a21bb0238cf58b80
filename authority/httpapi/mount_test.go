package httpapi

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is mounted sees the path without /1.0, the whole body, and is in the access log.
func TestMounted(t *testing.T) {
	var log bytes.Buffer
	say := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			if r.Method == http.MethodPost {
				w.WriteHeader(http.StatusAccepted)
			}
			fmt.Fprint(w, name, " ", r.URL.EscapedPath(), " ", string(b))
		})
	}
	w := newWorld(t, &Options{CRL: say("crl"), OCSP: say("ocsp"), AccessLog: slog.New(slog.NewTextHandler(&log, nil))})
	for _, prefix := range []string{"", "/1.0"} {
		for path, want := range map[string]string{
			"/crl": "crl /crl ", "/crl/a/1.crl": "crl /crl/a/1.crl ", "/ocsp/a%2Fb//c+": "ocsp /ocsp/a%2Fb//c+ ",
		} {
			got := do(w.handler, request{method: "GET", path: prefix + path})
			require.Equal(t, 200, got.Code)
			require.Equal(t, want, got.Body.String())
		}
		got := do(w.handler, request{method: "POST", path: prefix + "/ocsp", body: "question"})
		require.Equal(t, 202, got.Code)
		require.Equal(t, "ocsp /ocsp question", got.Body.String())
	}
	require.Contains(t, log.String(), "status=202 bytes=19")
	require.Contains(t, log.String(), "route=/1.0/crl/{path...} status=200")
	require.NotEmpty(t, do(w.handler, request{method: "GET", path: "/crl"}).Header().Get("X-Request-Id"))

	bare := newWorld(t, nil)
	for _, path := range []string{"/crl", "/crl/a.crl", "/1.0/crl", "/ocsp/abc"} {
		require.Equal(t, 404, do(bare.handler, request{method: "GET", path: path}).Code, path)
	}
	require.Equal(t, 404, do(bare.handler, request{method: "POST", path: "/ocsp", body: "x"}).Code)
}
