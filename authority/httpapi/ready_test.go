package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/httpapi"
)

type readier func(context.Context) error

func (r readier) Ready(ctx context.Context) error { return r(ctx) }

func probe(h http.Handler, method string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
	return w
}

func unavailable(code string) error {
	return &authority.Error{Kind: authority.Unavailable, Code: code, Reason: "inside", Err: errors.New("/dev/inside")}
}

func TestReadyAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
		body   string
	}{
		"ready":     {nil, 200, `{"status":"ok"}`},
		"one":       {unavailable("closed"), 503, `{"status":"unavailable","missing":["closed"]}`},
		"joined":    {errors.Join(unavailable("store"), unavailable("signer"), unavailable("signer")), 503, `{"status":"unavailable","missing":["store","signer"]}`},
		"something": {errors.New("inside"), 503, `{"status":"unavailable","missing":["internal"]}`},
	} {
		t.Run(name, func(t *testing.T) {
			h := httpapi.Ready(readier(func(context.Context) error { return c.err }), nil)
			w := probe(h, http.MethodGet)
			require.Equal(t, c.status, w.Code)
			require.JSONEq(t, c.body, w.Body.String())
			require.NotContains(t, w.Body.String(), "inside")
			require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			w = probe(h, http.MethodHead)
			require.Equal(t, c.status, w.Code)
			require.Empty(t, w.Body.String())
			require.Equal(t, http.StatusMethodNotAllowed, probe(h, http.MethodPost).Code)
		})
	}
}

func TestReadyAsksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		h := httpapi.Ready(readier(func(context.Context) error {
			asked.Add(1)
			time.Sleep(time.Second)
			return nil
		}), nil)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if c := probe(h, http.MethodGet).Code; c != http.StatusOK {
					t.Errorf("status %d", c)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, asked.Load())
		time.Sleep(4 * time.Second)
		probe(h, http.MethodGet)
		require.EqualValues(t, 1, asked.Load(), "the answer is good for five seconds")
		time.Sleep(2 * time.Second)
		probe(h, http.MethodGet)
		require.EqualValues(t, 2, asked.Load())
	})
}

// A client that goes away must not make the answer for all others, and one that hangs must not hold
// them up for ever.
func TestReadyIsPatientWithinBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := httpapi.Ready(readier(func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Second):
				return nil
			}
		}), nil)
		gone, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(gone, http.MethodGet, "/", nil))
		})
		synctest.Wait()
		cancel()
		require.Equal(t, http.StatusOK, probe(h, http.MethodGet).Code)
		wg.Wait()

		stuck := make(chan struct{})
		h = httpapi.Ready(readier(func(context.Context) error { <-stuck; return nil }), &httpapi.ReadyOptions{Timeout: time.Second})
		wg.Go(func() { probe(h, http.MethodGet) })
		synctest.Wait()
		w := probe(h, http.MethodGet)
		require.JSONEq(t, `{"status":"unavailable","missing":["timeout"]}`, w.Body.String())
		close(stuck)
		wg.Wait()
	})
}

func TestReadyLogsChanges(t *testing.T) {
	var out bytes.Buffer
	var err error
	h := httpapi.Ready(readier(func(context.Context) error { return err }), &httpapi.ReadyOptions{
		Keep: time.Nanosecond, Logger: slog.New(slog.NewTextHandler(&out, nil)),
	})
	for _, err = range []error{nil, unavailable("store"), unavailable("store"), nil, nil} {
		probe(h, http.MethodGet)
	}
	require.Equal(t, 1, bytes.Count(out.Bytes(), []byte("not ready")), out.String())
	require.Equal(t, 2, bytes.Count(out.Bytes(), []byte("\n")), out.String())
	require.Contains(t, out.String(), "/dev/inside", "the log says why")
}

func TestReadyOfAnAuthority(t *testing.T) {
	ca := authoritytest.New(t)
	h := httpapi.Ready(ca.Authority, &httpapi.ReadyOptions{Keep: time.Nanosecond})
	require.Equal(t, http.StatusOK, probe(h, http.MethodGet).Code)
	ca.Faults.Fail(authoritytest.Sign, 1)
	w := probe(h, http.MethodGet)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.JSONEq(t, `{"status":"unavailable","missing":["signer"]}`, w.Body.String())
	require.NoError(t, ca.Authority.Close())
	require.JSONEq(t, `{"status":"unavailable","missing":["closed"]}`, probe(h, http.MethodGet).Body.String())
}

func TestLive(t *testing.T) {
	w := probe(httpapi.Live(), http.MethodGet)
	require.Equal(t, http.StatusOK, w.Code)
	require.JSONEq(t, `{"status":"ok"}`, w.Body.String())
	require.Equal(t, http.StatusMethodNotAllowed, probe(httpapi.Live(), http.MethodDelete).Code)
}
