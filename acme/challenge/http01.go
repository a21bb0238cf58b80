package challenge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/chancery-ca/chancery/acme"
)

const (
	maxRedirects = 10
	maxHeader    = 16 << 10 // bytes of an answer's header
	maxSpace     = 64       // bytes after the key authorization, which are to be white space
)

// HTTP01 is http-01 (RFC 8555, section 8.3; RFC 8738 for addresses): a GET over HTTP/1.1 for a file on port 80.
//
// Redirects are followed, at most ten, to http on port 80 and https on port 443 and nothing else, each hop to
// an address that is let in. Certificates are not verified: a host that wants one has none to show.
type HTTP01 struct {
	cfg    Config
	dialer *Dialer
}

// NewHTTP01 returns the validator.
func NewHTTP01(c Config) (*HTTP01, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	d, err := NewDialer(c)
	return &HTTP01{c, d}, err
}

// Type returns http-01.
func (v *HTTP01) Type() acme.ChallengeType { return acme.HTTP01 }

// Offers is true for names that are no wildcards, and for addresses.
func (v *HTTP01) Offers(id acme.Identifier) bool {
	return id.Type == acme.DNS && !id.Wildcard() || id.Type == acme.IP
}

// Validate implements [acme.Validator].
func (v *HTTP01) Validate(ctx context.Context, c *acme.Validation) (*acme.Evidence, error) {
	if err := keyed(v, c); err != nil {
		return nil, err
	}
	inner, cancel := context.WithTimeout(ctx, v.cfg.Timeout)
	defer cancel()
	at, err := v.first(c)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for range maxRedirects + 1 {
		seen[at.url.String()] = true
		a := v.fetch(inner, at, len(c.KeyAuthorization)+maxSpace)
		if a.err != nil {
			return nil, v.explain(ctx, c, at, a.err)
		}
		if a.location == nil {
			return v.judge(ctx, c, at, a)
		}
		if at, err = v.next(at, *a.location); err != nil {
			return nil, fail(ctx, acme.Connection, err, "%s: a redirect goes where redirects must not go", c.Identifier.Value)
		}
		if seen[at.url.String()] {
			return nil, fail(ctx, acme.Connection, nil, "%s: the redirects go in a circle", c.Identifier.Value)
		}
	}
	return nil, fail(ctx, acme.Connection, nil, "%s: there are more than %d redirects", c.Identifier.Value, maxRedirects)
}

func (v *HTTP01) judge(ctx context.Context, c *acme.Validation, at target, a answer) (*acme.Evidence, error) {
	switch {
	case a.status != http.StatusOK:
		return nil, fail(ctx, acme.Unauthorized, fmt.Errorf("status %d", a.status), "%s%s: the file of the challenge is not there", c.Identifier.Value, at.where())
	case strings.TrimRight(a.body, " \t\r\n") != c.KeyAuthorization:
		return nil, fail(ctx, acme.IncorrectResponse, nil, "%s%s: the file of the challenge is not the key authorization", c.Identifier.Value, at.where())
	}
	return &acme.Evidence{Address: a.from.String()}, nil
}

// explain has one text for whatever kept a connection from being made or used, so that nobody can map a network
// with it.
func (v *HTTP01) explain(ctx context.Context, c *acme.Validation, at target, err error) error {
	name, where := c.Identifier.Value, at.where()
	switch {
	case errors.Is(err, errLookup):
		return fail(ctx, acme.DNSProblem, err, "%s%s: no address could be looked up", name, where)
	case errors.Is(err, errTLS):
		return fail(ctx, acme.TLSProblem, err, "%s%s: there is no TLS to be had", name, where)
	}
	return fail(ctx, acme.Connection, err, "%s%s: there is no HTTP server that answers in time and in form", name, where)
}

// answer is what one request came to.
type answer struct {
	from     netip.AddrPort
	status   int
	location *string // of a redirect
	body     string
	err      error
}

var errTLS = errors.New("TLS")

// fetch asks one server for one file, over a connection of its own. That is made beforehand, and handed to the
// transport: a transport dials without the request's deadline.
func (v *HTTP01) fetch(ctx context.Context, at target, limit int) answer {
	conn, from, err := v.connect(ctx, at)
	if err != nil {
		return answer{err: err}
	}
	defer conn.Close()
	once := make(chan net.Conn, 1)
	once <- conn
	dial := func(context.Context, string, string) (net.Conn, error) {
		select {
		case conn := <-once:
			return conn, nil
		default:
			return nil, errors.New("a connection is for one request")
		}
	}
	tr := &http.Transport{
		DialContext: dial, DialTLSContext: dial,
		DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxHeader,
	}
	defer tr.CloseIdleConnections()
	req := (&http.Request{Method: http.MethodGet, URL: at.url, Header: http.Header{
		"User-Agent": {v.cfg.UserAgent}, "Accept": {"*/*"}, "Accept-Encoding": {"identity"},
	}}).WithContext(ctx)
	res, err := tr.RoundTrip(req)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	a := answer{from: from, status: res.StatusCode}
	switch a.status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		to := strings.Join(res.Header.Values("Location"), "\n") // two of them are none
		a.location = &to
	case http.StatusOK:
		b, err := io.ReadAll(io.LimitReader(res.Body, int64(limit)+1))
		if err != nil {
			return answer{err: err}
		}
		if len(b) > limit {
			b = nil
		}
		a.body = string(b)
	}
	return a
}

func (v *HTTP01) connect(ctx context.Context, at target) (net.Conn, netip.AddrPort, error) {
	conn, from, err := v.dialer.Dial(ctx, at.host, at.port)
	if err != nil || at.url.Scheme != "https" {
		return conn, from, err
	}
	t, err := handshake(ctx, conn, &tls.Config{ServerName: at.serverName(), InsecureSkipVerify: true}) // see HTTP01
	return t, from, err
}

// handshake closes conn if it fails.
func handshake(ctx context.Context, conn net.Conn, c *tls.Config) (*tls.Conn, error) {
	t := tls.Client(conn, c)
	if err := t.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("%w: %w", errTLS, err)
	}
	return t, nil
}

// first is where http-01 begins.
func (v *HTTP01) first(c *acme.Validation) (target, error) {
	host := c.Identifier.Value
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return v.target(&url.URL{Scheme: "http", Host: host, Path: "/.well-known/acme-challenge/" + c.Token})
}
