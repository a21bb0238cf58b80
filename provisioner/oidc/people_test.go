package oidc_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/oidc"
	"github.com/chancery-ca/chancery/provisioner/provisionertest"
)

// The Kelvin sign is no k, nor the long s an s, though Unicode folds them: whoever has an address at such a
// domain is nobody's namesake.
func TestDomainsAreASCII(t *testing.T) {
	p := newIDP(t)
	o := p.provisioner(func(c *oidc.Config) {
		c.Admins, c.Domains = []string{"root@KernelS.org"}, []string{"Kernels.org"}
	})
	for domain, ours := range map[string]bool{"kernels.org": true, "KERNELS.ORG": true, "\u212aernels.org": false, "kernel\u017f.org": false} {
		g, err := o.Authorize(context.Background(), x509Request(t, p.token(with(good(), map[string]any{"email": "root@" + domain}))))
		if ours {
			require.NoError(t, err, domain)
			require.True(t, g.AnyName, domain)
			continue
		}
		requireCode(t, err, "domain", domain)
	}
}

// Who is an admin by a group needs no address, though others do.
func TestAdminWithoutAddress(t *testing.T) {
	p := newIDP(t)
	o := p.provisioner(func(c *oidc.Config) { c.Admins, c.Domains = []string{"wheel"}, []string{"example.com"} })
	for group, ok := range map[string]bool{"wheel": true, "staff": false} {
		claims := with(good(), map[string]any{"email": nil, "email_verified": nil, "groups": []string{group}})
		g, err := o.Authorize(context.Background(), x509Request(t, p.token(claims)))
		if !ok {
			requireCode(t, err, "email")
			continue
		}
		require.NoError(t, err)
		require.True(t, g.AnyName)
		for _, op := range []provisioner.Operation{provisioner.X509Revoke, provisioner.SSHRevoke} {
			_, err = o.Authorize(context.Background(), &provisioner.Request{Operation: op, Token: p.token(claims), Serial: "1f"})
			require.NoError(t, err)
		}
	}
}

// An address that two readers could read as two people's is nobody's. Each is compared with the good one.
func TestAddresses(t *testing.T) {
	p := newIDP(t)
	o := p.provisioner(nil)
	for email, ok := range map[string]bool{
		"joe@example.com": true, "Joe.Smith+x@ex.com": true, "jörg@ex.com": true, "a,root@ex.com": true, "o'neil@ex.com": true,
		"joe@example.org@example.com": false, `"joe@example.org"@ex.com`: false, "@ex.com": false, "joe@": false, "joe": false,
		"joe root@ex.com": false, "joe\n@ex.com": false, "joe@ex.com\x00": false, "joe\u202e@ex.com": false, "joe\u200b@ex.com": false,
		"https://joe@ex.com/": false, "192.0.2.1": false,
	} {
		for _, request := range []func(testing.TB, string) *provisioner.Request{x509Request, sshRequest} {
			_, err := o.Authorize(context.Background(), request(t, p.token(with(good(), map[string]any{"email": email}))))
			if ok {
				require.NoError(t, err, "%q", email)
				continue
			}
			requireCode(t, err, "identity", email)
		}
	}
}

// What nobody can have been given is no admin, group or factor.
func TestEmptyEntries(t *testing.T) {
	empty := []string{"x", ""}
	base := oidc.Config{Name: "n", ClientID: "id", ConfigurationEndpoint: issuer}
	_, err := oidc.New(base)
	require.NoError(t, err)
	for name, change := range map[string]func(c *oidc.Config){
		"admins":    func(c *oidc.Config) { c.Admins = empty },
		"groups":    func(c *oidc.Config) { c.Groups = empty },
		"acr":       func(c *oidc.Config) { c.ACR = empty },
		"amr":       func(c *oidc.Config) { c.AMR = empty },
		"audiences": func(c *oidc.Config) { c.Audiences = empty },
		"claim":     func(c *oidc.Config) { c.Claims = map[string][]string{"repository": empty} },
	} {
		c := base
		change(&c)
		_, err := oidc.New(c)
		require.ErrorContains(t, err, name)
	}
	base.MaxLife = -1
	_, err = oidc.New(base)
	require.ErrorContains(t, err, "life")
}

// What the caller does with its lists afterwards is its own affair.
func TestConfigIsCopied(t *testing.T) {
	p := newIDP(t)
	tiers, admins := []string{"gold"}, []string{"root@example.com"}
	o := p.provisioner(func(c *oidc.Config) { c.Claims, c.Admins = map[string][]string{"tier": tiers}, admins })
	tiers[0], admins[0] = "bronze", "Joe.Smith@example.com"
	g, err := o.Authorize(context.Background(), x509Request(t, p.token(with(good(), map[string]any{"tier": "gold"}))))
	require.NoError(t, err)
	require.False(t, g.AnyName)
	_, err = o.Authorize(context.Background(), x509Request(t, p.token(with(good(), map[string]any{"tier": "bronze"}))))
	requireCode(t, err, "claim")
}

// Requests that lack what is to be certified are bad, whoever makes them.
func TestIncompleteRequests(t *testing.T) {
	p := newIDP(t)
	o := p.provisioner(func(c *oidc.Config) { c.Admins = []string{"root@example.com"} })
	for _, email := range []string{"joe@example.com", "root@example.com"} {
		claims := with(good(), map[string]any{"email": email})
		for code, change := range map[string]func() *provisioner.Request{
			"csr": func() *provisioner.Request { r := x509Request(t, p.token(claims)); r.CSR = nil; return r },
			"key": func() *provisioner.Request { r := sshRequest(t, p.token(claims)); r.SSH = nil; return r },
		} {
			_, err := o.Authorize(context.Background(), change())
			requireCode(t, err, code, email)
			require.ErrorIs(t, err, provisioner.BadRequest)
		}
	}
	r := sshRequest(t, p.token(with(good(), map[string]any{"email": "root@example.com"})))
	r.SSH.Type, r.SSH.KeyID = provisioner.SSHHost, "web"
	_, err := o.Authorize(context.Background(), r)
	require.ErrorIs(t, err, provisioner.BadRequest)
	r.SSH.Principals = []string{"web.internal"}
	_, err = o.Authorize(context.Background(), r)
	require.NoError(t, err)

	// What somebody who is no admin asks for says nothing, as in step-ca.
	r = sshRequest(t, p.token(good()))
	r.SSH.Type, r.SSH.KeyID, r.SSH.Principals = provisioner.SSHUser, "root", []string{"root"}
	g, err := o.Authorize(context.Background(), r)
	require.NoError(t, err)
	require.Equal(t, "Joe.Smith@example.com", g.SSH.KeyID)
	require.NotContains(t, g.SSH.Principals, "root")
}

// An Identity of the operator's own that says nothing, or fails, is no identity.
func TestOwnIdentity(t *testing.T) {
	p := newIDP(t)
	for code, f := range map[string]func(map[string]any) (*oidc.Identity, error){
		"identity": func(map[string]any) (*oidc.Identity, error) { return nil, nil },
		"principals": func(map[string]any) (*oidc.Identity, error) {
			return &oidc.Identity{Subject: "x", Principals: []string{"a,b"}}, nil
		},
		"": func(map[string]any) (*oidc.Identity, error) {
			return &oidc.Identity{Subject: "x", KeyID: "k", Principals: []string{"a"}}, nil
		},
	} {
		o := p.provisioner(func(c *oidc.Config) { c.Identity = f })
		g, err := o.Authorize(context.Background(), sshRequest(t, p.token(good())))
		if code != "" {
			requireCode(t, err, code)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, &provisioner.SSHGrant{Type: provisioner.SSHUser, KeyID: "k", Principals: []string{"a"}}, g.SSH)
		_, err = o.Authorize(context.Background(), x509Request(t, p.token(good())))
		requireCode(t, err, "names")
	}
}

func part(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// None of the ways to have a token believed by another algorithm than its key's.
func TestConfusion(t *testing.T) {
	for _, alg := range []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.EdDSA, jose.PS256, jose.ES384} {
		p := newIDP(t)
		p.rotate("k1", alg)
		o := p.provisioner(nil)
		try := func(token string) error {
			_, err := o.Authorize(context.Background(), x509Request(t, token))
			return err
		}
		token := p.token(good())
		require.NoError(t, try(token), alg)
		parts := strings.Split(token, ".")
		for _, none := range []any{"none", "None", "nOnE"} {
			unsigned := part(map[string]any{"alg": none, "kid": "k1"}) + "." + parts[1] + "."
			require.Error(t, try(unsigned), "%s", none)
			require.Error(t, try(unsigned+parts[2]), "%s", none)
		}
		der, err := x509.MarshalPKIXPublicKey(p.keys[0].Public().Key)
		require.NoError(t, err)
		for _, secret := range [][]byte{der, p.public(0)} {
			requireCode(t, try(sign(t, jose.HS256, secret, "k1", good())), "algorithm", alg)
		}
		for _, other := range []jose.SignatureAlgorithm{jose.ES256, jose.ES512, jose.RS256, jose.RS512, jose.PS256, jose.EdDSA} {
			if other == alg {
				continue
			}
			relabelled := part(map[string]any{"alg": other, "kid": "k1"}) + "." + parts[1] + "." + parts[2]
			requireCode(t, try(relabelled), "algorithm", alg, other)
			requireCode(t, try(sign(t, other, provisionertest.NewKey(t, other), "k1", good())), "algorithm", alg, other)
		}
		for _, h := range []string{"jwk", "jku", "x5u", "crit"} {
			introduced := part(map[string]any{"alg": alg, "kid": "k1", h: "https://evil.example.com"}) + "." + parts[1] + "." + parts[2]
			require.Error(t, try(introduced), h)
		}
	}
}

// A key is good for the algorithm that the provider says, though it could do others.
func TestKeyOfOneAlgorithm(t *testing.T) {
	p := newIDP(t)
	p.rotate("k1", jose.RS256)
	o := p.provisioner(nil)
	k := p.keys[0]
	_, err := o.Authorize(context.Background(), x509Request(t, sign(t, jose.RS256, k.Key, k.KeyID, good())))
	require.NoError(t, err)
	_, err = o.Authorize(context.Background(), x509Request(t, sign(t, jose.PS256, k.Key, k.KeyID, good())))
	requireCode(t, err, "algorithm")
}

// Of an ECDSA signature everybody can make a second one. It spends the same token.
func TestSecondSignature(t *testing.T) {
	p := newIDP(t)
	o := p.provisioner(nil)
	for _, claims := range []map[string]any{good(), with(good(), map[string]any{"nonce": nil}), with(good(), map[string]any{"jti": "j"})} {
		token := p.token(claims)
		first, err := o.Authorize(context.Background(), x509Request(t, token))
		require.NoError(t, err)
		dot := strings.LastIndexByte(token, '.')
		sig, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
		require.NoError(t, err)
		require.IsType(t, &ecdsa.PublicKey{}, p.keys[0].Public().Key)
		s := new(big.Int).Sub(elliptic.P256().Params().N, new(big.Int).SetBytes(sig[32:]))
		twin := token[:dot+1] + base64.RawURLEncoding.EncodeToString(append(sig[:32:32], s.FillBytes(make([]byte, 32))...))
		require.NotEqual(t, token, twin)
		second, err := o.Authorize(context.Background(), sshRequest(t, twin))
		require.NoError(t, err)
		require.Equal(t, first.Spend, second.Spend)
	}
}
