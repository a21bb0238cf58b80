package httpapi

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/acme"
	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/jwk"
	"github.com/chancery-ca/chancery/provisioner/sshpop"
	"github.com/chancery-ca/chancery/provisioner/x5c"
)

const (
	caURL   = "https://ca.internal:9000"
	subject = "leaf.internal"
)

// kind is a kind of provisioner, always called "mine" beside a JWK one called "other" and one for ACME called "guest".
type kind struct {
	name     string
	fragment string // of its tokens' audience
	make     func(t *testing.T, h *house) (provisioner.Provisioner, payloadSigner)
}

type payloadSigner interface {
	SignPayload(payload []byte) (string, error)
}

func kinds() []kind {
	return []kind{
		{"jwk", "", func(t *testing.T, h *house) (provisioner.Provisioner, payloadSigner) { return jwkCalled(t, "mine") }},
		{"x5c", "#x5c/mine", func(t *testing.T, h *house) (provisioner.Provisioner, payloadSigner) {
			root := mint(t, "X5C Root", true, nil)
			leaf := mint(t, "machine", false, root)
			p, err := x5c.New(x5c.Config{Name: "mine", Roots: []*x509.Certificate{root.crt}})
			require.NoError(t, err)
			s, err := x5c.NewSigner("mine", []*x509.Certificate{leaf.crt}, leaf.key)
			require.NoError(t, err)
			return p, s
		}},
		{"acme", "#acme/mine", func(t *testing.T, h *house) (provisioner.Provisioner, payloadSigner) {
			_, s := jwkCalled(t, "mine")
			return settling{h.acme(t, "mine"), h}, s
		}},
		{"local", "", func(t *testing.T, h *house) (provisioner.Provisioner, payloadSigner) {
			_, s := jwkCalled(t, "mine")
			return &provisioner.Local{ID: "mine", AnyName: true}, s
		}},
		{"sshpop", "#sshpop/mine", func(t *testing.T, h *house) (provisioner.Provisioner, payloadSigner) {
			_, s := jwkCalled(t, "mine")
			p, err := sshpop.New(sshpop.Config{Name: "mine"})
			require.NoError(t, err)
			return settlingPOP{p, h}, s
		}},
		{"oidc", "", func(t *testing.T, h *house) (provisioner.Provisioner, payloadSigner) {
			_, s := jwkCalled(t, "mine")
			return h.oidc(t), s
		}},
		{"func", "", func(t *testing.T, h *house) (provisioner.Provisioner, payloadSigner) {
			_, s := jwkCalled(t, "mine")
			return provisioner.Func("mine", yes), s
		}},
		{"refuser", "", func(t *testing.T, h *house) (provisioner.Provisioner, payloadSigner) {
			_, s := jwkCalled(t, "mine")
			return claimsAll{provisioner.Func("mine", h.onlyAtFirst(func() error {
				return provisioner.Refuse(provisioner.NotAllowed, "no", "never")
			}))}, s
		}},
		{"mute", "", func(t *testing.T, h *house) (provisioner.Provisioner, payloadSigner) {
			_, s := jwkCalled(t, "mine")
			return claimsAll{provisioner.Func("mine", h.onlyAtFirst(func() error { return nil }))}, s
		}},
	}
}

func yes(context.Context, *provisioner.Request) (*provisioner.Grant, error) {
	return &provisioner.Grant{Subject: subject, AnyName: true}, nil
}

// claimsAll recognises every token as its own.
type claimsAll struct{ provisioner.Provisioner }

func (claimsAll) Claims(*provisioner.Token) bool { return true }

func jwkCalled(t *testing.T, name string) (provisioner.Provisioner, payloadSigner) {
	t.Helper()
	k := jose.JSONWebKey{Key: mint(t, name, false, nil).key, KeyID: "the-key"}
	p, err := jwk.New(jwk.Config{Name: name, Keys: []jwk.Key{{JWK: k.Public()}}})
	require.NoError(t, err)
	s, err := jwk.NewSigner(name, k)
	require.NoError(t, err)
	return p, s
}

// house is an authority with a leaf that "mine" let it issue, and everybody who might ask.
type house struct {
	kind               kind
	store              *countingStore
	orders             *countingOrders // of those who speak ACME
	config             func(guest provisioner.Provisioner) authority.Config
	ca                 *authority.Authority
	handler            http.Handler
	ready              atomic.Bool // set-up is over
	inter              *minted
	leaf, dead, second *minted // dead is revoked
	mine, other        payloadSigner
	stranger           payloadSigner // signs as "mine", with a key of its own
	strangers          *minted       // leaf with the names and the serial of ours, by a CA of theirs
	csr                string
	before             books

	idp            *minted // whose key signs ID tokens
	userCA, hostCA ssh.Signer
	host           *pop   // a certificate of ours
	sshKey         []byte // to be certified
}

// books are what must not change by itself.
type books struct {
	writes  int64
	revoked map[authority.Serial]bool
}

// onlyAtFirst says yes until the house is ready.
func (h *house) onlyAtFirst(then func() error) func(context.Context, *provisioner.Request) (*provisioner.Grant, error) {
	return func(ctx context.Context, r *provisioner.Request) (*provisioner.Grant, error) {
		if !h.ready.Load() {
			return yes(ctx, r)
		}
		return nil, then()
	}
}

func newHouse(t *testing.T, k kind) *house {
	t.Helper()
	h := &house{kind: k, store: &countingStore{Store: authority.NewMemory()}, orders: &countingOrders{Store: acme.NewMemory()}}
	root := mint(t, "Root", true, nil)
	h.inter = mint(t, "Intermediate", true, root)
	mine, signer := k.make(t, h)
	other, otherSigner := jwkCalled(t, "other")
	h.mine, h.other = signer, otherSigner
	_, h.stranger = jwkCalled(t, "mine")
	h.config = func(guest provisioner.Provisioner) authority.Config {
		return authority.Config{
			URLs: []string{caURL}, Roots: []*x509.Certificate{root.crt}, Store: h.store,
			Issuers:      []authority.Issuer{{Name: "issuing", Chain: []*x509.Certificate{h.inter.crt}, Signer: kms.FromCrypto(h.inter.key)}},
			Provisioners: []provisioner.Provisioner{other, mine, guest},
			SSH:          h.ssh(t),
			Bindings: map[string]authority.Binding{
				"other": {SSH: []string{""}}, "mine": {SSH: []string{""}},
			},
		}
	}
	ca, err := authority.New(h.config(h.acme(t, "guest")))
	require.NoError(t, err)
	h.ca, h.handler = ca, New(ca, nil)
	h.leaf, h.dead, h.second = h.issue(t, ca), h.issue(t, ca), h.issue(t, ca)
	_, err = ca.Revoke(context.Background(), &authority.RevokeRequest{Serial: authority.SerialOf(h.dead.crt.SerialNumber), Local: true})
	require.NoError(t, err)
	h.strangers = mint(t, subject, false, mint(t, "Intermediate", true, nil))
	h.strangers.crt.SerialNumber = h.leaf.crt.SerialNumber // as far as the handler can see
	h.csr = csrPEM(t, subject)
	h.settleSSH(t)
	h.ready.Store(true)
	return h
}

// issue has "mine" let the authority issue a leaf.
func (h *house) issue(t *testing.T, ca *authority.Authority) *minted {
	t.Helper()
	key := mint(t, subject, false, nil).key
	csr, err := parseCSR(csrPEMWith(t, key, subject))
	require.NoError(t, err)
	r := &authority.Request{Provisioner: "mine", CSR: csr, Local: true}
	if h.kind.name == "jwk" || h.kind.name == "x5c" {
		r.Token, r.Local = h.token(t, h.mine, provisioner.X509Sign, nil), false
	}
	if h.kind.name == "oidc" {
		r.Token, r.Local = h.idToken(t, nil), false
	}
	c, err := ca.Issue(context.Background(), r)
	require.NoError(t, err)
	return &minted{c.Leaf, key}
}

// token makes one that is good for op, but for what changes.
func (h *house) token(t *testing.T, s payloadSigner, op provisioner.Operation, changes map[string]any) string {
	t.Helper()
	now := time.Now()
	c := map[string]any{
		"jti": rand.Text(), "iss": "mine", "sub": subject, "aud": h.audience(op),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
	switch op {
	case provisioner.X509Sign:
		c["sans"] = []string{subject}
	case provisioner.X509Revoke:
		c["sub"] = h.leaf.crt.SerialNumber.String()
	case provisioner.SSHSign:
		c["step"] = map[string]any{"ssh": map[string]any{"certType": "host", "keyID": subject, "principals": []string{subject}, "validAfter": "", "validBefore": ""}}
	case provisioner.SSHRevoke:
		c["sub"] = strconv.FormatUint(h.host.cert.Serial, 10)
	}
	for k, v := range changes {
		c[k] = v
	}
	payload, err := json.Marshal(c)
	require.NoError(t, err)
	tok, err := s.SignPayload(payload)
	require.NoError(t, err)
	return tok
}

func (h *house) audience(op provisioner.Operation) string {
	return caURL + "/1.0/" + strings.TrimPrefix(string(op), "x509/") + h.kind.fragment
}

// renewToken is what step's clients make of a certificate and its key.
func (h *house) renewToken(t *testing.T, by *minted, chain []*minted, audience string) string {
	t.Helper()
	x5c := []string{base64.StdEncoding.EncodeToString(by.crt.Raw)}
	for _, c := range chain {
		x5c = append(x5c, base64.StdEncoding.EncodeToString(c.crt.Raw))
	}
	o := (&jose.SignerOptions{}).WithType("JWT").WithHeader("x5cInsecure", x5c)
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: by.key}, o)
	require.NoError(t, err)
	now := time.Now()
	payload, err := json.Marshal(map[string]any{
		"jti": rand.Text(), "iss": "step-ca-client/1.0", "sub": by.crt.Subject.CommonName, "aud": audience,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	})
	require.NoError(t, err)
	m, err := s.Sign(payload)
	require.NoError(t, err)
	tok, err := m.CompactSerialize()
	require.NoError(t, err)
	return tok
}

// resign replaces a token's algorithm and signature.
func resign(t *testing.T, token, alg string, mac func(signed string) []byte) string {
	t.Helper()
	parts := strings.Split(token, ".")
	b, err := base64.RawURLEncoding.DecodeString(parts[0])
	require.NoError(t, err)
	var header map[string]any
	require.NoError(t, json.Unmarshal(b, &header))
	header["alg"] = alg
	b, err = json.Marshal(header)
	require.NoError(t, err)
	signed := base64.RawURLEncoding.EncodeToString(b) + "." + parts[1]
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac(signed))
}

// countingStore counts everything that changed something.
type countingStore struct {
	authority.Store
	writes    atomic.Int64
	onReserve atomic.Pointer[func()] // nil, or what happens first
}

func (s *countingStore) count(err error) error {
	if err == nil {
		s.writes.Add(1)
	}
	return err
}

func (s *countingStore) Reserve(ctx context.Context, r *authority.Record, spend provisioner.Spend) error {
	if f := s.onReserve.Load(); f != nil {
		(*f)()
	}
	return s.count(s.Store.Reserve(ctx, r, spend))
}

func (s *countingStore) Commit(ctx context.Context, n authority.Serial, der []byte, at time.Time, posts []authority.Post) error {
	return s.count(s.Store.Commit(ctx, n, der, at, posts))
}

func (s *countingStore) Abandon(ctx context.Context, n authority.Serial, release bool, at time.Time, posts []authority.Post) error {
	return s.count(s.Store.Abandon(ctx, n, release, at, posts))
}

func (s *countingStore) Revoke(ctx context.Context, v *authority.Revocation, known *authority.Record, spend provisioner.Spend, posts []authority.Post) error {
	return s.count(s.Store.Revoke(ctx, v, known, spend, posts))
}
