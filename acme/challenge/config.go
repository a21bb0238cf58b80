package challenge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chancery-ca/chancery/acme"
)

// Config is what validators have in common.
type Config struct {
	Resolver  Resolver      // required
	Addresses Addresses     // zero: public and private unicast
	Dial      DialFunc      // how to get to a checked address; nil is a direct connection. See [ConnectProxy].
	Timeout   time.Duration // of a whole validation; default 20s

	// HTTPPort and TLSPort are for tests: where http-01 begins and redirects to http may go, and where
	// tls-alpn-01 and redirects to https go. Default 80 and 443, as the protocol has it.
	HTTPPort, TLSPort uint16

	UserAgent string // of http-01; default "chancery"

	// AccountHashPrefixes are of dns-persist-01, draft 02: what the directory says as accountHashPrefix, and
	// former ones that are to go on working.
	AccountHashPrefixes []string

	// PlainAccountURI makes dns-persist-01 take the account's URL itself, too, as drafts 00 and 01 had it and
	// most clients still do.
	PlainAccountURI bool
}

func (c Config) fault() error {
	if c.Resolver == nil {
		return errors.New("challenge: a Resolver is required")
	}
	if c.Timeout < 0 {
		return errors.New("challenge: Timeout is below zero")
	}
	return c.Addresses.fault()
}

// withDefaults checks c and returns it filled in.
func (c Config) withDefaults() (Config, error) {
	if err := c.fault(); err != nil {
		return c, err
	}
	if c.Timeout == 0 {
		c.Timeout = 20 * time.Second
	}
	if c.HTTPPort == 0 {
		c.HTTPPort = 80
	}
	if c.TLSPort == 0 {
		c.TLSPort = 443
	}
	if c.UserAgent == "" {
		c.UserAgent = "chancery"
	}
	return c, nil
}

// fail makes what Validate returns when something was amiss: a problem, unless the caller has ended ctx or it is
// this side's fault. cause is for the log; detail has nothing in it that came over the network.
func fail(ctx context.Context, t acme.ProblemType, cause error, format string, args ...any) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("challenge: the validation was ended: %w", context.Cause(ctx))
	case errors.Is(cause, ErrUnsupported):
		return cause
	}
	return &acme.Problem{Type: t, Detail: fmt.Sprintf(format, args...), Cause: cause}
}

// usable refuses a validation that the CA should not have asked for. It is a fault of this side: clients'
// input was checked when they made their order.
func usable(v acme.Validator, c *acme.Validation) error {
	id, err := acme.ParseIdentifier(c.Identifier.Type, c.Identifier.Value)
	switch {
	case err != nil || id != c.Identifier || id.Wildcard():
		return fmt.Errorf("challenge: %s: %q is not an identifier in its one spelling", v.Type(), c.Identifier)
	case !v.Offers(id):
		return fmt.Errorf("challenge: %s is not for %s", v.Type(), id)
	}
	return nil
}

func keyed(v acme.Validator, c *acme.Validation) error {
	if err := usable(v, c); err != nil {
		return err
	}
	if !base64url(c.Token) || len(c.KeyAuthorization) > maxKeyAuthorization || len(c.KeyAuthorization) <= len(c.Token)+1 {
		return fmt.Errorf("challenge: %s of %s: no token, or no key authorization", v.Type(), c.Identifier)
	}
	return nil
}

const maxKeyAuthorization = 1 << 10

// base64url reports whether s is what a token is made of (RFC 8555, section 8.1).
func base64url(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '-' && c != '_' && !digit(c) && !letter(c) {
			return false
		}
	}
	return s != "" && len(s) <= 512
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
