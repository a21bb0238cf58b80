package oidc_test

import (
	"context"
	"crypto"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/oidc"
	"github.com/chancery-ca/chancery/provisioner/provisionertest"
)

func TestConformance(t *testing.T) {
	p := newIDP(t)
	leaf := provisionertest.NewCA(t).Leaf(t, provisionertest.NewKey(t, jose.ES256), "4711", nil)
	provisionertest.Run(t, func(t *testing.T) provisionertest.Harness {
		o := p.provisioner(func(c *oidc.Config) { c.Admins = []string{"root@example.com"} })
		again := func(op provisioner.Operation) func() *provisioner.Request {
			return func() *provisioner.Request {
				return &provisioner.Request{Operation: op, Certificate: leaf, Proof: provisioner.TLSProof}
			}
		}
		admin := func(op provisioner.Operation) func() *provisioner.Request {
			return func() *provisioner.Request {
				return &provisioner.Request{Operation: op, Token: p.token(with(good(), map[string]any{"email": "root@example.com"})), Serial: "1f"}
			}
		}
		return provisionertest.Harness{
			Provisioner: o,
			Good: map[provisioner.Operation]func() *provisioner.Request{
				provisioner.X509Sign:   func() *provisioner.Request { return x509Request(t, p.token(good())) },
				provisioner.SSHSign:    func() *provisioner.Request { return sshRequest(t, p.token(good())) },
				provisioner.X509Renew:  again(provisioner.X509Renew),
				provisioner.X509Rekey:  again(provisioner.X509Rekey),
				provisioner.X509Revoke: admin(provisioner.X509Revoke),
				provisioner.SSHRevoke:  admin(provisioner.SSHRevoke),
			},
			WithRenewal: func(n provisioner.Renewal) provisioner.Provisioner {
				return p.provisioner(func(c *oidc.Config) { c.Renewal = n })
			},
		}
	})
}

// The kit's forgeries of tokens, too. They are made for step's one-time tokens, so these have a jti and no
// nonce, live no longer than those, and sha is a claim like others, with a rule. Revocation is not among
// them: an admin may revoke every serial.
func TestForgeries(t *testing.T) {
	for _, alg := range []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.EdDSA} {
		t.Run(string(alg), func(t *testing.T) {
			p := newIDP(t)
			p.rotate("k1", alg)
			stranger := provisionertest.NewKey(t, alg)
			token := func() string {
				return p.token(with(good(), map[string]any{"nonce": nil, "jti": fmt.Sprint("j-", serial()), "sha": "seen"}))
			}
			provisionertest.Run(t, func(t *testing.T) provisionertest.Harness {
				return provisionertest.Harness{
					Provisioner: p.provisioner(func(c *oidc.Config) {
						c.MaxLife, c.Claims = 2*time.Hour, map[string][]string{"sha": {"seen"}}
					}),
					Good: map[provisioner.Operation]func() *provisioner.Request{
						provisioner.X509Sign: func() *provisioner.Request { return x509Request(t, token()) },
						provisioner.SSHSign:  func() *provisioner.Request { return sshRequest(t, token()) },
					},
					Tokens: &provisionertest.Tokens{Key: p.keys[0].Key.(crypto.Signer), Algorithm: alg, Stranger: stranger},
				}
			})
		})
	}
}

func TestGrant(t *testing.T) {
	p := newIDP(t)
	o := p.provisioner(nil)
	g, err := o.Authorize(context.Background(), x509Request(t, p.token(good())))
	require.NoError(t, err)
	require.Equal(t, "4711", g.Subject)
	require.Equal(t, []string{"Joe.Smith@example.com", issuer + "#4711"}, g.Names.Strings())
	require.False(t, g.AnyName)
	require.Nil(t, g.SSH)
	require.Equal(t, provisioner.Mark{Type: provisioner.TypeOIDC, CredentialID: client}, g.Mark)
	require.True(t, o.Marked(g.Mark))
	require.False(t, o.Marked(provisioner.Mark{Type: provisioner.TypeOIDC, CredentialID: "another"}))
	require.Equal(t, provisioner.Identifier{Kind: provisioner.Email, Value: "Joe.Smith@example.com"}, g.Identifiers[0])

	g, err = o.Authorize(context.Background(), sshRequest(t, p.token(good())))
	require.NoError(t, err)
	require.Equal(t, &provisioner.SSHGrant{
		Type: provisioner.SSHUser, KeyID: "Joe.Smith@example.com", Principals: []string{"joesmith", "Joe.Smith", "Joe.Smith@Example.com"},
	}, g.SSH)
	require.Zero(t, g.Names.Len())

	// Without an address: a name in X.509, and nothing for SSH.
	nobody := with(good(), map[string]any{"email": nil, "email_verified": nil})
	g, err = o.Authorize(context.Background(), x509Request(t, p.token(nobody)))
	require.NoError(t, err)
	require.Equal(t, []string{issuer + "#4711"}, g.Names.Strings())
	_, err = o.Authorize(context.Background(), sshRequest(t, p.token(nobody)))
	requireCode(t, err, "principals")
}

func TestPrincipals(t *testing.T) {
	for email, want := range map[string][]string{
		"Joe.Smith+x@ex.com": {"joesmith_x", "Joe.Smith+x", "Joe.Smith+x@ex.com"},
		"alice@ex.com":       {"alice", "alice@ex.com"},
		"ALICE@ex.com":       {"alice", "ALICE", "ALICE@ex.com"},
		"a-b@ex.com":         {"a-b", "a-b@ex.com"},
		"jörg@ex.com":        {"j_rg", "jörg", "jörg@ex.com"},
		`"a@b"@ex.com`:       {"_a_b_", `"a@b"@ex.com`}, // "a@b" could be all of somebody's address
		"a,root@ex.com":      {"a_root"},
		"@ex.com":            nil,
		"alice":              nil,
		"":                   nil,
		"...@ex.com":         {"...", "...@ex.com"},
	} {
		require.Equal(t, want, oidc.Principals(email), email)
	}
}

// Each refusal has a reason of its own, and each token would be good but for what was changed.
func TestRefusals(t *testing.T) {
	p := newIDP(t)
	at := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	strict := func(change func(c *oidc.Config)) *oidc.Provisioner {
		return p.provisioner(func(c *oidc.Config) {
			c.Domains, c.Groups = []string{"example.com"}, []string{"ops"}
			c.RequireVerifiedEmail, c.ACR, c.AMR = true, []string{"mfa"}, []string{"hwk", "otp"}
			c.Claims = map[string][]string{"tier": {"gold", "silver"}}
			c.Admins = []string{"root@other.com", "wheel"}
			if change != nil {
				change(c)
			}
		})
	}
	base := func() map[string]any {
		return with(good(), map[string]any{"groups": []string{"dev", "ops"}, "acr": "mfa", "amr": []string{"pwd", "otp"}, "tier": "silver"})
	}
	for name, x := range map[string]struct {
		changes map[string]any
		code    string
	}{
		"good":                       {nil, ""},
		"another issuer":             {map[string]any{"iss": "https://evil.example.com"}, "issuer"},
		"no issuer":                  {map[string]any{"iss": nil}, "issuer"},
		"another client":             {map[string]any{"aud": "another"}, "audience"},
		"no audience":                {map[string]any{"aud": nil}, "audience"},
		"for us to use":              {map[string]any{"azp": client}, ""},
		"for another to use":         {map[string]any{"azp": "another"}, "azp"},
		"azp that is no text":        {map[string]any{"azp": 7}, "azp"},
		"for several, nobody named":  {map[string]any{"aud": []string{client, "another"}}, "azp"},
		"for several, us named":      {map[string]any{"aud": []string{client, "another"}, "azp": client}, ""},
		"no subject":                 {map[string]any{"sub": nil}, "subject"},
		"no end":                     {map[string]any{"exp": nil}, "expiry"},
		"expired":                    {map[string]any{"exp": at(-2 * time.Minute)}, "expired"},
		"not yet":                    {map[string]any{"nbf": at(2 * time.Minute)}, "not-before"},
		"from the future":            {map[string]any{"iat": at(2 * time.Minute)}, "issued-in-future"},
		"for ever":                   {map[string]any{"exp": at(25 * time.Hour)}, "lifetime"},
		"nonce that is none":         {map[string]any{"nonce": ""}, "nonce"},
		"nonce of another type":      {map[string]any{"nonce": 1}, "nonce"},
		"no nonce":                   {map[string]any{"nonce": nil}, ""},
		"bound to a key":             {map[string]any{"cnf": map[string]any{"x5rt#S256": "AAAA"}}, "cnf"},
		"another domain":             {map[string]any{"email": "joe@example.org"}, "domain"},
		"a domain below":             {map[string]any{"email": "joe@sub.example.com"}, "domain"},
		"a domain that ends like it": {map[string]any{"email": "joe@evilexample.com"}, "domain"},
		"domain in capitals":         {map[string]any{"email": "joe@EXAMPLE.COM"}, ""},
		"no address":                 {map[string]any{"email": nil}, "email"},
		"two in one address":         {map[string]any{"email": "joe@example.org@example.com"}, "identity"},
		"no group":                   {map[string]any{"groups": nil}, "group"},
		"other groups":               {map[string]any{"groups": []string{"dev", "OPS"}}, "group"},
		"one group as text":          {map[string]any{"groups": "ops"}, ""},
		"not verified":               {map[string]any{"email_verified": false}, "email-unverified"},
		"not verified, as text":      {map[string]any{"email_verified": "false"}, "email-unverified"},
		"verified, as text":          {map[string]any{"email_verified": "true"}, ""},
		"nothing about verification": {map[string]any{"email_verified": nil}, "email-unverified"},
		"verification of a kind":     {map[string]any{"email_verified": 1}, "email-unverified"},
		"weak login":                 {map[string]any{"acr": "password"}, "acr"},
		"no acr":                     {map[string]any{"acr": nil}, "acr"},
		"password only":              {map[string]any{"amr": []string{"pwd"}}, "amr"},
		"no amr":                     {map[string]any{"amr": nil}, "amr"},
		"claim of another value":     {map[string]any{"tier": "bronze"}, "claim"},
		"claim missing":              {map[string]any{"tier": nil}, "claim"},
		"claim in a list":            {map[string]any{"tier": []string{"bronze", "gold"}}, ""},
		"admin of another domain":    {map[string]any{"email": "root@OTHER.com"}, ""},
		"admin without group":        {map[string]any{"email": "root@other.com", "groups": []string{"dev"}}, "group"},
	} {
		for _, request := range []func(testing.TB, string) *provisioner.Request{x509Request, sshRequest} {
			r := request(t, p.token(with(base(), x.changes)))
			g, err := strict(nil).Authorize(context.Background(), r)
			if x.code == "" {
				require.NoError(t, err, name)
				require.NotNil(t, g, name)
				continue
			}
			require.Nil(t, g, name)
			requireCode(t, err, x.code, name)
		}
	}
	r := sshRequest(t, p.token(base()))
	r.SSH.Type = provisioner.SSHHost
	_, err := strict(nil).Authorize(context.Background(), r)
	requireCode(t, err, "type")
	for _, op := range []provisioner.Operation{provisioner.X509Revoke, provisioner.SSHRevoke} {
		_, err = strict(nil).Authorize(context.Background(), &provisioner.Request{Operation: op, Token: p.token(base()), Serial: "1f"})
		requireCode(t, err, "admin")
	}
	lax := p.provisioner(nil)
	_, err = lax.Authorize(context.Background(), x509Request(t, p.token(with(good(), map[string]any{"email_verified": nil}))))
	require.NoError(t, err)
	_, err = lax.Authorize(context.Background(), x509Request(t, p.token(with(good(), map[string]any{"email_verified": false}))))
	requireCode(t, err, "email-unverified")
}

func TestAdmins(t *testing.T) {
	p := newIDP(t)
	o := p.provisioner(func(c *oidc.Config) { c.Admins = []string{"root@example.com", "wheel"} })
	for _, who := range []map[string]any{{"email": "root@EXAMPLE.com"}, {"groups": []string{"wheel"}}} {
		g, err := o.Authorize(context.Background(), x509Request(t, p.token(with(good(), who))))
		require.NoError(t, err)
		require.True(t, g.AnyName)
		require.Equal(t, "whatever", g.Subject)
		r := sshRequest(t, p.token(with(good(), who)))
		r.SSH.Type, r.SSH.KeyID, r.SSH.Principals = provisioner.SSHHost, "web", []string{"web.internal"}
		g, err = o.Authorize(context.Background(), r)
		require.NoError(t, err)
		require.Equal(t, &provisioner.SSHGrant{Type: provisioner.SSHHost, KeyID: "web", Principals: []string{"web.internal"}}, g.SSH)
		for _, spoil := range []func(*provisioner.SSHRequest){
			func(s *provisioner.SSHRequest) { s.KeyID = "" }, func(s *provisioner.SSHRequest) { s.Principals = nil },
			func(s *provisioner.SSHRequest) { s.Type = 0 }, func(s *provisioner.SSHRequest) { s.Principals = []string{"a,b"} },
			func(s *provisioner.SSHRequest) { s.Principals = []string{""} },
		} {
			r := sshRequest(t, p.token(with(good(), who)))
			r.SSH.Type, r.SSH.KeyID, r.SSH.Principals = provisioner.SSHHost, "web", []string{"web.internal"}
			spoil(r.SSH)
			_, err = o.Authorize(context.Background(), r)
			requireCode(t, err, "principals")
		}
		_, err = o.Authorize(context.Background(), sshRequest(t, p.token(with(good(), who))))
		require.NoError(t, err, "an admin logs in like everybody")
	}
	g, err := o.Authorize(context.Background(), x509Request(t, p.token(with(good(), map[string]any{"email": "Root@example.com"}))))
	require.NoError(t, err)
	require.False(t, g.AnyName, "another local part is another person")
}

func TestSpend(t *testing.T) {
	p := newIDP(t)
	o := p.provisioner(nil)
	id := func(claims map[string]any) string {
		g, err := o.Authorize(context.Background(), x509Request(t, p.token(claims)))
		require.NoError(t, err)
		require.True(t, g.Spend.Until.After(time.Now()))
		return g.Spend.ID
	}
	c := good()
	require.Equal(t, id(c), id(c), "another signature on the same claims")
	require.NotEqual(t, id(c), id(good()))
	require.Equal(t, id(c), id(with(c, map[string]any{"extra": 1})), "the same nonce")
	plain := with(c, map[string]any{"nonce": nil})
	require.NotEqual(t, id(c), id(plain))
	require.NotEqual(t, id(plain), id(with(plain, map[string]any{"extra": 1})))
	require.Equal(t, id(with(c, map[string]any{"jti": "j"})), id(with(good(), map[string]any{"jti": "j"})))
}

func TestAlgorithms(t *testing.T) {
	p := newIDP(t)
	o := p.provisioner(nil)
	try := func(token string) error {
		_, err := o.Authorize(context.Background(), x509Request(t, token))
		return err
	}
	require.NoError(t, try(p.token(good())))
	pub, err := p.keys[0].Public().MarshalJSON()
	require.NoError(t, err)
	requireCode(t, try(sign(t, jose.HS256, []byte(strings.Repeat(string(pub), 2)), "k1", good())), "algorithm")
	requireCode(t, try(sign(t, jose.ES256, provisionertest.NewKey(t, jose.ES256), "k1", good())), "signature")
	requireCode(t, try(sign(t, jose.RS256, provisionertest.NewKey(t, jose.RS256), "k1", good())), "algorithm")
	requireCode(t, try(sign(t, jose.ES256, p.keys[0].Key, "k2", good())), "key")
	require.NoError(t, try(sign(t, jose.ES256, p.keys[0].Key, "", good())), "the provider has just one")
	p.set(func() {
		p.keys = append(p.keys, jose.JSONWebKey{Key: provisionertest.NewKey(t, jose.ES256), KeyID: "k3", Algorithm: "ES256", Use: "sig"})
	})
	two := p.provisioner(nil)
	_, err = two.Authorize(context.Background(), x509Request(t, sign(t, jose.ES256, p.keys[0].Key, "", good())))
	requireCode(t, err, "key", "of two nobody can tell which")
	good := p.token(good())
	parts := strings.Split(good, ".")
	for _, bad := range []string{"", "a.b.c", parts[0] + "." + parts[1] + ".", good[:len(good)-3], strings.Replace(good, ".", "..", 1)} {
		require.Error(t, try(bad), bad)
	}
}

func TestPublic(t *testing.T) {
	o, err := oidc.New(oidc.Config{
		Name: "people", ClientID: "id", ClientSecret: "s", ConfigurationEndpoint: issuer, TenantID: "t", Admins: []string{"a@b.c"}, Domains: []string{"b.c"},
		Groups: []string{"g"}, ListenAddress: ":10000", Scopes: []string{"openid"}, AuthParams: []string{"x=y"}, Extra: map[string]any{"claims": map[string]any{"enableSSHCA": true}, "type": "JWK"},
	})
	require.NoError(t, err)
	require.JSONEq(t, `{"type":"OIDC","name":"people","clientID":"id","clientSecret":"s","configurationEndpoint":"https://idp.example.com","tenantID":"t",
		"admins":["a@b.c"],"domains":["b.c"],"groups":["g"],"listenAddress":":10000","scopes":["openid"],"authParams":["x=y"],"claims":{"enableSSHCA":true}}`,
		string(o.Public().(json.RawMessage)))
	_, ok := o.EncryptedKey("id")
	require.False(t, ok)
	for aud, want := range map[string]bool{"id": true, "other": false, "https://ca.example.com/1.0/sign": false, "": false} {
		require.Equal(t, want, o.Claims(&provisioner.Token{Audience: []string{aud}}), aud)
	}
	require.True(t, o.Claims(&provisioner.Token{Audience: []string{"x"}, AZP: "id"}))
	require.False(t, o.Claims(&provisioner.Token{Audience: []string{"id"}, AZP: "x"}))
}

func TestConfig(t *testing.T) {
	for want, c := range map[string]oidc.Config{
		"no name":               {ClientID: "id", ConfigurationEndpoint: issuer},
		"no client id":          {Name: "n", ConfigurationEndpoint: issuer},
		"is no URL":             {Name: "n", ClientID: "id"},
		"is not https":          {Name: "n", ClientID: "id", ConfigurationEndpoint: "http://idp.example.com"},
		"is no domain":          {Name: "n", ClientID: "id", ConfigurationEndpoint: issuer, Domains: []string{"@example.com"}},
		"no value of claim":     {Name: "n", ClientID: "id", ConfigurationEndpoint: issuer, Claims: map[string][]string{"repository": nil}},
		"is not host:port":      {Name: "n", ClientID: "id", ConfigurationEndpoint: issuer, ListenAddress: "10000"},
		"endpoint is no URL of": {Name: "n", ClientID: "id", ConfigurationEndpoint: "https://idp.example.com?"},
		"configuration endp":    {Name: "n", ClientID: "id", ConfigurationEndpoint: "https://user:pw@idp.example.com"},
		"public form":           {Name: "n", ClientID: "id", ConfigurationEndpoint: issuer, Extra: map[string]any{"x": func() {}}},
	} {
		_, err := oidc.New(c)
		require.ErrorContains(t, err, want)
	}
	_, err := oidc.New(oidc.Config{Name: "n", ClientID: "id", ConfigurationEndpoint: "http://127.0.0.1:1"})
	require.NoError(t, err)
}
