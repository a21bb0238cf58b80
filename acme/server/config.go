package server

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/acme/challenge"
	"github.com/chancery-ca/chancery/provisioner"
)

// Config is what a [Server] is made from. The zero value works in one process: it forgets accounts and orders when
// that ends, and checks http-01, dns-01 and tls-alpn-01 against public and private addresses, with the system's
// resolver.
type Config struct {
	Name string // of the provisioner; default "acme"

	// URL is where clients see the server: scheme, host and path, without a slash at the end, say
	// "https://ca.example.com/acme/acme". Empty: each request says it, by its Host header and its path, and always
	// with https unless PlainHTTP is set; a proxy in front must then pass both on.
	URL       string
	PlainHTTP bool // without URL: requests that came without TLS are answered with http URLs. For tests.

	Store      acme.Store       // nil: acme.NewMemory()
	Validators []acme.Validator // types must differ; nil: see above

	TermsOfService string   // URL; accounts must agree to it, if there is one
	Website        string   // URL for people
	CAA            []string // the CA's names in CAA records, for the directory and for validators that look at them

	// Profiles are those of the authority that clients may ask for by name, with a word or a URL about each. The
	// provisioner's binding must list them, too.
	Profiles map[string]string

	RequireExternalKey bool // accounts need an external account binding
	RequireContact     bool // accounts need a contact

	// ForceCN makes the first DNS name the common name of certificates whose CSR has none.
	ForceCN bool

	Renewal provisioner.Renewal // by the authority's own API, with the certificate's key
	Limits  Limits

	OrderLife         time.Duration // default 24h
	AuthorizationLife time.Duration // of valid ones; default 24h

	// Patience is how long a request waits for a validation or a certificate before it is answered with
	// "processing"; default 3s, negative: not at all.
	Patience time.Duration

	Validations int             // at one time; default 32
	Retries     []time.Duration // before each further attempt when nobody answered a validation; nil: 1s and 3s

	// RenewalInfo explains a renewal that the CA wants, at a URL for people (RFC 9773, section 4.2).
	RenewalInfo string

	// ClientAddress tells who sent a request, for limits and events; nil: the connection's other end.
	ClientAddress func(*http.Request) netip.Addr

	// NonceSecrets are shared by all nodes, as [envelope.NonceConfig] has it; nil: one that the store keeps.
	//
	// [envelope.NonceConfig]: https://pkg.go.dev/github.com/chancery-ca/chancery/acme/envelope#NonceConfig
	NonceSecrets [][]byte

	// Public are further members of what step-ca's clients read of the provisioner, "claims" for instance.
	Public map[string]any

	Logger *slog.Logger // faults of this side; nil discards
}

// Limits bound what clients can cost. Zero fields are the defaults; negative ones do not bound.
type Limits struct {
	Identifiers           int // of an order; default 100
	Accounts              int // new ones for a client address (IPv6: /64) in an hour; default 500
	Orders                int // new ones for an account in an hour, refused ones too; default 2000
	PendingAuthorizations int // of an account; default 1000
	FailedValidations     int // for an account and identifier in an hour; default 30
	FailedFromAddress     int // failed validations that a client address asked for in an hour; default 600
	Finalizations         int // attempts to issue for an order; default 10
}

func (l Limits) withDefaults() Limits {
	l.Identifiers = cmp.Or(l.Identifiers, 100)
	l.Accounts = cmp.Or(l.Accounts, 500)
	l.Orders = cmp.Or(l.Orders, 2000)
	l.PendingAuthorizations = cmp.Or(l.PendingAuthorizations, 1000)
	l.FailedValidations = cmp.Or(l.FailedValidations, 30)
	l.FailedFromAddress = cmp.Or(l.FailedFromAddress, 600)
	l.Finalizations = cmp.Or(l.Finalizations, 10)
	return l
}

// withDefaults checks c, reports every fault, and returns it filled in.
func (c Config) withDefaults() (Config, error) {
	var faults []error
	add := func(format string, args ...any) { faults = append(faults, fmt.Errorf("acme/server: "+format, args...)) }
	c.Name = cmp.Or(c.Name, "acme")
	if strings.ContainsAny(c.Name, "/?#%") {
		add("the name %q cannot be part of a URL's path as it stands", c.Name)
	}
	if c.URL != "" {
		u, err := url.Parse(c.URL)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(c.URL, "/") {
			add("URL %q is not of the form https://host/path", c.URL)
		}
	}
	if c.Store == nil {
		c.Store = acme.NewMemory()
	}
	if c.Validators == nil {
		var err error
		if c.Validators, err = defaultValidators(); err != nil {
			faults = append(faults, err)
		}
	}
	c.Validators = slices.Clone(c.Validators)
	seen := map[acme.ChallengeType]bool{}
	for _, v := range c.Validators {
		switch {
		case v == nil:
			add("a validator is nil")
		case seen[v.Type()]:
			add("two validators are for %s", v.Type())
		default:
			seen[v.Type()] = true
		}
	}
	for i, s := range c.NonceSecrets {
		if len(s) < 32 {
			add("nonce secret %d has less than 32 bytes", i)
		}
	}
	for _, d := range c.Retries {
		if d <= 0 || d > time.Minute {
			add("a retry after %s is not within a minute", d)
		}
	}
	if c.Retries == nil {
		c.Retries = []time.Duration{time.Second, 3 * time.Second}
	}
	c.OrderLife = cmp.Or(c.OrderLife, 24*time.Hour)
	c.AuthorizationLife = cmp.Or(c.AuthorizationLife, 24*time.Hour)
	c.Patience = cmp.Or(c.Patience, 3*time.Second)
	c.Validations = cmp.Or(c.Validations, 32)
	if c.OrderLife < time.Minute || c.AuthorizationLife < time.Minute || c.Validations < 1 {
		add("orders and authorizations live for a minute at least, and there is at least one validation at a time")
	}
	c.Limits = c.Limits.withDefaults()
	if c.ClientAddress == nil {
		c.ClientAddress = remote
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, errors.Join(faults...)
}

func defaultValidators() ([]acme.Validator, error) {
	c := challenge.Config{Resolver: challenge.System{Resolver: &net.Resolver{}}}
	h, herr := challenge.NewHTTP01(c)
	d, derr := challenge.NewDNS01(c)
	t, terr := challenge.NewTLSALPN01(c)
	return []acme.Validator{h, d, t}, errors.Join(herr, derr, terr)
}

// remote is the other end of the connection.
func remote(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap()
}
