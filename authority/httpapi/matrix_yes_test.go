package httpapi

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/provisioner"
)

// strays are certificates under our issuer that the house did not just issue, each with its own serial to
// be revoked, and credentials that were good once.
func (h *house) strays(t *testing.T) (cs []credential) {
	t.Helper()
	_, mark, ok := provisioner.MarkOf(h.leaf.crt)
	if !ok {
		mark = provisioner.Mark{Type: provisioner.TypeJWK, CredentialID: "the-key"}
	}
	marked, err := mark.Extension("mine")
	require.NoError(t, err)
	extend := func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{marked} }
	expired := func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }
	for _, s := range []struct {
		name   string
		spoil  func(*x509.Certificate)
		record string // the provisioner in it; empty: there is none
		status authority.Status
	}{
		{"a legacy certificate", extend, "", ""},
		{"an unmarked legacy certificate", func(*x509.Certificate) {}, "", ""},
		{"an expired certificate", expired, "mine", authority.Issued},
		{"an abandoned certificate", extend, "mine", authority.Abandoned},
		{"a certificate of a provisioner that is gone", func(*x509.Certificate) {}, "gone", authority.Issued},
	} {
		m := h.stray(t, s.spoil)
		if s.record != "" {
			h.record(t, m.crt, s.record, s.status)
		}
		cs = append(cs,
			credential{name: s.name, peer: m.crt, serial: m.crt.SerialNumber},
			credential{name: "renew token of " + s.name, of: m.crt, token: h.renewToken(t, m, []*minted{h.inter}, caURL+"/1.0/renew")})
	}
	return append(cs, h.replays(t)...)
}

// stray signs a leaf with the issuer's key, past the authority.
func (h *house) stray(t *testing.T, spoil func(*x509.Certificate)) *minted {
	t.Helper()
	m := mint(t, subject, false, h.inter)
	c := &x509.Certificate{
		SerialNumber: m.crt.SerialNumber, Subject: m.crt.Subject, DNSNames: m.crt.DNSNames, NotBefore: m.crt.NotBefore,
		NotAfter: time.Now().Add(time.Hour), KeyUsage: m.crt.KeyUsage, ExtKeyUsage: m.crt.ExtKeyUsage,
	}
	spoil(c)
	der, err := x509.CreateCertificate(rand.Reader, c, h.inter.crt, m.key.Public(), h.inter.key)
	require.NoError(t, err)
	m.crt, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	return m
}

// record puts a certificate into the store.
func (h *house) record(t *testing.T, c *x509.Certificate, by string, status authority.Status) {
	t.Helper()
	ctx, s, serial := context.Background(), h.store.Store, authority.SerialOf(c.SerialNumber)
	require.NoError(t, s.Reserve(ctx, &authority.Record{
		Serial: serial, Operation: provisioner.X509Sign, Issuer: "issuing", TBS: c.RawTBSCertificate, NotBefore: c.NotBefore, NotAfter: c.NotAfter,
		Subject: subject, Names: c.DNSNames, Provisioner: by, ReservedAt: c.NotBefore,
	}, provisioner.Spend{}))
	if status == authority.Abandoned {
		require.NoError(t, s.Abandon(ctx, serial, false, c.NotBefore, nil))
		return
	}
	require.NoError(t, s.Commit(ctx, serial, c.Raw, c.NotBefore, nil))
}

// replays are tokens that were honoured before, where the kind of provisioner takes them at all.
func (h *house) replays(t *testing.T) (cs []credential) {
	t.Helper()
	victim := h.stray(t, func(*x509.Certificate) {})
	h.record(t, victim.crt, "mine", authority.Issued)
	for _, c := range []credential{
		{name: "replayed token for x509/sign", token: h.token(t, h.mine, provisioner.X509Sign, nil)},
		{name: "replayed ID token", token: h.idToken(t, nil)},
		{name: "replayed renew token", token: h.renewToken(t, h.second, []*minted{h.inter}, caURL+"/1.0/renew")},
		{name: "replayed token for x509/revoke", serial: victim.crt.SerialNumber,
			token: h.token(t, h.mine, provisioner.X509Revoke, map[string]any{"sub": victim.crt.SerialNumber.String()})},
	} {
		good := false
		for _, rt := range Routes() {
			if rt.Operation != "" && !good {
				good = h.send(t, rt, c).Code < 300
			}
		}
		takesTokens := h.kind.name == "jwk" || h.kind.name == "x5c"
		judges := h.kind.name != "refuser" && h.kind.name != "mute" && h.kind.name != "sshpop"
		if c.name == "replayed ID token" {
			takesTokens = h.kind.name == "oidc"
		}
		require.Equal(t, takesTokens || c.name == "replayed renew token" && judges, good, c.name)
		cs = append(cs, c)
	}
	return cs
}

// revoked are the serials that are revoked.
func (h *house) revoked(t *testing.T) map[authority.Serial]bool {
	t.Helper()
	yes := true
	page, err := h.store.List(context.Background(), authority.Query{Revoked: &yes, Limit: 1000})
	require.NoError(t, err)
	require.Empty(t, page.Next)
	set := map[authority.Serial]bool{}
	for _, r := range page.Records {
		set[r.Serial] = true
	}
	return set
}

// target is the serial that a request with this credential would revoke.
func (h *house) target(c credential) *big.Int {
	if c.serial != nil {
		return c.serial
	}
	return h.leaf.crt.SerialNumber
}

// targetOf is the serial that a request to a route would revoke.
func (h *house) targetOf(rt Route, c credential) *big.Int {
	if rt.Operation == provisioner.SSHRevoke {
		p := h.host
		if c.pop != nil {
			p = c.pop
		}
		return new(big.Int).SetUint64(p.cert.Serial)
	}
	return h.target(c)
}

// requireRight makes sure that a yes was to what was asked: the certificate that came out, or went.
func (h *house) requireRight(t *testing.T, op provisioner.Operation, c credential, got *httptest.ResponseRecorder, cell string) {
	t.Helper()
	if op == provisioner.X509Revoke || op == provisioner.SSHRevoke {
		h.before.revoked[authority.SerialOf(h.targetOf(Route{Operation: op}, c))] = true
		require.Equal(t, h.before.revoked, h.revoked(t), cell)
		return
	}
	require.Equal(t, h.before.revoked, h.revoked(t), cell)
	if op != provisioner.X509Sign && op != provisioner.X509Renew && op != provisioner.X509Rekey {
		h.requireRightSSH(t, op, c, got, cell)
		return
	}
	csr, err := parseCSR(h.csr)
	require.NoError(t, err)
	old, names, key := h.leaf.crt, []string{subject}, csr.PublicKey
	switch {
	case c.peer != nil:
		old = c.peer
	case c.of != nil:
		old = c.of
	}
	if op != provisioner.X509Sign {
		names = old.DNSNames
	}
	if op == provisioner.X509Renew {
		key = old.PublicKey
	}
	var body struct{ Crt string }
	require.NoError(t, json.Unmarshal(got.Body.Bytes(), &body), cell)
	block, _ := pem.Decode([]byte(body.Crt))
	require.NotNil(t, block, cell)
	leaf, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	require.NoError(t, leaf.CheckSignatureFrom(h.inter.crt), cell)
	require.Equal(t, names, leaf.DNSNames, cell)
	require.Zero(t, len(leaf.IPAddresses)+len(leaf.EmailAddresses)+len(leaf.URIs), cell)
	require.True(t, leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool }).Equal(key), "%s: another key", cell)
	r, err := h.store.Certificate(context.Background(), authority.SerialOf(leaf.SerialNumber))
	require.NoError(t, err)
	require.Equal(t, "mine", r.Provisioner, cell)
	require.Equal(t, op, r.Operation, cell)
	if op != provisioner.X509Sign {
		require.Equal(t, authority.SerialOf(old.SerialNumber), r.Previous, cell)
	}
}
