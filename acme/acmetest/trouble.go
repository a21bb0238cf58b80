package acmetest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/chancery-ca/chancery/acme"
)

// ErrLost is what a client gets whose request took effect, and whose answer is lost.
var ErrLost = errors.New("acmetest: the answer was lost")

// Trouble is what goes wrong between a client and the CA. The zero Trouble is none. Safe for concurrent use.
type Trouble struct {
	mu        sync.Mutex
	badNonces int
	down      int
	lost      int
	limited   int
	wait      time.Duration
	slow      time.Duration
	rejected  []string
	renew     bool
	requests  int
}

func (t *Trouble) set(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f()
}

// BadNonces has the next n signed requests refused with badNonce, although their nonces were good.
func (t *Trouble) BadNonces(n int) { t.set(func() { t.badNonces = n }) }

// Down has the next n requests answered with 503.
func (t *Trouble) Down(n int) { t.set(func() { t.down = n }) }

// Lose has the next n signed requests take effect, and their answers lost: the client gets [ErrLost].
func (t *Trouble) Lose(n int) { t.set(func() { t.lost = n }) }

// Limit has the next n signed requests refused with rateLimited, and told to come back after that time.
func (t *Trouble) Limit(n int, after time.Duration) { t.set(func() { t.limited, t.wait = n, after }) }

// Slow makes each validation and each issuance take that long, so that clients see "processing" first; 0 ends it.
func (t *Trouble) Slow(d time.Duration) { t.set(func() { t.slow = d }) }

// Reject has orders refused that ask for one of those names, and for none when there are none.
func (t *Trouble) Reject(names ...string) { t.set(func() { t.rejected = slices.Clone(names) }) }

// RenewNow has the CA say of every certificate that it should be renewed at once (RFC 9773), or no longer.
func (t *Trouble) RenewNow(yes bool) { t.set(func() { t.renew = yes }) }

// Requests returns how many requests there were.
func (t *Trouble) Requests() (n int) {
	t.set(func() { n = t.requests })
	return n
}

// linger waits as long as the trouble lasts.
func (t *Trouble) linger(ctx context.Context) error {
	var d time.Duration
	t.set(func() { d = t.slow })
	if d == 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// troubled is the way to the CA, with trouble on it.
type troubled struct {
	to http.RoundTripper
	*Trouble
}

// RoundTrip implements http.RoundTripper.
func (t *troubled) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body.Close()
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	p, after := t.ahead(r, body)
	if p != nil {
		return t.refuse(r, p)
	}
	res, err := t.to.RoundTrip(r)
	if err != nil || after == nil {
		return res, err
	}
	return after(res)
}

// ahead says what becomes of a request: a problem instead of an answer, or something that is done to the answer.
func (t *troubled) ahead(r *http.Request, body []byte) (*acme.Problem, func(*http.Response) (*http.Response, error)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
	take := func(n *int) bool {
		if *n <= 0 {
			return false
		}
		*n--
		return true
	}
	signed := r.Method == http.MethodPost
	switch {
	case take(&t.down):
		return &acme.Problem{Type: acme.ServerInternal, Status: http.StatusServiceUnavailable, Detail: "down", RetryAfter: time.Second}, nil
	case signed && take(&t.badNonces):
		return &acme.Problem{Type: acme.BadNonce, Detail: "bad nonce"}, nil
	case signed && take(&t.limited):
		return &acme.Problem{Type: acme.RateLimited, Detail: "too many requests", RetryAfter: t.wait}, nil
	case signed && strings.HasSuffix(r.URL.Path, "/new-order") && t.rejects(body):
		return &acme.Problem{Type: acme.RejectedIdentifier, Detail: "the CA does not issue for that name"}, nil
	case signed && take(&t.lost):
		return nil, func(res *http.Response) (*http.Response, error) {
			res.Body.Close()
			return nil, ErrLost
		}
	case t.renew && strings.Contains(r.URL.Path, "/renewal-info/"):
		return nil, renewNow
	}
	return nil, nil
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
	dir := strings.TrimSuffix(DirectoryURL, "/directory")
	q, err := http.NewRequestWithContext(r.Context(), http.MethodHead, dir+"/new-nonce", nil)
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
		res.Header.Set("Retry-After", strconv.Itoa(int(p.RetryAfter/time.Second)))
	}
	return with(r, res, p.HTTPStatus(), b), nil
}

// with replaces what an answer says.
func with(r *http.Request, res *http.Response, status int, body []byte) *http.Response {
	res.Body.Close()
	res.StatusCode, res.Status = status, strconv.Itoa(status)+" "+http.StatusText(status)
	res.Header.Set("Content-Length", strconv.Itoa(len(body)))
	res.ContentLength, res.Body, res.Request = int64(len(body)), io.NopCloser(bytes.NewReader(body)), r
	return res
}

func renewNow(res *http.Response) (*http.Response, error) {
	if res.StatusCode != http.StatusOK {
		return res, nil
	}
	now := time.Now().UTC()
	b, err := json.Marshal(map[string]any{"suggestedWindow": map[string]time.Time{"start": now.Add(-2 * time.Hour), "end": now.Add(-time.Hour)}})
	if err != nil {
		return nil, err
	}
	return with(res.Request, res, http.StatusOK, b), nil
}
