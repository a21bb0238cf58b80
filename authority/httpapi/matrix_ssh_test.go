package httpapi

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"maps"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/sshpop"
	"github.com/chancery-ca/chancery/sshca"
)

// settlingPOP lets the house have its first certificates, and has only SSH certificates to say yes to from
// then on.
type settlingPOP struct {
	*sshpop.Provisioner
	house *house
}

func (s settlingPOP) Authorize(ctx context.Context, r *provisioner.Request) (*provisioner.Grant, error) {
	if s.house.ready.Load() {
		return s.Provisioner.Authorize(ctx, r)
	}
	return yes(ctx, r)
}

// pop is an SSH certificate with its key.
type pop struct {
	cert *ssh.Certificate
	key  crypto.Signer
}

// ssh makes the house an SSH CA.
func (h *house) ssh(t *testing.T) *authority.SSH {
	t.Helper()
	if h.userCA == nil {
		h.userCA, h.hostCA = sshSigner(t, edKey(t)), sshSigner(t, edKey(t))
	}
	issuer := func(name string, typ provisioner.SSHType, s ssh.Signer) authority.SSHIssuer {
		return authority.SSHIssuer{Name: name, Type: typ, Signer: kms.FromCrypto(s.(keyed).key)}
	}
	return &authority.SSH{Issuers: []authority.SSHIssuer{issuer("users", provisioner.SSHUser, h.userCA), issuer("hosts", provisioner.SSHHost, h.hostCA)}}
}

type keyed struct {
	ssh.Signer
	key crypto.Signer
}

func edKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return k
}

func sshSigner(t testing.TB, k crypto.Signer) ssh.Signer {
	t.Helper()
	s, err := ssh.NewSignerFromSigner(k)
	require.NoError(t, err)
	return keyed{s, k}
}

// settleSSH has a host certificate of ours, and a key for another one.
func (h *house) settleSSH(t *testing.T) {
	t.Helper()
	h.host = mintSSH(t, h.hostCA, ssh.HostCert, nil)
	h.recordSSH(t, h.host, "hosts")
	k, err := ssh.NewPublicKey(edKey(t).Public())
	require.NoError(t, err)
	h.sshKey = k.Marshal()
}

func mintSSH(t testing.TB, ca ssh.Signer, typ uint32, change func(c *ssh.Certificate)) *pop {
	t.Helper()
	key := edKey(t)
	pub, err := ssh.NewPublicKey(key.Public())
	require.NoError(t, err)
	var serial [8]byte
	_, err = rand.Read(serial[:])
	require.NoError(t, err)
	c := &ssh.Certificate{
		Key: pub, Serial: binary.BigEndian.Uint64(serial[:]) | 1, CertType: typ, KeyId: subject, ValidPrincipals: []string{subject},
		ValidAfter: uint64(time.Now().Add(-time.Minute).Unix()), ValidBefore: uint64(time.Now().Add(time.Hour).Unix()),
	}
	if change != nil {
		change(c)
	}
	require.NoError(t, c.SignCert(rand.Reader, ca))
	return &pop{c, key}
}

func (h *house) recordSSH(t *testing.T, p *pop, issuer string) {
	t.Helper()
	ctx, s, serial := context.Background(), h.store.Store, authority.Serial(strconv.FormatUint(p.cert.Serial, 16))
	begin := time.Unix(int64(p.cert.ValidAfter), 0)
	require.NoError(t, s.Reserve(ctx, &authority.Record{
		Serial: serial, Operation: provisioner.SSHSign, Issuer: issuer, TBS: sshca.Unsigned(p.cert), NotBefore: begin,
		NotAfter: time.Unix(int64(p.cert.ValidBefore), 0), Subject: subject, Names: p.cert.ValidPrincipals, Provisioner: "mine", ReservedAt: begin,
	}, provisioner.Spend{}))
	require.NoError(t, s.Commit(ctx, serial, p.cert.Marshal(), begin, nil))
}

// popToken is what step's clients make of an SSH certificate and its key.
func (h *house) popToken(t *testing.T, p *pop, key crypto.Signer, op provisioner.Operation, changes map[string]any) string {
	t.Helper()
	o := (&jose.SignerOptions{}).WithType("JWT").WithHeader("sshpop", base64.StdEncoding.EncodeToString(p.cert.Marshal()))
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: key}, o)
	require.NoError(t, err)
	now := time.Now()
	c := map[string]any{
		"jti": rand.Text(), "iss": "mine", "sub": strconv.FormatUint(p.cert.Serial, 10), "aud": caURL + "/1.0/" + string(op) + "#sshpop/mine",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
	for k, v := range changes {
		c[k] = v
	}
	payload, err := json.Marshal(c)
	require.NoError(t, err)
	m, err := s.Sign(payload)
	require.NoError(t, err)
	tok, err := m.CompactSerialize()
	require.NoError(t, err)
	return tok
}

// pops are credentials that hold an SSH certificate, good ones and bad ones.
func (h *house) pops(t *testing.T) (cs []credential) {
	t.Helper()
	wrong := sshSigner(t, edKey(t))
	user := mintSSH(t, h.userCA, ssh.UserCert, nil)
	h.recordSSH(t, user, "users")
	revoked := mintSSH(t, h.hostCA, ssh.HostCert, nil)
	h.recordSSH(t, revoked, "hosts")
	_, err := h.ca.Revoke(context.Background(), &authority.RevokeRequest{Operation: provisioner.SSHRevoke, Serial: authority.Serial(strconv.FormatUint(revoked.cert.Serial, 16)), Local: true})
	require.NoError(t, err)
	expired := mintSSH(t, h.hostCA, ssh.HostCert, func(c *ssh.Certificate) { c.ValidBefore = uint64(time.Now().Add(-time.Second).Unix()) })
	h.recordSSH(t, expired, "hosts")
	double := mintSSH(t, h.hostCA, ssh.HostCert, func(c *ssh.Certificate) { c.Serial = h.host.cert.Serial })
	holders := map[string]*pop{
		"":                          h.host,
		"of a user ":                user,
		"of a legacy one ":          mintSSH(t, h.hostCA, ssh.HostCert, nil),
		"of a revoked one ":         revoked,
		"of an expired one ":        expired,
		"of a stranger ":            mintSSH(t, wrong, ssh.HostCert, nil),
		"of one under our serial ":  double,
		"of a host by the user CA ": mintSSH(t, h.userCA, ssh.HostCert, nil),
		"of a user by the host CA ": mintSSH(t, h.hostCA, ssh.UserCert, nil),
	}
	for _, name := range slices.Sorted(maps.Keys(holders)) { // the same order in every house
		p := holders[name]
		for _, op := range provisioner.Operations() {
			c := credential{name: "sshpop token " + name + "for " + string(op), token: h.popToken(t, p, p.key, op, nil)}
			if p != double {
				c.pop = p
			}
			cs = append(cs, c)
		}
	}
	for _, op := range []provisioner.Operation{provisioner.SSHRenew, provisioner.SSHRekey, provisioner.SSHRevoke} {
		bad := map[string]string{
			"with another's key":  h.popToken(t, h.host, user.key, op, nil),
			"without fragment":    h.popToken(t, h.host, h.host.key, op, map[string]any{"aud": caURL + "/1.0/" + string(op)}),
			"by another issuer":   h.popToken(t, h.host, h.host.key, op, map[string]any{"iss": "other"}),
			"that has expired":    h.popToken(t, h.host, h.host.key, op, map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}),
			"for another host":    h.popToken(t, h.host, h.host.key, op, map[string]any{"aud": strings.Replace(caURL, "ca.", "cb.", 1) + "/1.0/" + string(op) + "#sshpop/mine"}),
			"signed with nothing": resign(t, h.popToken(t, h.host, h.host.key, op, nil), "none", func(string) []byte { return nil }),
		}
		for _, name := range slices.Sorted(maps.Keys(bad)) {
			cs = append(cs, credential{name: "sshpop token " + name + " for " + string(op), token: bad[name]})
		}
	}
	other := h.popToken(t, h.host, h.host.key, provisioner.SSHRevoke, map[string]any{"sub": strconv.FormatUint(user.cert.Serial, 10)})
	return append(cs, credential{name: "sshpop token for another's end", token: other, pop: user})
}

// addSSHVariants are tokens that say something wrong about SSH.
func (h *house) addSSHVariants(op provisioner.Operation, variants map[string]map[string]any) {
	claim := func(change map[string]any) map[string]any {
		c := map[string]any{"certType": "host", "keyID": subject, "principals": []string{subject}}
		for k, v := range change {
			c[k] = v
		}
		return map[string]any{"step": map[string]any{"ssh": c}}
	}
	switch op {
	case provisioner.SSHSign:
		variants["other principals in"] = claim(map[string]any{"principals": []string{"evil.internal"}})
		variants["user's"] = claim(map[string]any{"certType": "user"})
		variants["odd type in"] = claim(map[string]any{"certType": "root"})
		variants["no ssh claim in"] = map[string]any{"step": map[string]any{}}
		variants["null ssh claim in"] = map[string]any{"step": map[string]any{"ssh": nil}}
		variants["list for principals in"] = claim(map[string]any{"principals": "all"})
		variants["other end in"] = claim(map[string]any{"validBefore": "9000h"})
		variants["no time in"] = claim(map[string]any{"validAfter": "yesterday"})
		delete(variants, "other names") // sub and sans say nothing where the claim does
	case provisioner.SSHRevoke:
		variants["other serial in"] = map[string]any{"sub": "12345"}
		variants["X.509 serial in"] = map[string]any{"sub": h.leaf.crt.SerialNumber.String()}
	case provisioner.X509Revoke:
		variants["SSH serial in"] = map[string]any{"sub": strconv.FormatUint(h.host.cert.Serial, 10)}
	}
}

// requireRightSSH makes sure that the SSH certificate that came out is the one that was asked for.
func (h *house) requireRightSSH(t *testing.T, op provisioner.Operation, c credential, got *httptest.ResponseRecorder, cell string) {
	t.Helper()
	var body struct{ Crt []byte }
	require.NoError(t, json.Unmarshal(got.Body.Bytes(), &body), cell)
	cert, err := sshca.Parse(body.Crt)
	require.NoError(t, err, cell)
	require.True(t, sshca.SignedBy(cert, ssh.HostCert, h.hostCA.PublicKey()), cell)
	require.Equal(t, []string{subject}, cert.ValidPrincipals, cell)
	require.Empty(t, cert.Extensions, cell)
	require.Empty(t, cert.CriticalOptions, cell)
	old := h.host.cert
	if c.pop != nil {
		old = c.pop.cert
	}
	key := h.sshKey
	if op == provisioner.SSHRenew {
		key = old.Key.Marshal()
	}
	require.Equal(t, key, cert.Key.Marshal(), "%s: another key", cell)
	r, err := h.store.Certificate(context.Background(), authority.Serial(strconv.FormatUint(cert.Serial, 16)))
	require.NoError(t, err)
	require.Equal(t, "mine", r.Provisioner, cell)
	require.Equal(t, op, r.Operation, cell)
	if op != provisioner.SSHSign {
		require.Equal(t, authority.Serial(strconv.FormatUint(old.Serial, 16)), r.Previous, cell)
	}
}
