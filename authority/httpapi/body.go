package httpapi

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"time"
)

// maxDepth is how deeply a body's JSON may be nested: templateData is all that nests.
const maxDepth = 32

// hurry gives the body a time to arrive in. Where the server's connection is out of reach, read still
// stops a client that trickles, and only one that stalls is left to the server's ReadTimeout.
func (a *api) hurry(c *call) {
	_ = http.NewResponseController(c.w).SetReadDeadline(c.start.Add(a.o.BodyTimeout))
}

// body reads the whole body into a buffer, which the caller gives back with release.
func (a *api) body(c *call) (*[]byte, error) {
	limit := c.endpoint.MaxBody
	if c.r.ContentLength > limit {
		return nil, tooLarge(c)
	}
	buf := a.buffers.Get().(*[]byte)
	if c.r.ContentLength == 0 {
		return buf, nil
	}
	b := (*buf)[:0]
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := c.r.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case int64(len(b)) > limit:
			err = tooLarge(c)
		case err == nil && time.Since(c.start) < a.o.BodyTimeout:
			continue
		case err == nil || errors.Is(err, os.ErrDeadlineExceeded):
			c.w.Header().Set("Connection", "close")
			err = errTooSlow
		case err == io.EOF:
			*buf = b
			// What comes now is the next request, or the end of the connection: neither is late.
			_ = http.NewResponseController(c.w).SetReadDeadline(time.Time{})
			return buf, nil
		default:
			err = badRequest("body", "the body could not be read")
		}
		*buf = b
		a.release(buf)
		return nil, err
	}
}

func tooLarge(c *call) error {
	c.w.Header().Set("Connection", "close")
	return errTooLarge
}

// release puts a buffer back, without the token that was in it.
func (a *api) release(buf *[]byte) {
	if cap(*buf) > 64<<10 {
		return
	}
	b := (*buf)[:cap(*buf)]
	clear(b)
	*buf = b[:0]
	a.buffers.Put(buf)
}

// empty makes sure that nothing much came where nothing is expected.
func (a *api) empty(c *call) error {
	if c.r.ContentLength == 0 {
		return nil
	}
	buf, err := a.body(c)
	if err != nil {
		return err
	}
	a.release(buf)
	return nil
}

// decode reads the body, one JSON object, into v. As in step-ca, names that v does not have are
// ignored and of repeated ones the last counts.
func (a *api) decode(c *call, v any) error {
	buf, err := a.body(c)
	if err != nil {
		return err
	}
	defer a.release(buf)
	return unmarshal(*buf, v)
}

func unmarshal(b []byte, v any) error {
	if tooDeep(b) {
		return badRequest("json", "error decoding json: nested too deeply")
	}
	if err := json.Unmarshal(b, v); err != nil {
		return badRequest("json", "error decoding json")
	}
	return nil
}

// tooDeep reports whether brackets outside strings are nested deeper than maxDepth. It may be wrong
// about what is no JSON, which is refused anyway.
func tooDeep(b []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
