package webhook

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Mode is how an event is put into a request: CloudEvents HTTP protocol binding, section 3.
type Mode int

// The modes. The signature covers the body, so in binary mode only ID, time of sending and data are
// authenticated by it, and not type, source and subject: prefer Structured.
const (
	Structured Mode = iota // the whole event is the body, application/cloudevents+json
	Binary                 // the data is the body, attributes are headers with the prefix ce-
)

// Config says where events go. All of it is checked by New.
type Config struct {
	URL     string   // required: absolute, https, without credentials and fragment
	Secrets []Secret // each signs every request; during a rotation the new one and the old
	Mode    Mode

	Unsigned  bool        // allows no Secrets, where something else shows the receiver who posts
	AllowHTTP bool        // allows http in URL: everybody on the way can read and, unsigned, write events
	Headers   http.Header // of every request beside its own, such as Authorization; they are kept out of errors and logs

	// Client makes the requests; New uses a copy that follows no redirects and keeps no cookies. Nil is a
	// client of the sink's own, with TLS 1.2 or newer, without proxy and with limits on everything.
	Client *http.Client
	// TLS is of the sink's own client, for other roots or a client certificate. Nil trusts the system's roots.
	TLS *tls.Config
	// Control is asked by the sink's own client before it connects to an address (as of net.Dialer), after
	// the name is resolved, and may refuse it: a policy that no DNS answer gets around.
	Control func(network, address string, c syscall.RawConn) error

	Timeout time.Duration // for one request with its answer; default 15s

	// Permanent reports whether an answer of a status that is not 2xx means that this event will never be
	// accepted. Nil is 413 and 422; see the package comment for why not more.
	Permanent func(status int) bool
}

const (
	defaultTimeout = 15 * time.Second
	dialTimeout    = 10 * time.Second
	idleTimeout    = 90 * time.Second
	maxAnswer      = 64 << 10 // bytes of headers, and of the body
)

// check returns the parsed URL, and every fault at once.
func (c *Config) check() (*url.URL, error) {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("webhook: "+format, args...)) }
	u, err := url.Parse(c.URL)
	switch { // none of them repeats the URL, whose path and query are often the credential
	case err != nil || u.Host == "" || u.Opaque != "":
		fault("URL is not an absolute one")
	case u.Scheme != "https" && u.Scheme != "http":
		fault("URL has scheme %q, not https", u.Scheme)
	case u.Scheme == "http" && !c.AllowHTTP:
		fault("URL is http, which AllowHTTP has to allow")
	case u.User != nil:
		fault("URL has credentials, which belong into Headers")
	case u.Fragment != "":
		fault("URL has a fragment")
	}
	if len(c.Secrets) == 0 && !c.Unsigned {
		fault("no Secrets, which Unsigned has to allow")
	}
	if slices.ContainsFunc(c.Secrets, Secret.IsZero) {
		fault("one of Secrets is the zero Secret")
	}
	if c.Mode != Structured && c.Mode != Binary {
		fault("unknown Mode %d", c.Mode)
	}
	if c.Client != nil && (c.TLS != nil || c.Control != nil) {
		fault("TLS and Control are of the sink's own client, and there is a Client")
	}
	for name, values := range c.Headers {
		if err := checkHeader(name, values); err != nil {
			faults = append(faults, err)
		}
	}
	return u, errors.Join(faults...)
}

// taken are headers that the sink or net/http sets.
var taken = []string{"Connection", "Content-Encoding", "Content-Length", "Content-Type", "Host", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

func checkHeader(name string, values []string) error {
	canonical := textproto.CanonicalMIMEHeaderKey(name)
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isTokenChar(r) }) {
		return fmt.Errorf("webhook: Headers has the invalid name %q", name)
	}
	if slices.Contains(taken, canonical) || strings.HasPrefix(canonical, "Webhook-") || strings.HasPrefix(canonical, "Ce-") {
		return fmt.Errorf("webhook: Headers has %s, which is not free", canonical)
	}
	for _, v := range values {
		if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return fmt.Errorf("webhook: Headers has an invalid value of %s", canonical)
		}
	}
	return nil
}

// isTokenChar: RFC 9110, section 5.6.2.
func isTokenChar(r rune) bool {
	return r > ' ' && r < 0x7f && !strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}

// client returns what makes the requests.
func (c *Config) client() *http.Client {
	out := http.Client{}
	if c.Client != nil {
		out = *c.Client
	} else {
		out.Transport = c.transport()
	}
	out.Jar = nil
	out.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &out
}

func (c *Config) transport() *http.Transport {
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.TLS != nil {
		t = c.TLS.Clone()
		t.MinVersion = max(t.MinVersion, tls.VersionTLS12)
	}
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: dialTimeout, Control: c.Control}).DialContext,
		TLSClientConfig:        t,
		TLSHandshakeTimeout:    dialTimeout,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxAnswer,
	}
}
