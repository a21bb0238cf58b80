package httpapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

// granted is everything that anybody may have through the API: by operation, credential and kind of
// provisioner. TestMatrix proves that these cells say yes and that all others say no.
var granted = map[provisioner.Operation]map[string][]string{
	provisioner.X509Sign: {
		"token for x509/sign": {"jwk", "x5c"},
		"admin's ID token":    {"oidc"},
	},
	provisioner.X509Renew: {
		"own certificate":                       {"jwk", "x5c", "acme", "local", "oidc", "func"},
		"own certificate and a foreign token":   {"jwk", "x5c", "acme", "local", "oidc", "func"}, // the certificate wins
		"another certificate of ours":           {"jwk", "x5c", "acme", "local", "oidc", "func"}, // it renews itself
		"renew token":                           {"jwk", "x5c", "acme", "local", "oidc", "func"},
		"a legacy certificate":                  {"jwk", "x5c", "acme", "oidc"}, // which know their mark
		"renew token of a legacy certificate":   {"jwk", "x5c", "acme", "oidc"},
		"an expired certificate":                {"func"}, // which says so itself
		"renew token of an expired certificate": {"func"},
	},
	provisioner.X509Rekey: {
		"own certificate":                     {"jwk", "x5c", "acme", "local", "oidc", "func"},
		"own certificate and a foreign token": {"jwk", "x5c", "acme", "local", "oidc", "func"}, // the token is not looked at
		"another certificate of ours":         {"jwk", "x5c", "acme", "local", "oidc", "func"}, // it rekeys itself
		"a legacy certificate":                {"jwk", "x5c", "acme", "oidc"},
		"an expired certificate":              {"func"},
	},
	provisioner.X509Revoke: {
		"token for x509/revoke":  {"jwk", "x5c"},
		"admin's ID token":       {"oidc"},
		"own certificate":        {"jwk", "x5c", "acme", "local", "oidc", "func"},
		"an expired certificate": {"jwk", "x5c", "acme", "local", "oidc", "func"},
		// Where nobody is left to judge, whoever holds the key may end it.
		"a legacy certificate":                        {"jwk", "x5c", "acme", "local", "oidc", "func", "sshpop", "refuser", "mute"},
		"an unmarked legacy certificate":              {"jwk", "x5c", "acme", "local", "oidc", "func", "sshpop", "refuser", "mute"},
		"a certificate of a provisioner that is gone": {"jwk", "x5c", "acme", "local", "oidc", "func", "sshpop", "refuser", "mute"},
	},
	provisioner.SSHSign: {
		"token for ssh/sign": {"jwk", "x5c"},
		"admin's ID token":   {"oidc"},
	},
	provisioner.SSHRenew: {
		"sshpop token for ssh/renew":                 {"sshpop"},
		"sshpop token of a legacy one for ssh/renew": {"sshpop"},
	},
	provisioner.SSHRekey: {
		"sshpop token for ssh/rekey":                 {"sshpop"},
		"sshpop token of a legacy one for ssh/rekey": {"sshpop"},
	},
	provisioner.SSHRevoke: {
		"token for ssh/revoke":                        {"jwk", "x5c"},
		"sshpop token for ssh/revoke":                 {"sshpop"},
		"sshpop token of a legacy one for ssh/revoke": {"sshpop"},
		"sshpop token of a user for ssh/revoke":       {"sshpop"},
		"admin's ID token":                            {"oidc"},
	},
}

// members are the credentials with which the list of hosts can be read.
var members = []string{
	"own certificate", "own certificate and a foreign token", "another certificate of ours", "a legacy certificate",
	"an unmarked legacy certificate", "a certificate of a provisioner that is gone",
}

// credential is what somebody comes with.
type credential struct {
	name  string
	token string
	peer  *x509.Certificate
	// presented: the certificate was sent, and nothing verified that the client has its key.
	presented bool
	of        *x509.Certificate // whose key made the renew token; nil: the leaf's
	serial    *big.Int          // what it would revoke; nil: the leaf
	pop       *pop              // whose key made the SSH token; nil: the host's
}

func (h *house) credentials(t *testing.T) []credential {
	t.Helper()
	var cs []credential
	token := func(name, tok string) { cs = append(cs, credential{name: name, token: tok}) }
	peer := func(name string, m *minted) { cs = append(cs, credential{name: name, peer: m.crt}) }
	token("nothing", "")
	for _, op := range provisioner.Operations() {
		good := h.token(t, h.mine, op, nil)
		token("token for "+string(op), good)
		variants := map[string]map[string]any{
			"expired":          {"exp": time.Now().Add(-time.Hour).Unix(), "iat": time.Now().Add(-2 * time.Hour).Unix(), "nbf": time.Now().Add(-2 * time.Hour).Unix()},
			"early":            {"nbf": time.Now().Add(time.Hour).Unix()},
			"eternal":          {"exp": nil},
			"other host":       {"aud": strings.Replace(h.audience(op), "ca.", "cb.", 1)},
			"other port":       {"aud": strings.Replace(h.audience(op), "9000", "9001", 1)},
			"plain http":       {"aud": strings.Replace(h.audience(op), "https", "http", 1)},
			"no path":          {"aud": caURL + h.kind.fragment},
			"literal audience": {"aud": "step-certificate-authority"},
			"no audience":      {"aud": nil},
			"other fragment":   {"aud": strings.TrimSuffix(h.audience(op), h.kind.fragment) + "#x5c/other"},
			"other issuer":     {"iss": "nobody"},
			"no subject":       {"sub": ""},
			"other CSR":        {"cnf": map[string]any{"x5rt#S256": "AAAA"}},
			"unknown cnf":      {"cnf": map[string]any{"jkt": "AAAA"}},
			"other names":      {"sub": "evil.internal", "sans": []string{"evil.internal"}},
		}
		if op == provisioner.X509Revoke {
			variants["other serial in"] = map[string]any{"sub": h.dead.crt.SerialNumber.String()}
			variants["octal serial in"] = map[string]any{"sub": "0" + h.leaf.crt.SerialNumber.String()}
		}
		h.addSSHVariants(op, variants)
		for _, name := range slices.Sorted(maps.Keys(variants)) {
			token(name+" token for "+string(op), h.token(t, h.mine, op, variants[name]))
		}
		token("foreign token for "+string(op), h.token(t, h.stranger, op, nil))
		token("other's key in token for "+string(op), h.token(t, h.other, op, nil))
		if op != provisioner.X509Sign && op != provisioner.SSHSign { // which "other" may give, to whom it likes
			token("other's token for "+string(op), h.token(t, h.other, op, map[string]any{"iss": "other", "aud": strings.TrimSuffix(h.audience(op), h.kind.fragment)}))
		}
		token("unsigned token for "+string(op), resign(t, good, "none", func(string) []byte { return nil }))
		token("truncated token for "+string(op), good[:len(good)-6])
		token("token with HMAC for "+string(op), resign(t, good, "HS256", func(s string) []byte {
			m := hmac.New(sha256.New, h.inter.crt.RawSubjectPublicKeyInfo)
			m.Write([]byte(s))
			return m.Sum(nil)
		}))
		if op != provisioner.X509Renew {
			token("renew token for "+string(op), h.renewToken(t, h.leaf, []*minted{h.inter}, h.audience(op)))
		}
	}
	renewal := caURL + "/1.0/renew"
	token("renew token", h.renewToken(t, h.leaf, []*minted{h.inter}, renewal))
	token("renew token of a stranger", h.renewToken(t, h.strangers, nil, renewal))
	token("renew token of a stranger under our issuer's name", h.renewToken(t, h.strangers, []*minted{h.inter}, renewal))
	token("renew token of a revoked one", h.renewToken(t, h.dead, []*minted{h.inter}, renewal))
	token("renew token with another's key", h.renewToken(t, &minted{h.leaf.crt, h.dead.key}, []*minted{h.inter}, renewal))
	token("renew token of the issuer", h.renewToken(t, h.inter, nil, renewal))
	peer("own certificate", h.leaf)
	peer("another certificate of ours", h.second)
	peer("stranger's certificate", h.strangers)
	peer("revoked certificate", h.dead)
	peer("issuer's certificate", h.inter)
	cs = append(cs,
		credential{name: "presented certificate", peer: h.leaf.crt, presented: true},
		credential{name: "own certificate and a foreign token", peer: h.leaf.crt, token: h.token(t, h.stranger, provisioner.X509Revoke, nil)},
		credential{name: "revoked certificate and a foreign token", peer: h.dead.crt, token: h.token(t, h.stranger, provisioner.X509Sign, nil)})
	cs = append(cs, h.idTokens(t)...)
	cs = append(cs, h.pops(t)...)
	cs = append(cs, h.strays(t)...)
	h.before = books{h.writes(), h.revoked(t)}
	return cs
}

// send makes the request in which whatever any route looks at is in its place, the credential in all of
// the places where one could be.
func (h *house) send(t *testing.T, rt Route, c credential) *httptest.ResponseRecorder {
	t.Helper()
	body := ""
	if rt.Method != http.MethodGet && rt.Operation != provisioner.X509Renew {
		m := map[string]any{
			"csr": h.csr, "ott": c.token, "notBefore": "", "notAfter": "", "passive": true,
			"publicKey": h.sshKey, "certType": "host", "principals": []string{subject}, "keyID": subject,
			"serial": h.targetOf(rt, c).String(), "reasonCode": 0, "reason": "",
			"token": c.token, "local": true, "Local": true, "provisioner": "mine", "Provisioner": "mine", "proof": 1,
		}
		if rt.Auth == Protocol {
			m = signedAs(c.token)
		}
		body = jsonOf(t, m)
	}
	path := concrete(rt.Path)
	if rt.Auth != Protocol { // ACME knows no queries
		path += "?local=true&ott=" + c.token
	}
	r := request{method: rt.Method, path: path, body: body}.http()
	r.Header.Set("Content-Type", "application/jose+json")
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	pem := base64.StdEncoding.EncodeToString(h.leaf.crt.Raw)
	r.Header.Set("Client-Cert", ":"+pem+":") // nobody told the handler to believe it
	r.Header.Set("X-Forwarded-Client-Cert", pem)
	if c.peer != nil {
		r.TLS = verified(c.peer)
		if c.presented {
			r.TLS.VerifiedChains = nil
		}
	}
	return recorder(h.handler, r)
}

// TestMatrix is DESIGN's first rule as a test: of everything that anybody could send to any route, only
// what is in the table above issues, revokes or spends anything.
func TestMatrix(t *testing.T) {
	requireDeclared(t)
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			h, yeses := newHouse(t, k), 0
			cs := h.credentials(t)
			for _, rt := range h.doors(t) {
				for i := range cs {
					c := cs[i]
					cell := fmt.Sprintf("%s %s with %s (%s)", rt.Method, rt.Path, c.name, k.name)
					got := h.send(t, rt, c)
					wrote := h.writes() - h.before.writes
					if slices.Contains(granted[rt.Operation][c.name], k.name) {
						yeses++
						require.Less(t, got.Code, 300, "%s: %s", cell, clip(got.Body.String(), 200))
						require.Positive(t, wrote, cell)
						h.requireRight(t, rt.Operation, c, got, cell)
						h = newHouse(t, k)
						cs = h.credentials(t) // the same ones, for the new house
						continue
					}
					if rt.Operation == "" && rt.Auth == Certificate {
						require.Equal(t, slices.Contains(members, c.name), got.Code < 300, "%s: %d %s", cell, got.Code, clip(got.Body.String(), 200))
					}
					require.Zero(t, wrote, "%s: answered %d %s", cell, got.Code, clip(got.Body.String(), 200))
					if rt.Operation != "" || rt.Auth == Protocol && rt.Method != http.MethodGet {
						require.GreaterOrEqual(t, got.Code, 400, "%s: %s", cell, clip(got.Body.String(), 200))
					}
					if rt.Auth != Public {
						require.NotContains(t, got.Body.String(), "BEGIN CERTIFICATE", cell)
					}
				}
			}
			want := 0
			for _, rt := range Routes() {
				for _, kinds := range granted[rt.Operation] {
					if slices.Contains(kinds, k.name) {
						want++
					}
				}
			}
			require.Equal(t, want, yeses, "a credential in the table does not exist")
		})
	}
}

// requireDeclared fails for routes and operations that the matrix does not know about.
func requireDeclared(t *testing.T) {
	t.Helper()
	auths := []Auth{Public, Token, Certificate, TokenOrCertificate, Protocol}
	routed := map[provisioner.Operation]bool{}
	for _, rt := range Routes() {
		require.Contains(t, auths, rt.Auth, "%s: undeclared credentials", rt.Path)
		require.Positive(t, rt.MaxBody, "%s: no limit", rt.Path)
		require.Equal(t, rt.Auth == Protocol, rt.Method == Any, "%s: only protocols have methods of their own", rt.Path)
		if rt.Auth == Protocol {
			require.Empty(t, rt.Operation, "%s: an operation is asked for by the guest", rt.Path)
			continue
		}
		path := strings.TrimPrefix(rt.Path, "/1.0")
		discloses := path == "/ssh/hosts" || path == "/ssh/get-hosts" // the fleet, to members
		require.Equal(t, rt.Operation == "" && !discloses, rt.Auth == Public, "%s: who acts needs a credential, who reads needs none", rt.Path)
		asks := []string{"/ocsp", "/ssh/config", "/ssh/config/{type}", "/ssh/check-host", "/ssh/bastion"} // too long for a path, or step's way
		reads := rt.Method == http.MethodGet || slices.Contains(asks, path)
		require.Equal(t, rt.Operation == "", reads, "%s: only GET reads", rt.Path)
		if rt.Operation != "" {
			require.Contains(t, provisioner.Operations(), rt.Operation, "%s: unknown operation", rt.Path)
		}
		routed[rt.Operation] = true
	}
	for _, op := range provisioner.Operations() {
		require.Contains(t, granted, op, "an operation that the matrix does not know")
		require.True(t, routed[op], "%s has no route: say so here if that is meant", op)
	}
	require.Len(t, granted, len(provisioner.Operations()))
}

// TestUndeclaredCredential: a handler that hands on a credential which its route does not declare gets
// nowhere.
func TestUndeclaredCredential(t *testing.T) {
	w := newWorld(t, nil)
	a := w.handler.(*api)
	for auth, req := range map[Auth]*authority.Request{
		Certificate: {Token: "a.b.c"}, Token: {Certificate: w.leaf.crt}, Public: {Token: "a.b.c"}, "": {Certificate: w.leaf.crt},
	} {
		r := httptest.NewRequest("POST", "/x", nil)
		err := a.issue(&call{r: r, w: httptest.NewRecorder(), endpoint: &endpoint{Route: Route{Auth: auth}}}, req)
		require.ErrorIs(t, err, errUndeclared)
	}
	require.Zero(t, w.calls())
}
