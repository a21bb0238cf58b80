package ocsp

import (
	"context"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	requestType  = "application/ocsp-request"
	responseType = "application/ocsp-response"
)

// ServeHTTP answers GET and POST (RFC 6960, appendix A.1) under whatever path it is mounted: of a GET, the
// request is what the path ends with. What a request deserves, an error included, is told in an OCSPResponse
// with status 200, as clients expect it. Only questions that make no sense in HTTP get another status.
//
// Answers that others may be given, too, have the headers of RFC 5019, section 6; the rest must not be stored.
//
// http.ServeMux redirects paths with "//" in them, which base64 may contain. See [Responder.Handler].
func (r *Responder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(q.Context(), r.o.Timeout)
	defer cancel()
	var der []byte
	switch q.Method {
	case http.MethodGet:
		der = fromPath(q.URL.EscapedPath())
	case http.MethodPost:
		if t := q.Header.Get("Content-Type"); t != "" {
			if t, _, err := mime.ParseMediaType(t); err != nil || t != requestType {
				noStore(w.Header())
				http.Error(w, "the content type is not "+requestType, http.StatusUnsupportedMediaType)
				return
			}
		}
		// Where the server's connection is out of reach, its own ReadTimeout is left.
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(start.Add(r.o.Timeout))
		var err error
		if der, err = io.ReadAll(io.LimitReader(q.Body, maxRequest+1)); err != nil || len(der) > maxRequest {
			w.Header().Set("Connection", "close")
			der = nil
		} else {
			_ = control.SetReadDeadline(time.Time{})
		}
	default:
		noStore(w.Header())
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "OCSP is asked by GET or POST", http.StatusMethodNotAllowed)
		return
	}
	a, err := r.respond(ctx, der)
	if err != nil {
		a = &answer{der: statusOf(err).der()}
	}
	a.serve(w, q)
}

// keptAtMost is how long a cache may keep an answer before it asks whether there is another one.
const keptAtMost = time.Hour

// serve writes the answer with what caches on the way may do with it.
func (a *answer) serve(w http.ResponseWriter, q *http.Request) {
	h := w.Header()
	h["Content-Type"] = []string{responseType}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	if !a.shared {
		noStore(h)
	} else {
		// Whoever keeps it must drop it before nextUpdate (RFC 5019, section 6.2), and ask again before that:
		// a cache on the way would hide a revocation from clients that never saw the answer.
		age := max(0, min(int64(keptAtMost/time.Second), int64(time.Until(a.nextUpdate)/time.Second)-1))
		h["Cache-Control"] = []string{"max-age=" + strconv.FormatInt(age, 10) + ", public, no-transform, must-revalidate"}
		h["Etag"], h["Expires"], h["Last-Modified"] = []string{a.etag}, []string{a.expires}, []string{a.lastModified}
		if q.Method == http.MethodGet && matches(q.Header["If-None-Match"], a.etag) {
			delete(h, "Content-Type")
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	h["Content-Length"] = []string{strconv.Itoa(len(a.der))}
	_, _ = w.Write(a.der) // nobody is left to hear of an error
}

func noStore(h http.Header) { h["Cache-Control"] = []string{"no-store"} }

func matches(headers []string, etag string) bool {
	for _, h := range headers {
		for tag := range strings.SplitSeq(h, ",") {
			if strings.TrimPrefix(strings.TrimSpace(tag), "W/") == etag {
				return true
			}
		}
	}
	return false
}

// Handler serves what lies under a path prefix, such as "/ocsp", and leaves the rest to next: what a
// http.ServeMux with the same prefix does, but for paths with "//" in them, which it would redirect to where
// the client's request has lost a letter. An empty prefix takes everything.
func (r *Responder) Handler(prefix string, next http.Handler) http.Handler {
	prefix = strings.TrimRight(prefix, "/")
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if rest, ok := strings.CutPrefix(q.URL.Path, prefix); ok && (rest == "" || rest[0] == '/') {
			r.ServeHTTP(w, q)
			return
		}
		next.ServeHTTP(w, q)
	})
}
