package oidc

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/chancery-ca/chancery/provisioner"
)

// Config is what a Provisioner is made from.
type Config struct {
	Name     string // required
	ClientID string // required: the audience of its tokens

	// ClientSecret is what step's clients need for the flow of an installed application, in which it is no
	// secret: everybody may read it at /provisioners.
	ClientSecret string

	// ConfigurationEndpoint is the provider's issuer URL, or that of its discovery document below it.
	// Required, and https: only on loopback may it be http.
	ConfigurationEndpoint string
	TenantID              string // stands for {tenantid} in the issuer of providers that have many tenants

	// Admins are e-mail addresses, or groups, of those who may have what they ask for, and revoke.
	Admins []string

	Domains []string // of e-mail addresses; nil: any. Admins may have another
	Groups  []string // one of which the token must name; nil: none is needed. Admins are not excepted

	// RequireVerifiedEmail refuses tokens that do not say email_verified. Those that say that it is not are
	// refused anyway.
	RequireVerifiedEmail bool

	// ACR and AMR ask for a second factor, say: the token's acr must be one of ACR, and its amr must hold one
	// of AMR (OpenID Connect Core 1.0, section 2; RFC 8176). nil asks for nothing.
	ACR, AMR []string

	// Audiences are further audiences that tokens may have, beside ClientID.
	Audiences []string

	// Claims are values that claims must have, by name: one of each list. For the tokens of CI jobs.
	Claims map[string][]string

	// Identity says who somebody is, of claims that were verified; nil: [ByEmail].
	Identity func(claims map[string]any) (*Identity, error)

	Renewal provisioner.Renewal
	MaxLife time.Duration // how far ahead a token may expire; zero means 24h, and less is a fault

	ListenAddress string   // for step's clients: where their end of the flow listens
	Scopes        []string // for step's clients
	AuthParams    []string // for step's clients

	// Client asks the provider; nil: one that has no proxy. Redirects are followed only if it has a
	// CheckRedirect that says so. It must have a policy for the addresses that it connects to, if
	// ConfigurationEndpoint is not the operator's own choice.
	Client *http.Client

	// Extra are further members of the public form, "claims" and "options" for step's clients. They are
	// published as they are.
	Extra map[string]any
}

// Identity is whom a token speaks for.
type Identity struct {
	Subject    string // required
	Email      string // empty: none
	KeyID      string // of SSH certificates; empty: the e-mail address, or else the subject
	Names      provisioner.Names
	Principals []string // of SSH user certificates; nil: it gets none
	Groups     []string
}

// defaultMaxLife is enough for the tokens of providers, which live an hour or a day.
const defaultMaxLife = 24 * time.Hour

func (c *Config) check() error {
	var errs []error
	if c.Name == "" {
		errs = append(errs, errors.New("oidc: provisioner has no name"))
	}
	if c.ClientID == "" {
		errs = append(errs, fmt.Errorf("oidc: provisioner %q has no client id", c.Name))
	}
	if err := checkURL(c.ConfigurationEndpoint); err != nil {
		errs = append(errs, fmt.Errorf("oidc: provisioner %q: configuration endpoint %w", c.Name, err))
	}
	for _, d := range c.Domains {
		if d == "" || strings.ContainsAny(d, "@ ,") {
			errs = append(errs, fmt.Errorf("oidc: provisioner %q: %.100q is no domain", c.Name, d))
		}
	}
	for k, v := range c.Claims {
		if len(v) == 0 {
			errs = append(errs, fmt.Errorf("oidc: provisioner %q: no value of claim %.100q is allowed", c.Name, k))
		}
		if slices.Contains(v, "") {
			errs = append(errs, fmt.Errorf("oidc: provisioner %q: a value of claim %.100q is empty", c.Name, k))
		}
	}
	// What is empty would match what a token leaves empty, or does not say at all.
	for _, l := range []struct {
		name string
		list []string
	}{{"admins", c.Admins}, {"groups", c.Groups}, {"acr", c.ACR}, {"amr", c.AMR}, {"audiences", c.Audiences}} {
		if slices.Contains(l.list, "") {
			errs = append(errs, fmt.Errorf("oidc: provisioner %q: an entry of %s is empty", c.Name, l.name))
		}
	}
	if c.MaxLife < 0 {
		errs = append(errs, fmt.Errorf("oidc: provisioner %q: the longest life of a token is negative", c.Name))
	}
	if c.ListenAddress != "" {
		if _, _, err := net.SplitHostPort(c.ListenAddress); err != nil {
			errs = append(errs, fmt.Errorf("oidc: provisioner %q: listen address %.100q is not host:port", c.Name, c.ListenAddress))
		}
	}
	return errors.Join(errs...)
}

// checkURL wants https, but for a provider on this machine.
func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return errors.New("is no URL of a document")
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	if u.Scheme == "https" || u.Scheme == "http" && (host == "localhost" || ip != nil && ip.IsLoopback()) {
		return nil
	}
	return errors.New("is not https")
}

// public makes the form in which step's clients know the provisioner.
func (c *Config) public() (json.RawMessage, error) {
	m := maps.Clone(c.Extra)
	if m == nil {
		m = make(map[string]any)
	}
	m["type"], m["name"], m["clientID"], m["clientSecret"], m["configurationEndpoint"] = "OIDC", c.Name, c.ClientID, c.ClientSecret, c.ConfigurationEndpoint
	for k, v := range map[string]string{"tenantID": c.TenantID, "listenAddress": c.ListenAddress} {
		if v != "" {
			m[k] = v
		}
	}
	for k, v := range map[string][]string{"admins": c.Admins, "domains": c.Domains, "groups": c.Groups, "scopes": c.Scopes, "authParams": c.AuthParams} {
		if len(v) > 0 {
			m[k] = v
		}
	}
	return json.Marshal(m)
}
