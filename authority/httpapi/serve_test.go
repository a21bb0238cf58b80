package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
)

func recorder(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestRequestID(t *testing.T) {
	w := newWorld(t, nil)
	get := func(h map[string]string) string {
		return do(w.handler, request{method: "GET", path: "/health", header: h}).Header().Get("X-Request-Id")
	}
	require.Equal(t, "abc-1", get(map[string]string{"X-Request-Id": "abc-1", "X-Smallstep-Id": "other"}))
	require.Equal(t, "other", get(map[string]string{"X-Smallstep-Id": "other"}))
	require.Equal(t, "other", get(map[string]string{"X-Request-Id": "a b", "X-Smallstep-Id": "other"}))
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	for _, bad := range []string{"", strings.Repeat("a", 129), "a\r\nX: y", "é", `"`, "<script>", "a/b", "\x00"} {
		require.Regexp(t, uuid, get(map[string]string{"X-Request-Id": bad}))
	}
	require.NotEqual(t, get(nil), get(nil))
}

func TestPanic(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, &Options{Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	w.issue = func(context.Context, *authority.Request) (*authority.Certificate, error) { panic("token: a.b.c") }
	msg := requireError(t, 500, do(w.handler, request{method: "POST", path: "/sign", body: signBodyOf(t, nil)}))
	require.NotContains(t, msg, "a.b.c")
	require.Contains(t, log.String(), "panic")
	require.NotContains(t, log.String(), "a.b.c")

	log.Reset()
	w.issue = func(context.Context, *authority.Request) (*authority.Certificate, error) {
		var none []error
		return nil, none[len(w.issued)]
	}
	requireError(t, 500, do(w.handler, request{method: "POST", path: "/sign", body: signBodyOf(t, nil)}))
	require.Contains(t, log.String(), "out of range")

	w.issue = func(context.Context, *authority.Request) (*authority.Certificate, error) { panic(http.ErrAbortHandler) }
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { do(w.handler, request{method: "POST", path: "/sign", body: signBodyOf(t, nil)}) })
}

// TestPanicKeepsConnection: over a real connection, the client gets an answer and may go on.
func TestPanicKeepsConnection(t *testing.T) {
	w := newWorld(t, nil)
	w.issue = func(context.Context, *authority.Request) (*authority.Certificate, error) { panic(1) }
	s := httptest.NewServer(w.handler)
	defer s.Close()
	for range 2 {
		res, err := s.Client().Post(s.URL+"/sign", "application/json", strings.NewReader(signBodyOf(t, nil)))
		require.NoError(t, err)
		require.Equal(t, 500, res.StatusCode)
		require.NoError(t, res.Body.Close())
	}
}

// TestKinds walks every kind of error.
func TestKinds(t *testing.T) {
	want := map[authority.Kind]int{
		authority.BadRequest: 400, authority.Unauthenticated: 401, authority.Denied: 403, authority.NotFound: 404,
		authority.Conflict: 400, authority.Unsupported: 501, authority.Unavailable: 503, authority.Internal: 500,
	}
	require.Len(t, answers, len(authority.Kinds()), "a kind that is gone")
	for _, k := range authority.Kinds() {
		t.Run(string(k), func(t *testing.T) {
			require.Contains(t, want, k)
			w := newWorld(t, nil)
			w.issue = func(context.Context, *authority.Request) (*authority.Certificate, error) {
				return nil, &authority.Error{Kind: k, Step: authority.StepDecide, Code: "c", Reason: "because of <this>\x1b[2J", Err: errors.New("s3cret")}
			}
			got := do(w.handler, request{method: "POST", path: "/sign", body: signBodyOf(t, nil)})
			msg := requireError(t, want[k], got)
			require.Equal(t, k == authority.Unavailable, got.Header().Get("Retry-After") != "")
			switch k {
			case authority.Unauthenticated, authority.Internal, authority.Unavailable:
				require.NotContains(t, msg, "because")
			default:
				require.Contains(t, msg, "because of <this>")
			}
			require.NotContains(t, msg, "\x1b")
		})
	}
}

// TestNothingLeaks plants secrets wherever an error can carry one and looks for them in the answers.
func TestNothingLeaks(t *testing.T) {
	const secret = "s3cr3t-P4ssw0rd"
	planted := []error{
		errors.New(secret),
		fmt.Errorf("dsn postgres://ca:%s@db/x: %w", secret, context.DeadlineExceeded),
		&authority.Error{Kind: authority.Unauthenticated, Code: "signature", Reason: secret, Err: errors.New(secret)},
		&authority.Error{Kind: authority.Unauthenticated, Code: "expired", Reason: secret, Err: errors.New(secret)},
		&authority.Error{Kind: authority.Internal, Reason: secret, Err: errors.New(secret)},
		&authority.Error{Kind: authority.Unavailable, Reason: secret, Err: errors.New(secret)},
		&authority.Error{Kind: "no such kind", Reason: secret},
		&authority.Error{Reason: secret},
		fmt.Errorf("%s: %w", secret, &authority.Error{Kind: authority.Denied, Reason: "no", Err: errors.New(secret)}),
	}
	for _, err := range planted {
		w := newWorld(t, nil)
		w.issue = func(context.Context, *authority.Request) (*authority.Certificate, error) { return nil, err }
		w.revoke = func(context.Context, *authority.RevokeRequest) (*authority.Revocation, error) { return nil, err }
		for _, q := range []request{
			{method: "POST", path: "/sign", body: signBodyOf(t, nil)},
			{method: "POST", path: "/renew", peer: w.leaf},
			{method: "POST", path: "/renew", header: map[string]string{"Authorization": "Bearer a.b.c"}},
			{method: "POST", path: "/rekey", peer: w.leaf, body: jsonOf(t, map[string]string{"csr": csrPEM(t)})},
			{method: "POST", path: "/revoke", body: `{"serial":"5","ott":"a.b.c","passive":true}`},
		} {
			got := do(w.handler, q)
			require.GreaterOrEqual(t, got.Code, 400)
			require.NotContains(t, got.Body.String(), secret, "%s %v", q.path, err)
			require.NotContains(t, fmt.Sprint(got.Header()), secret)
		}
	}
	w := newWorld(t, &Options{ClientCertificates: FromHeader("X-Cert", func(*http.Request) bool { return true })})
	got := do(w.handler, request{method: "POST", path: "/renew", header: map[string]string{"X-Cert": secret}})
	requireError(t, 400, got)
	require.NotContains(t, got.Body.String(), secret)
}

// TestRenewSaysExpired: the one thing about a credential that is told.
func TestRenewSaysExpired(t *testing.T) {
	w := newWorld(t, nil)
	w.issue = func(context.Context, *authority.Request) (*authority.Certificate, error) {
		return nil, &authority.Error{Kind: authority.Unauthenticated, Code: "expired", Reason: "certificate expired on 2026-01-02T03:04:05Z"}
	}
	require.Contains(t, requireError(t, 401, do(w.handler, request{method: "POST", path: "/renew", peer: w.leaf})), "2026-01-02")
	require.NotContains(t, requireError(t, 401, do(w.handler, request{method: "POST", path: "/sign", body: signBodyOf(t, nil)})), "2026-01-02")
}

func TestAccessLog(t *testing.T) {
	var log bytes.Buffer
	w := newWorld(t, &Options{AccessLog: slog.New(slog.NewJSONHandler(&log, nil))})
	last := func() map[string]any {
		t.Helper()
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &m))
		return m
	}
	body := signBodyOf(t, map[string]any{"ott": "T0KEN.T0KEN.T0KEN"})
	do(w.handler, request{method: "POST", path: "/1.0/sign?x=T0KEN", body: body, header: map[string]string{"X-Request-Id": "id-9"}})
	m := last()
	require.Equal(t, "POST", m["method"])
	require.Equal(t, "/1.0/sign", m["route"])
	require.EqualValues(t, 201, m["status"])
	require.Greater(t, m["bytes"], 100.0)
	require.Equal(t, "id-9", m["request"])
	require.Equal(t, "prov", m["provisioner"])
	require.Equal(t, string(authority.SerialOf(w.leaf.crt.SerialNumber)), m["serial"])
	require.NotEmpty(t, m["remote"])
	require.Contains(t, m, "duration")

	do(w.handler, request{method: "GET", path: "/root/T0KEN"})
	require.Equal(t, "/root/{sha}", last()["route"])
	do(w.handler, request{method: "GET", path: "/T0KEN"})
	require.Equal(t, "", last()["route"])
	require.EqualValues(t, 404, last()["status"])
	do(w.handler, request{method: strings.Repeat("M", 200), path: "/sign"})
	require.Len(t, last()["method"], 16)

	w.issue = func(context.Context, *authority.Request) (*authority.Certificate, error) {
		return nil, &authority.Error{Kind: authority.Unauthenticated, Step: authority.StepAuthenticate, Code: "spent", Reason: "used before"}
	}
	do(w.handler, request{method: "POST", path: "/sign", body: body})
	do(w.handler, request{method: "POST", path: "/renew", header: map[string]string{"Authorization": "Bearer T0KEN.T0KEN.T0KEN"}})
	m = last()
	require.Equal(t, "spent", m["code"])
	require.Equal(t, "used before", m["reason"])
	w.issue = func(context.Context, *authority.Request) (*authority.Certificate, error) { panic("T0KEN") }
	do(w.handler, request{method: "POST", path: "/sign", body: body})
	require.EqualValues(t, 500, last()["status"])
	require.NotContains(t, log.String(), "T0KEN")
	require.NotContains(t, log.String(), "CERTIFICATE REQUEST")
}
