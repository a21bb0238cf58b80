package acmetest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/acme"
)

// troubled is the way to the CA, with trouble on it.
type troubled struct {
	to   http.RoundTripper
	base string // URL of the server
	*Trouble
}

// RoundTrip implements http.RoundTripper. A request whose context ends while it is answered takes effect, and its answer
// is lost.
func (t *troubled) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	what := t.ahead(t.resource(r), r.Method == http.MethodPost, body)
	switch {
	case what.hang:
		<-r.Context().Done()
		return nil, r.Context().Err()
	case what.refuse != nil:
		return t.refuse(r, what.refuse)
	}
	res, err := t.to.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if err = r.Context().Err(); err == nil && what.lose {
		err = ErrLost
	}
	if err != nil {
		res.Body.Close()
		return nil, err
	}
	if !what.renew.start.IsZero() {
		return what.renew.instead(res)
	}
	return res, nil
}

// resource names what a request is for, as [Trouble.Only] does.
func (t *troubled) resource(r *http.Request) string {
	rest, ok := strings.CutPrefix(r.URL.String(), t.base+"/")
	if !ok {
		return ""
	}
	first, below, _ := strings.Cut(rest, "/")
	if _, last, ok := strings.Cut(below, "/"); ok && (first == "order" || first == "account") {
		return last // finalize, orders
	}
	return first
}

// fate is what becomes of a request.
type fate struct {
	refuse     *acme.Problem
	hang, lose bool
	renew      window
}

// ahead says what becomes of a request: at most one thing.
func (t *Trouble) ahead(resource string, signed bool, body []byte) (f fate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
	if signed && resource == "new-order" && t.rejects(body) {
		f.refuse = &acme.Problem{Type: acme.RejectedIdentifier, Detail: "the CA does not issue for that name"}
		return f
	}
	if resource == "renewal-info" {
		f.renew = t.renew
	}
	if len(t.only) > 0 && !slices.Contains(t.only, resource) {
		return f
	}
	if signed {
		t.signed++
	}
	switch {
	case take(&t.hung):
		f.hang = true
	case take(&t.down):
		f.refuse = &acme.Problem{Type: acme.ServerInternal, Status: http.StatusServiceUnavailable, Detail: "down", RetryAfter: time.Second}
	case signed && (take(&t.badNonces) || t.every > 0 && t.signed%t.every == 0):
		f.refuse = &acme.Problem{Type: acme.BadNonce, Detail: "bad nonce"}
	case signed && take(&t.limited):
		f.refuse = &acme.Problem{Type: acme.RateLimited, Detail: "too many requests", RetryAfter: t.wait}
	case signed && take(&t.lost):
		f.lose = true
	}
	return f
}

// rejects reads what an order asks for.
func (t *Trouble) rejects(body []byte) bool {
	var jws struct{ Payload string }
	var order struct{ Identifiers []acme.Identifier }
	if json.Unmarshal(body, &jws) != nil {
		return false
	}
	b, err := base64.RawURLEncoding.DecodeString(jws.Payload)
	if err != nil || json.Unmarshal(b, &order) != nil {
		return false
	}
	return slices.ContainsFunc(order.Identifiers, func(id acme.Identifier) bool { return slices.Contains(t.rejected, id.Value) })
}

// refuse answers with a problem, and a nonce of the CA's.
func (t *troubled) refuse(r *http.Request, p *acme.Problem) (*http.Response, error) {
	q, err := http.NewRequestWithContext(r.Context(), http.MethodHead, t.base+"/new-nonce", nil)
	if err != nil {
		return nil, err
	}
	res, err := t.to.RoundTrip(q)
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	res.Header.Set("Content-Type", "application/problem+json")
	if p.RetryAfter > 0 {
		res.Header.Set("Retry-After", strconv.Itoa(int((p.RetryAfter+time.Second-1)/time.Second)))
	}
	return with(r, res, p.HTTPStatus(), b), nil
}

// with replaces what an answer says.
func with(r *http.Request, res *http.Response, status int, body []byte) *http.Response {
	res.Body.Close()
	res.StatusCode, res.Status = status, strconv.Itoa(status)+" "+http.StatusText(status)
	res.Header.Set("Content-Length", strconv.Itoa(len(body)))
	res.ContentLength, res.Body, res.Request = int64(len(body)), http.NoBody, r
	if r.Method != http.MethodHead {
		res.Body = io.NopCloser(bytes.NewReader(body))
	}
	return res
}

// instead puts the window in place of the server's own, if that knows the certificate.
func (w window) instead(res *http.Response) (*http.Response, error) {
	if res.StatusCode != http.StatusOK {
		return res, nil
	}
	v := map[string]any{"suggestedWindow": map[string]time.Time{"start": w.start.UTC(), "end": w.end.UTC()}}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return with(res.Request, res, http.StatusOK, b), nil
}
