package oidc

import (
	"context"
	"crypto"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/chancery-ca/chancery/internal/jws"
	"github.com/chancery-ca/chancery/provisioner"
)

// How fresh what is known of a provider is kept.
const (
	freshFor    = 12 * time.Hour   // where the provider does not say
	freshMin    = 5 * time.Minute  // the least that the provider can ask for
	freshMax    = 24 * time.Hour   // and the most
	askAgain    = 10 * time.Second // how often unknown keys have us ask, whoever sends how many
	stillGood   = 72 * time.Hour   // how long keys are believed that cannot be asked for again
	fetchWithin = 5 * time.Second
)

// provider is what is known of an OpenID provider.
type provider struct {
	endpoint string // of the discovery document
	tenant   string
	fetch    fetcher
	known    atomic.Pointer[facts]

	turn    chan struct{} // held by whoever asks the provider, and for the fields below
	tried   time.Time     // when it was asked last, by a clock that nobody can set back
	trouble error         // what came of it, if nothing is known yet
}

// facts are immutable.
type facts struct {
	issuer string
	keys   []key
	at     time.Time
	until  time.Time // when to ask again
}

type key struct {
	id         string
	public     crypto.PublicKey
	algorithms []jose.SignatureAlgorithm
}

const discoveryPath = "/.well-known/openid-configuration"

func newProvider(c *Config) *provider {
	endpoint := strings.TrimSuffix(c.ConfigurationEndpoint, "/")
	if !strings.HasSuffix(endpoint, discoveryPath) {
		endpoint += discoveryPath
	}
	var client http.Client
	if c.Client != nil {
		client = *c.Client
	} else {
		client.Transport = &http.Transport{
			TLSHandshakeTimeout: fetchWithin, ResponseHeaderTimeout: fetchWithin, MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConns: 2, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true,
		}
	}
	if client.CheckRedirect == nil { // the standard library's answer is to follow, to http as well
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return &provider{endpoint: endpoint, tenant: c.TenantID, fetch: fetcher{&client}, turn: make(chan struct{}, 1)}
}

// isIssuer is asked after a token's signature was found good, so the facts are there.
func (p *provider) isIssuer(iss string) bool {
	f := p.known.Load()
	return f != nil && iss != "" && iss == f.issuer
}

// open verifies a token, and returns its payload. A key that is not known has the provider asked again, but
// not too often: whoever can send tokens with made-up key ids must not make us a nuisance.
func (p *provider) open(ctx context.Context, m *jws.Message) ([]byte, error) {
	f := p.known.Load()
	if f == nil || time.Now().After(f.until) {
		var err error
		if f, err = p.refresh(ctx, f, true); err != nil {
			return nil, err
		}
	}
	k := f.key(m.Header.KeyID)
	if k == nil {
		again, err := p.refresh(ctx, f, false)
		if err != nil {
			return nil, err
		}
		k = again.key(m.Header.KeyID)
	}
	if k == nil {
		return nil, provisioner.Refuse(provisioner.Unauthenticated, "key", "token is by a key that the provider does not have")
	}
	payload, err := m.Verify(k.public, k.algorithms)
	if err != nil {
		return nil, jws.Refusal(err)
	}
	return payload, nil
}

// key finds one by its id. A token without an id is good only where the provider has no more than one key.
func (f *facts) key(id string) *key {
	for i := range f.keys {
		if f.keys[i].id == id && id != "" || id == "" && len(f.keys) == 1 {
			return &f.keys[i]
		}
	}
	return nil
}

// refresh asks the provider, unless somebody has just done so. Those who come meanwhile wait for the answer,
// unless what they have is only stale: a provider that hangs must not make everybody wait by turns. If there
// is no answer, what is known already is good for a while.
func (p *provider) refresh(ctx context.Context, have *facts, stale bool) (*facts, error) {
	select {
	case p.turn <- struct{}{}:
	default:
		if stale && have != nil {
			if f, err := p.old(have, time.Now()); err == nil {
				return f, nil
			}
		}
		select {
		case p.turn <- struct{}{}:
		case <-ctx.Done():
			return nil, unavailable(ctx.Err())
		}
	}
	defer func() { <-p.turn }()
	now := time.Now()
	f := p.known.Load()
	switch {
	case f != nil && f != have && (!stale || now.Before(f.until)): // somebody else has asked
		return f, nil
	case !p.tried.IsZero() && now.Sub(p.tried) < askAgain:
		if f == nil {
			return nil, unavailable(p.trouble)
		}
		return p.old(f, now)
	}
	p.tried = now
	fresh, err := p.ask(context.WithoutCancel(ctx), now) // the answer is for everybody
	if err == nil {
		p.known.Store(fresh)
		return fresh, nil
	}
	p.trouble = err
	if f == nil {
		return nil, unavailable(err)
	}
	return p.old(f, now)
}

// old returns what was known before, if it can still be believed.
func (p *provider) old(f *facts, now time.Time) (*facts, error) {
	if now.Sub(f.at) > stillGood {
		return nil, unavailable(errors.New("oidc: what is known of the provider is too old"))
	}
	return f, nil
}

func unavailable(err error) error {
	return &provisioner.Refusal{Kind: provisioner.Unavailable, Code: "provider", Reason: "the OpenID provider does not answer as it should", Err: err}
}

// ask fetches the discovery document (OpenID Connect Discovery 1.0, section 4) and the keys that it leads to.
func (p *provider) ask(ctx context.Context, now time.Time) (*facts, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchWithin)
	defer cancel()
	var d struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if _, err := p.fetch.json(ctx, p.endpoint, &d); err != nil {
		return nil, err
	}
	d.Issuer = strings.ReplaceAll(d.Issuer, "{tenantid}", p.tenant)
	// Section 4.3: the issuer is the URL below which the document was found. Providers for many tenants have
	// one document for all, and say another issuer in it.
	if want := strings.TrimSuffix(p.endpoint, discoveryPath); p.tenant == "" && strings.TrimSuffix(d.Issuer, "/") != want {
		return nil, errors.New("oidc: the discovery document is of another issuer")
	}
	if d.Issuer == "" || strings.Contains(d.Issuer, "{") {
		return nil, errors.New("oidc: the discovery document does not say whose it is")
	}
	if !p.mayAsk(d.Keys) {
		return nil, errors.New("oidc: the provider's keys are not behind https")
	}
	var set struct {
		Keys []rawKey `json:"keys"`
	}
	life, err := p.fetch.json(ctx, d.Keys, &set)
	if err != nil {
		return nil, err
	}
	f := &facts{issuer: d.Issuer, at: now, until: now.Add(life)}
	if len(set.Keys) > maxKeys {
		return nil, errors.New("oidc: the provider has too many keys")
	}
	for _, raw := range set.Keys {
		if k := raw.parse(); k != nil {
			f.keys = append(f.keys, *k)
		}
	}
	if len(f.keys) == 0 {
		return nil, errors.New("oidc: the provider has no key for signatures")
	}
	return f, nil
}

// mayAsk judges where keys are said to be: behind https, possibly with a query, as some of Entra's are. A
// provider on this machine, during development, may do without. Another must not have us ask this machine.
func (p *provider) mayAsk(keys string) bool {
	u, err := url.Parse(keys)
	if err != nil || u.Scheme != "https" && !strings.HasPrefix(p.endpoint, "http://") {
		return false
	}
	u.RawQuery = ""
	return checkURL(u.String()) == nil
}

// maxKeys bounds how many keys a provider may have.
const maxKeys = 100

// rawKey is a JSON Web Key, not yet looked at: one of a kind that is not known must not spoil the others.
type rawKey []byte

func (k *rawKey) UnmarshalJSON(b []byte) error {
	*k = slices.Clone(b)
	return nil
}

// parse returns the key if it is one for signatures, else nil.
func (k rawKey) parse() *key {
	var j jose.JSONWebKey
	if j.UnmarshalJSON(k) != nil || !j.Valid() || !j.IsPublic() || j.Use != "" && j.Use != "sig" {
		return nil
	}
	algs := jws.AlgorithmsFor(j.Key)
	if a := jose.SignatureAlgorithm(j.Algorithm); a != "" {
		if !slices.Contains(algs, a) {
			return nil
		}
		algs = []jose.SignatureAlgorithm{a}
	}
	if len(algs) == 0 {
		return nil
	}
	return &key{j.KeyID, j.Key, algs}
}
