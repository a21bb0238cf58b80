package httpapi

import (
	"bytes"
	"io"
	"net/http"
	"strings"
)

// crl and ocsp hand a request on to what makes the answer, under the path that it has without /1.0. What
// nobody was mounted for is not found.
func (a *api) crl(c *call) error {
	if err := a.empty(c); err != nil {
		return err
	}
	c.handOver(a.o.CRL)
	return nil
}

func (a *api) ocsp(c *call) error {
	if c.r.Method != http.MethodPost {
		if err := a.empty(c); err != nil {
			return err
		}
		c.handOver(a.o.OCSP)
		return nil
	}
	body, err := a.body(c)
	if err != nil {
		return err
	}
	defer a.release(body)
	c.r.Body = io.NopCloser(bytes.NewReader(*body)) // c.r is our own copy
	c.handOver(a.o.OCSP)
	return nil
}

func (c *call) handOver(h http.Handler) {
	if h == nil {
		c.notFound()
		return
	}
	if strings.HasPrefix(c.r.URL.Path, "/1.0/") {
		h = http.StripPrefix("/1.0", h)
	}
	h.ServeHTTP(&watched{ResponseWriter: c.w, c: c}, c.r)
}

// watched tells the access log what somebody else answers.
type watched struct {
	http.ResponseWriter
	c *call
}

func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *watched) WriteHeader(status int) {
	if w.c.status == 0 {
		w.c.status, w.c.sent = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *watched) Write(b []byte) (int, error) {
	if w.c.status == 0 {
		w.c.status, w.c.sent = http.StatusOK, true
	}
	n, err := w.ResponseWriter.Write(b)
	w.c.bytes += n
	return n, err
}
