package httpapi

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// Live answers every GET with 200, for probes that ask whether the process still answers at all.
func Live() http.Handler {
	return probe(func(*http.Request) []string { return nil })
}

// Readier tells whether it can do its work: an *authority.Authority does.
type Readier interface {
	Ready(ctx context.Context) error
}

// ReadyOptions are what Ready can be told. The zero value of each field is the one in its comment.
type ReadyOptions struct {
	Keep    time.Duration // how long an answer is good for; default 5s
	Timeout time.Duration // for finding out; default 10s
	Logger  *slog.Logger  // hears when the answer changes, and why; nil discards
}

// Ready answers GET with 200 and {"status":"ok"} when ca can issue certificates, and else with 503 and the
// names of what is missing: {"status":"unavailable","missing":["signer"]}. The names are the codes of
// [authority.Authority.Ready], and "timeout" when nobody found out in time. A nil o means the zero
// ReadyOptions.
//
// However many ask, ca is asked once in o.Keep, by one of them, who sees it through even if its client
// goes away. So probes, and whoever else can reach the handler, put no load on stores and keys.
func Ready(ca Readier, o *ReadyOptions) http.Handler {
	r := &readiness{ca: ca, turn: make(chan struct{}, 1)}
	if o != nil {
		r.o = *o
	}
	r.o.Keep = cmp.Or(r.o.Keep, 5*time.Second)
	r.o.Timeout = cmp.Or(r.o.Timeout, 10*time.Second)
	if r.o.Logger == nil {
		r.o.Logger = slog.New(slog.DiscardHandler)
	}
	return probe(r.missing)
}

// readiness is the answer and its age. Whoever has put something into turn may touch it.
type readiness struct {
	ca   Readier
	o    ReadyOptions
	turn chan struct{}
	at   time.Time // zero: nobody has asked yet
	last []string
}

func (r *readiness) missing(q *http.Request) []string {
	waiting, cancel := context.WithTimeout(q.Context(), r.o.Timeout)
	defer cancel()
	select {
	case r.turn <- struct{}{}:
	case <-waiting.Done():
		return []string{"timeout"}
	}
	defer func() { <-r.turn }()
	if !r.at.IsZero() && time.Since(r.at) < r.o.Keep {
		return r.last
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(q.Context()), r.o.Timeout)
	defer cancel()
	err := r.ca.Ready(ctx)
	missing := codes(err)
	switch {
	case slices.Equal(missing, r.last):
	case err != nil:
		r.o.Logger.Error("httpapi: not ready", "missing", missing, "error", err)
	default:
		r.o.Logger.Info("httpapi: ready")
	}
	r.at, r.last = time.Now(), missing
	return missing
}

// codes returns the codes of what was joined into err, each once.
func codes(err error) (out []string) {
	if err == nil {
		return nil
	}
	all := []error{err}
	if _, ok := err.(*authority.Error); !ok {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			all = joined.Unwrap()
		}
	}
	for _, err := range all {
		code := "internal"
		if e, ok := errors.AsType[*authority.Error](err); ok && e.Code != "" {
			code = e.Code
		}
		if !slices.Contains(out, code) {
			out = append(out, code)
		}
	}
	return out
}

// probe answers 503 with what is missing, or 200 when nothing is.
func probe(missing func(*http.Request) []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		answer := struct {
			Status  string   `json:"status"`
			Missing []string `json:"missing,omitempty"`
		}{"ok", missing(r)}
		status := http.StatusOK
		if len(answer.Missing) > 0 {
			status, answer.Status = http.StatusServiceUnavailable, "unavailable"
		}
		body := append(mustJSON(answer), '\n')
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		if r.Method == http.MethodGet {
			_, _ = w.Write(body) // nobody is left to hear of an error
		}
	})
}
