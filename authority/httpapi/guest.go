package httpapi

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

// guest hands a request on to the provisioner whose protocol is spoken at that path, once its body is there: how long
// that may take, and be, is the same for all. Which guests there are is asked anew each time, as everything is. A path
// that nobody has is not found.
func (a *api) guest(c *call) error {
	rest, ok := strings.CutPrefix(c.r.URL.Path, old)
	if ok {
		c.modernize()
	}
	for _, p := range a.ca.Provisioners() {
		g, ok := provisioner.As[authority.Guest](p)
		if !ok {
			continue
		}
		below, ok := strings.CutPrefix(rest, "/"+g.Path())
		if !ok || !strings.HasPrefix(below, "/") {
			continue
		}
		c.provisioner = p.Name()
		body, err := a.body(c)
		switch {
		case err == nil:
			defer a.release(body)
			c.r.Body = io.NopCloser(bytes.NewReader(*body)) // c.r is our own copy
		case err == errTooLarge: // the guest says it in its own words
			c.r.Body = io.NopCloser(broken{&http.MaxBytesError{Limit: c.endpoint.MaxBody}})
		case err == errTooSlow:
			c.r.Body = io.NopCloser(broken{os.ErrDeadlineExceeded})
		default:
			c.r.Body = io.NopCloser(broken{io.ErrUnexpectedEOF})
		}
		ca, _ := a.ca.(*authority.Authority) // which everything but a test's is
		prefix := c.r.URL.Path[:len(c.r.URL.Path)-len(below)]
		http.StripPrefix(prefix, g.Handler(ca)).ServeHTTP(&watched{ResponseWriter: c.w, c: c}, c.r)
		return nil
	}
	c.notFound()
	return nil
}

// broken is a body that could not be read.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// old is what older clients of step's have in front of a guest's path.
const old = "/2.0"

// modernize takes it off what the client is seen to have asked for, so that a guest that tells it where to go on names
// the path that others see, too.
func (c *call) modernize() {
	target, query, asked := strings.Cut(c.r.RequestURI, "?")
	path := c.r.URL.EscapedPath()
	before, ok := strings.CutSuffix(target, path)
	if !ok || !strings.HasPrefix(path, old) {
		return
	}
	c.r.RequestURI = before + strings.TrimPrefix(path, old)
	if asked {
		c.r.RequestURI += "?" + query
	}
}
