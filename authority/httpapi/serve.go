package httpapi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/chancery-ca/chancery/authority"
)

// call is one request on its way. Handlers make the whole answer before a byte of it is sent, so a
// fault, a panic included, still has a status.
type call struct {
	w        http.ResponseWriter
	r        *http.Request
	endpoint *endpoint // nil: no such path
	param    string    // the value of the path's parameter
	id       string    // of the request
	start    time.Time

	// for the access log
	status, bytes       int
	sent                bool // the status is on its way
	provisioner, serial string
	refusal             *authority.Error
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{w: w, r: r, id: requestID(r.Header), start: time.Now()}
	w.Header()["X-Request-Id"] = []string{c.id}
	defer a.log(c)
	defer a.rescue(c)
	if r.ContentLength != 0 {
		a.hurry(c)
	}
	if c.endpoint, c.param = a.routes.find(r.URL.Path); c.endpoint == nil {
		c.notFound()
		return
	}
	if !c.endpoint.allows(r.Method) {
		w.Header().Set("Allow", c.endpoint.allow())
		c.answer(http.StatusMethodNotAllowed, "", nil)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.o.Timeout)
	defer cancel()
	c.r = r.WithContext(ctx)
	if err := c.endpoint.serve(a, c); err != nil {
		a.fail(c, err)
	}
}

func (c *call) notFound() {
	c.answer(http.StatusNotFound, "text/plain; charset=utf-8", []byte("404 page not found\n"))
}

// path returns the route's path, for logs; empty for what is no route.
func (c *call) path() string {
	if c.endpoint == nil {
		return ""
	}
	return c.endpoint.Path
}

// answer sends the whole answer.
func (c *call) answer(status int, contentType string, body []byte) {
	h := c.w.Header()
	if contentType != "" {
		h["Content-Type"] = []string{contentType}
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	c.status, c.sent = status, true
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		c.bytes, _ = c.w.Write(body) // nobody is left to hear of an error
	}
}

// json sends a body that ends without a newline, which it adds.
func (c *call) json(status int, body []byte) {
	c.answer(status, "application/json", append(body, '\n'))
}

// rescue answers for a handler that panicked. The value of the panic may have been made of anything,
// a token included, so only the runtime's own are written down.
func (a *api) rescue(c *call) {
	v := recover()
	switch v := v.(type) {
	case nil:
		return
	case runtime.Error:
		a.o.Logger.Error("httpapi: panic", "request", c.id, "panic", v.Error(), "stack", string(debug.Stack()))
	default:
		a.o.Logger.Error("httpapi: panic", "request", c.id, "panic", fmt.Sprintf("%T", v), "stack", string(debug.Stack()))
	}
	if c.sent || v == http.ErrAbortHandler {
		panic(http.ErrAbortHandler) // net/http's way to cut the connection off, silently
	}
	a.fail(c, &authority.Error{Kind: authority.Internal, Code: "panic", Reason: "panic"})
}

// log writes the access log. It says why something was refused, which may
// name what was asked for, but never quotes a token, a key or a CSR.
func (a *api) log(c *call) {
	if a.o.AccessLog == nil {
		return
	}
	at := make([]slog.Attr, 0, 14)
	at = append(at, slog.String("method", clip(c.r.Method, 16)))
	at = append(at,
		slog.String("route", c.path()),
		slog.Int("status", c.status),
		slog.Int("bytes", c.bytes),
		slog.Duration("duration", time.Since(c.start)),
		slog.String("remote", c.r.RemoteAddr),
		slog.String("request", c.id))
	if c.provisioner != "" {
		at = append(at, slog.String("provisioner", c.provisioner))
	}
	if c.serial != "" {
		at = append(at, slog.String("serial", c.serial))
	}
	if e := c.refusal; e != nil {
		at = append(at, slog.String("kind", string(e.Kind)), slog.String("step", string(e.Step)),
			slog.String("code", e.Code), slog.String("reason", clip(e.Reason, maxReason)))
	}
	a.o.AccessLog.LogAttrs(context.WithoutCancel(c.r.Context()), slog.LevelInfo, "request", at...)
}

// requestID takes the client's name for the request if it is a sane one, or makes a UUID.
func requestID(h http.Header) string {
	for _, k := range [...]string{"X-Request-Id", "X-Smallstep-Id"} {
		if v := h[k]; len(v) == 1 && saneID(v[0]) {
			return v[0]
		}
	}
	var u [16]byte
	rand.Read(u[:]) // never fails since Go 1.24
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	b := make([]byte, 0, 36)
	for i, v := range [...][]byte{u[:4], u[4:6], u[6:8], u[8:10], u[10:]} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, v)
	}
	return string(b)
}

// saneID keeps what goes into logs, records and headers to a length and an alphabet.
func saneID(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == ':':
		default:
			return false
		}
	}
	return true
}
