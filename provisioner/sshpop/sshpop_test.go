package sshpop_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/provisionertest"
	"github.com/chancery-ca/chancery/provisioner/sshpop"
)

const name = "sshpop"

// holder is a certificate, the key in it, and what makes tokens of the two.
type holder struct {
	t    testing.TB
	key  crypto.Signer
	cert *ssh.Certificate
	alg  jose.SignatureAlgorithm
}

func newHolder(t testing.TB, key crypto.Signer, alg jose.SignatureAlgorithm, change func(c *ssh.Certificate)) *holder {
	t.Helper()
	ca, err := ssh.NewSignerFromSigner(provisionertest.NewKey(t, jose.EdDSA))
	require.NoError(t, err)
	pub, err := ssh.NewPublicKey(key.Public())
	require.NoError(t, err)
	now := time.Now()
	c := &ssh.Certificate{
		Key: pub, Serial: 12345, CertType: ssh.HostCert, KeyId: "web-1", ValidPrincipals: []string{"web-1.internal", "web.internal"},
		ValidAfter: uint64(now.Add(-time.Minute).Unix()), ValidBefore: uint64(now.Add(time.Hour).Unix()),
	}
	if change != nil {
		change(c)
	}
	random := &ssh.Certificate{}
	*random = *c
	require.NoError(t, random.SignCert(zeros{}, ca))
	return &holder{t, key, random, alg}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func (h *holder) token(op provisioner.Operation, change func(*provisioner.Ticket)) string {
	h.t.Helper()
	ticket := provisioner.Ticket{Subject: strconv.FormatUint(h.cert.Serial, 10), Audience: provisionertest.Audiences(op)[0] + "#" + sshpop.Fragment(name)}
	if change != nil {
		change(&ticket)
	}
	payload, err := ticket.Payload(name)
	require.NoError(h.t, err)
	o := (&jose.SignerOptions{}).WithType("JWT").WithHeader("sshpop", base64.StdEncoding.EncodeToString(h.cert.Marshal()))
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: h.alg, Key: h.key}, o)
	require.NoError(h.t, err)
	m, err := s.Sign(payload)
	require.NoError(h.t, err)
	token, err := m.CompactSerialize()
	require.NoError(h.t, err)
	return token
}

func (h *holder) request(op provisioner.Operation) *provisioner.Request {
	r := &provisioner.Request{
		Operation: op, Token: h.token(op, nil), Audiences: provisionertest.Audiences(op), Roots: []string{strings.Repeat("ab", 32)},
		SSH: &provisioner.SSHRequest{Certificate: h.cert},
	}
	if op == provisioner.SSHRekey {
		r.SSH.Key = provisionertest.NewSSHKey(h.t)
	}
	if op == provisioner.SSHRevoke {
		r.Serial = strconv.FormatUint(h.cert.Serial, 16)
	}
	return r
}

func open(t testing.TB, n provisioner.Renewal) provisioner.Provisioner {
	t.Helper()
	p, err := sshpop.New(sshpop.Config{Name: name, Renewal: n})
	require.NoError(t, err)
	return p
}

func TestConformance(t *testing.T) {
	for _, alg := range []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512, jose.EdDSA, jose.RS256, jose.PS512} {
		t.Run(string(alg), func(t *testing.T) {
			key, stranger := provisionertest.NewKey(t, alg), provisionertest.NewKey(t, alg)
			provisionertest.Run(t, func(t *testing.T) provisionertest.Harness {
				h := newHolder(t, key, alg, nil)
				good := map[provisioner.Operation]func() *provisioner.Request{}
				for _, op := range []provisioner.Operation{provisioner.SSHRenew, provisioner.SSHRekey, provisioner.SSHRevoke} {
					good[op] = func() *provisioner.Request { return h.request(op) }
				}
				return provisionertest.Harness{
					Provisioner: open(t, provisioner.Renewal{}), Good: good,
					Tokens: &provisionertest.Tokens{Key: key, Algorithm: alg, Stranger: stranger},
				}
			})
		})
	}
}

func TestRefusals(t *testing.T) {
	key := provisionertest.NewKey(t, jose.ES256)
	ago := func(c *ssh.Certificate) { c.ValidBefore = uint64(time.Now().Add(-time.Second).Unix()) }
	cases := map[string]struct {
		change  func(c *ssh.Certificate)
		renewal provisioner.Renewal
		code    map[provisioner.Operation]string // "" is a grant
	}{
		"good":    {code: map[provisioner.Operation]string{provisioner.SSHRenew: "", provisioner.SSHRekey: "", provisioner.SSHRevoke: ""}},
		"expired": {change: ago, code: map[provisioner.Operation]string{provisioner.SSHRenew: "expired", provisioner.SSHRekey: "expired", provisioner.SSHRevoke: "expired"}},
		"expired, allowed": {
			change: ago, renewal: provisioner.Renewal{AfterExpiry: true},
			code: map[provisioner.Operation]string{provisioner.SSHRenew: "", provisioner.SSHRekey: "expired", provisioner.SSHRevoke: "expired"},
		},
		"not yet valid": {
			change: func(c *ssh.Certificate) { c.ValidAfter = uint64(time.Now().Add(time.Minute).Unix()) },
			code:   map[provisioner.Operation]string{provisioner.SSHRenew: "not-yet-valid", provisioner.SSHRekey: "not-yet-valid", provisioner.SSHRevoke: "not-yet-valid"},
		},
		"of a user": {
			change: func(c *ssh.Certificate) { c.CertType = ssh.UserCert },
			code:   map[provisioner.Operation]string{provisioner.SSHRenew: "type", provisioner.SSHRekey: "type", provisioner.SSHRevoke: ""},
		},
		"renewal disabled": {
			renewal: provisioner.Renewal{Disabled: true},
			code:    map[provisioner.Operation]string{provisioner.SSHRenew: "renewal-disabled", provisioner.SSHRekey: "renewal-disabled", provisioner.SSHRevoke: ""},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			h := newHolder(t, key, jose.ES256, c.change)
			for op, code := range c.code {
				g, err := open(t, c.renewal).Authorize(context.Background(), h.request(op))
				if code == "" {
					require.NoError(t, err, op)
					require.NotNil(t, g)
					continue
				}
				var r *provisioner.Refusal
				require.ErrorAs(t, err, &r, op)
				require.Equal(t, code, r.Code, op)
			}
		})
	}
}

// A token that carries one certificate says nothing about another, whoever recognised that.
func TestAnotherCertificate(t *testing.T) {
	key := provisionertest.NewKey(t, jose.ES256)
	h := newHolder(t, key, jose.ES256, nil)
	other := newHolder(t, key, jose.ES256, func(c *ssh.Certificate) { c.ValidPrincipals = []string{"root.internal"} })
	r := h.request(provisioner.SSHRenew)
	r.SSH.Certificate = other.cert
	_, err := open(t, provisioner.Renewal{}).Authorize(context.Background(), r)
	var refusal *provisioner.Refusal
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, "certificate", refusal.Code)

	revoke := h.request(provisioner.SSHRevoke)
	revoke.Serial = "303a"
	_, err = open(t, provisioner.Renewal{}).Authorize(context.Background(), revoke)
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, "serial", refusal.Code)
}

// What a security key signs is not what was given to it, so no token can be made with one.
func TestSecurityKey(t *testing.T) {
	h := newHolder(t, provisionertest.NewKey(t, jose.EdDSA), jose.EdDSA, nil)
	sk, err := ssh.ParsePublicKey(ssh.Marshal(struct {
		Name, Key, Application string
	}{ssh.KeyAlgoSKED25519, string(h.key.Public().(ed25519.PublicKey)), "ssh:"}))
	require.NoError(t, err)
	h.cert.Key = sk
	_, err = open(t, provisioner.Renewal{}).Authorize(context.Background(), h.request(provisioner.SSHRenew))
	var refusal *provisioner.Refusal
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, "key", refusal.Code)
}

func TestConfig(t *testing.T) {
	_, err := sshpop.New(sshpop.Config{})
	require.Error(t, err)
	_, err = sshpop.New(sshpop.Config{Name: "x", Extra: map[string]any{"claims": func() {}}})
	require.Error(t, err)
	p, err := sshpop.New(sshpop.Config{Name: "x", Extra: map[string]any{"type": "JWK"}})
	require.NoError(t, err)
	pub, ok := provisioner.As[provisioner.Publisher](p)
	require.True(t, ok)
	require.JSONEq(t, `{"type":"SSHPOP","name":"x"}`, string(pub.Public().(json.RawMessage)))
}
