package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/envelope"
	"github.com/chancery-ca/chancery/authority"
)

// call is one request on its way.
type call struct {
	s      *Server
	ca     *authority.Authority
	w      http.ResponseWriter
	r      *http.Request
	base   string   // URL of the server, as this client sees it
	url    string   // of the request
	args   []string // of the route
	nonces *envelope.Nonces
	start  time.Time
	sent   bool

	m       *envelope.Message
	request *envelope.Request
	account *acme.Account // that signed; nil if the request brought its key
	pass    *acme.Pass    // nil once it was used
}

func (s *Server) serve(ca *authority.Authority, w http.ResponseWriter, r *http.Request) {
	c := &call{s: s, ca: ca, w: w, r: r, start: time.Now()}
	defer c.rescue()
	c.base, c.url = s.base(r)
	var err error
	if c.nonces, err = s.issueNonces(r.Context()); err == nil {
		err = c.route()
	}
	if err != nil {
		c.fail(err)
	}
}

// base works out the server's URL, and the request's.
func (s *Server) base(r *http.Request) (base, full string) {
	path := r.URL.EscapedPath()
	if s.c.URL != "" {
		return s.c.URL, s.c.URL + path
	}
	scheme := "https"
	if s.c.PlainHTTP && r.TLS == nil {
		scheme = "http"
	}
	prefix := ""
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil { // what was stripped on the way is in front of path
		prefix, _ = strings.CutSuffix(u.EscapedPath(), path)
	}
	base = scheme + "://" + r.Host + prefix
	return base, base + path
}

func (c *call) route() error {
	if c.r.URL.RawQuery != "" {
		return problem(acme.Malformed, http.StatusNotFound, "there is no such resource")
	}
	for _, rt := range table {
		args, ok := rt.match(c.r.URL.Path)
		if !ok {
			continue
		}
		c.args = args
		switch {
		case rt.get != nil && (c.r.Method == http.MethodGet || c.r.Method == http.MethodHead):
			return rt.get(c)
		case rt.post != nil && c.r.Method == http.MethodPost:
			if err := c.receive(&rt); err != nil {
				return err
			}
			return rt.post(c)
		}
		allow := "GET, HEAD"
		if rt.get == nil {
			allow = "POST"
		}
		c.w.Header().Set("Allow", allow)
		return problem(acme.Malformed, http.StatusMethodNotAllowed, "the resource is there for another method")
	}
	return problem(acme.Malformed, http.StatusNotFound, "there is no such resource")
}

// table is what routes returns; it is never changed.
var table = routes()

// receive lets a signed request in, as far as that can be told without spending its nonce.
func (c *call) receive(rt *route) error {
	if err := envelope.CheckContentType(c.r.Header); err != nil {
		return err
	}
	q, err := envelope.Read(c.r.Body, c.url)
	if err != nil {
		return err
	}
	if err := c.nonces.Check(q); err != nil {
		return err
	}
	c.request = q
	switch {
	case q.KeyID == "" && !rt.ownKey:
		return problem(acme.Malformed, 0, "the request must name its account by kid")
	case q.KeyID != "" && !rt.named:
		return problem(acme.Malformed, 0, "the request must bring its key as jwk")
	case q.KeyID == "":
		if c.m, err = q.Verify(nil); err != nil {
			return err
		}
		return c.ticket()
	}
	if err := c.identify(false); err != nil {
		if !errors.Is(err, errRetry) {
			return err
		}
		if err := c.identify(true); err != nil { // the key may have been changed on another node
			return err
		}
	}
	return c.ticket()
}

// errRetry is that what was remembered of an account may be out of date.
var errRetry = errors.New("acme/server: perhaps another account key")

// identify finds the account that a request names, and verifies the request with its key.
func (c *call) identify(fresh bool) error {
	id, ok := c.accountID(c.request.KeyID)
	if !ok {
		return problem(acme.AccountDoesNotExist, 0, "the kid is not the URL of an account of this server")
	}
	known, remembered := c.s.accounts.get(id)
	if fresh || !remembered {
		remembered = false
		a, err := c.s.c.Store.Account(c.r.Context(), id)
		if errors.Is(err, acme.ErrNotFound) {
			return problem(acme.AccountDoesNotExist, 0, "there is no such account")
		} else if err != nil {
			return err
		}
		if known, err = c.s.meet(a); err != nil {
			return err
		}
	}
	a := known.Account
	if a.Provisioner != c.s.c.Name || a.URL != c.request.KeyID {
		return problem(acme.AccountDoesNotExist, 0, "there is no such account")
	}
	m, err := c.request.Verify(known.key)
	if (err != nil || a.Status != acme.Valid) && remembered {
		return errRetry
	}
	if err != nil {
		return err
	}
	if a.Status != acme.Valid {
		return problem(acme.Unauthorized, 0, "the account is %s", a.Status)
	}
	c.m, c.account = m, a
	return nil
}

// accountID takes an account's URL apart. The host is compared with the account's own URL later.
func (c *call) accountID(kid string) (string, bool) {
	own, err := url.Parse(c.base)
	if err != nil {
		return "", false
	}
	u, err := url.Parse(kid)
	if err != nil {
		return "", false
	}
	id, ok := strings.CutPrefix(u.EscapedPath(), own.EscapedPath()+"/account/")
	return id, ok && validID(id)
}

func (c *call) ticket() error {
	id, until, err := c.nonces.Ticket(c.m)
	if err != nil {
		return err
	}
	c.pass = &acme.Pass{Nonce: id, Until: until, Thumbprint: c.m.Key.Thumbprint()}
	if c.account != nil {
		c.pass.Account = c.account.ID
	}
	return nil
}

// use does something for which the request's nonce is spent, in the same transaction. If the account is not any more
// what it was taken for, the request is looked at again.
func (c *call) use(do func(p *acme.Pass) error) error {
	err := do(c.pass)
	if errors.Is(err, acme.ErrAccount) && c.account != nil {
		c.s.accounts.drop(c.account.ID)
		if err := c.identify(true); err != nil {
			return err
		}
		if err := c.ticket(); err != nil {
			return err
		}
		err = do(c.pass)
	}
	if errors.Is(err, acme.ErrSpent) {
		return &acme.Problem{Type: acme.BadNonce, Detail: "the nonce was used before", Cause: err}
	}
	if errors.Is(err, acme.ErrAccount) {
		return problem(acme.Unauthorized, 0, "the account was changed meanwhile")
	}
	c.pass = nil
	return err
}

// spend spends the nonce by itself.
func (c *call) spend() error {
	return c.use(func(p *acme.Pass) error { return c.s.c.Store.Spend(c.r.Context(), p) })
}

// answer sends v as JSON.
func (c *call) answer(status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.write(status, "application/json", append(b, '\n'))
	return nil
}

func (c *call) write(status int, contentType string, body []byte) {
	h := c.w.Header()
	if c.nonces != nil {
		c.nonces.Offer(h)
	}
	h.Set("Cache-Control", "no-store")
	h.Add("Link", "<"+c.base+`/directory>;rel="index"`)
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	if status != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	c.sent = true
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead && len(body) > 0 {
		_, _ = c.w.Write(body) // nobody is left to hear of an error
	}
}

// fail answers with a problem document.
func (c *call) fail(err error) {
	p := problemOf(err)
	if p.Type == acme.ServerInternal {
		c.s.c.Logger.ErrorContext(c.r.Context(), "acme: request failed", "path", c.r.URL.Path, "error", err)
	}
	if p.RetryAfter > 0 {
		c.w.Header().Set("Retry-After", seconds(p.RetryAfter))
	}
	b, err := json.Marshal(p)
	if err != nil {
		b = nil
	}
	if p.Type == acme.UserActionRequired && p.Instance != "" {
		c.w.Header().Add("Link", "<"+p.Instance+`>;rel="terms-of-service"`)
	}
	c.write(p.HTTPStatus(), "application/problem+json", b)
}

// seconds writes a Retry-After, which has no fractions.
func seconds(d time.Duration) string { return strconv.Itoa(max(1, int((d+time.Second-1)/time.Second))) }

// rescue answers for a handler that panicked. The value may have been made of anything, so it is not logged.
func (c *call) rescue() {
	v := recover()
	if v == nil {
		return
	}
	c.s.c.Logger.Error("acme: panic", "path", c.r.URL.Path, "stack", string(debug.Stack()))
	if !c.sent {
		c.fail(problem(acme.ServerInternal, 0, "a fault of this side"))
	}
}

// link returns the URL of a resource.
func (c *call) link(parts ...string) string { return c.base + "/" + strings.Join(parts, "/") }

// context outlives the request, for what must not be cut off halfway.
func (c *call) lasting() context.Context { return context.WithoutCancel(c.r.Context()) }
