package stepconfig_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/stepconfig"
	"github.com/chancery-ca/chancery/inventory"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/jwk"
)

// fixture is a folder whose ca.json is changed, and what it then serves.
type fixture struct {
	t   *testing.T
	dir string
	key *jose.JSONWebKey
}

func newFixture(t *testing.T) *fixture {
	_, dir, key := copyCA(t)
	return &fixture{t, dir, key}
}

func (x *fixture) write(name, text string) {
	require.NoError(x.t, os.WriteFile(filepath.Join(x.dir, filepath.FromSlash(name)), []byte(text), 0o600))
}

// change edits ca.json; a and p are its authority and its first provisioner.
func (x *fixture) change(edit func(m, a, p map[string]any)) {
	path := filepath.Join(x.dir, "config", "ca.json")
	b, err := os.ReadFile(path)
	require.NoError(x.t, err)
	var m map[string]any
	require.NoError(x.t, json.Unmarshal(b, &m))
	a := m["authority"].(map[string]any)
	edit(m, a, a["provisioners"].([]any)[0].(map[string]any))
	b, err = json.Marshal(m)
	require.NoError(x.t, err)
	x.write("config/ca.json", string(b))
}

func (x *fixture) open() *authority.Authority {
	f, err := stepconfig.Load(filepath.Join(x.dir, "config", "ca.json"))
	require.NoError(x.t, err)
	return open(x.t, f, "hunter2")
}

func (x *fixture) issue(ca *authority.Authority, name string, change ...func(*authority.Request)) (*authority.Certificate, error) {
	s, err := jwk.NewSigner("admin", *x.key)
	require.NoError(x.t, err)
	tok, err := s.Sign(provisioner.Ticket{Audience: "https://localhost:9000/1.0/sign", Subject: name})
	require.NoError(x.t, err)
	r := &authority.Request{Token: tok, CSR: request(x.t, name)}
	for _, c := range change {
		c(r)
	}
	return ca.Issue(x.t.Context(), r)
}

func TestTemplateFile(t *testing.T) {
	x := newFixture(t)
	x.write("templates/leaf.tpl", `{
	"subject": {"commonName": {{ toJson .Subject.CommonName }}, "organization": {{ toJson .org }}},
	"dnsNames": ["{{ .Subject.CommonName }}", "extra.internal"],
	"extKeyUsage": ["clientAuth"]
}`)
	x.change(func(_, _, p map[string]any) {
		p["options"] = map[string]any{"x509": map[string]any{"templateFile": "templates/leaf.tpl", "templateData": map[string]any{"org": "Acme"}}, "ssh": map[string]any{}}
		p["claims"] = map[string]any{"defaultTLSCertDuration": "1h", "disableSmallstepExtensions": true}
	})
	c, err := x.issue(x.open(), "db.internal")
	require.NoError(t, err)
	require.Equal(t, "CN=db.internal,O=Acme", c.Leaf.Subject.String())
	require.Equal(t, []string{"db.internal", "extra.internal"}, c.Leaf.DNSNames)
	require.Equal(t, time.Hour+time.Minute, c.Leaf.NotAfter.Sub(c.Leaf.NotBefore))
	for _, e := range c.Leaf.Extensions {
		require.NotContains(t, e.Id.String(), "37476")
	}

	x.write("templates/leaf.tpl", `{"subject": {{ .Subject`)
	f, err := stepconfig.Load(filepath.Join(x.dir, "config", "ca.json"))
	require.NoError(t, err)
	_, err = f.Config(t.Context(), stepconfig.Options{Password: password("hunter2"), Store: authority.NewMemory()})
	require.ErrorContains(t, err, "leaf.tpl:1")
	require.Equal(t, "authority.provisioners[0].options.x509.templateFile", stepconfig.Faults(err)[0].Path)
}

func TestPolicyLeavesTheCAItsName(t *testing.T) {
	x := newFixture(t)
	x.change(func(_, a, _ map[string]any) {
		a["policy"] = map[string]any{"x509": map[string]any{"allow": map[string]any{"dns": []any{"*.internal"}}}}
	})
	ca := x.open() // with its own certificate, for localhost
	_, err := x.issue(ca, "db.internal")
	require.NoError(t, err)
	_, err = x.issue(ca, "localhost")
	require.ErrorIs(t, err, authority.Denied)

	x.write("config/chancery.json", `{"provisioners": {"admin": {"policy": {"deny": {"dns": ["db.internal"]}}}}}`)
	ca = x.open()
	_, err = x.issue(ca, "db.internal")
	require.ErrorIs(t, err, authority.Denied)
	_, err = x.issue(ca, "web.internal")
	require.NoError(t, err)
}

func TestInventory(t *testing.T) {
	x := newFixture(t)
	x.write("config/chancery.json", `{"inventory": {"file": "hosts.json"}, "provisioners": {"admin": {"entity": {"names": true}}}}`)
	b, err := json.Marshal(map[string]any{"entities": []inventory.Entity{{
		ID: "vm-17", Kind: inventory.Host, Active: true, Identifiers: []inventory.Identifier{{Kind: "subject", Value: "vm-17"}}, DNS: []string{"billing.internal"},
	}}})
	require.NoError(t, err)
	x.write("hosts.json", string(b))
	ca := x.open()
	c, err := x.issue(ca, "vm-17")
	require.NoError(t, err)
	require.Equal(t, []string{"billing.internal"}, c.Leaf.DNSNames)
	_, err = x.issue(ca, "vm-18")
	require.ErrorIs(t, err, authority.Denied)
}

func TestClaims(t *testing.T) {
	x := newFixture(t)
	x.change(func(_, a, p map[string]any) {
		a["backdate"] = "0s"
		a["claims"] = map[string]any{"maxTLSCertDuration": "48h"}
		p["claims"] = map[string]any{"disableRenewal": true, "minTLSCertDuration": "1h"}
	})
	ca := x.open()
	until := func(d time.Duration) func(*authority.Request) {
		return func(r *authority.Request) { r.NotAfter = authority.When{Duration: d} }
	}
	c, err := x.issue(ca, "a.internal", until(48*time.Hour))
	require.NoError(t, err)
	require.Equal(t, 48*time.Hour, c.Leaf.NotAfter.Sub(c.Leaf.NotBefore), "no backdating")
	_, err = x.issue(ca, "a.internal", until(49*time.Hour))
	require.ErrorIs(t, err, authority.Denied)
	_, err = x.issue(ca, "a.internal", until(59*time.Minute))
	require.ErrorIs(t, err, authority.Denied)
	_, err = ca.Issue(t.Context(), &authority.Request{Operation: provisioner.X509Renew, Certificate: c.Leaf, Proof: provisioner.TLSProof})
	require.ErrorIs(t, err, authority.Unauthenticated)
}

func TestTwoKeysOfOneProvisioner(t *testing.T) {
	x := newFixture(t)
	pub, encrypted, err := jwk.Generate([]byte("hunter2"))
	require.NoError(t, err)
	x.change(func(_, a, p map[string]any) {
		a["provisioners"] = []any{map[string]any{"type": "JWK", "name": "admin", "key": pub, "encryptedKey": encrypted}, p}
	})
	ca := x.open()
	_, err = x.issue(ca, "old.internal")
	require.NoError(t, err)
	old := *x.key
	x.key, err = jwk.Decrypt(encrypted, []byte("hunter2"))
	require.NoError(t, err)
	_, err = x.issue(ca, "new.internal")
	require.NoError(t, err)

	x.change(func(_, a, p map[string]any) { a["provisioners"] = []any{p} })
	ca = x.open()
	_, err = x.issue(ca, "new.internal")
	require.NoError(t, err)
	x.key = &old
	_, err = x.issue(ca, "old.internal")
	require.ErrorIs(t, err, authority.Unauthenticated)
}

func TestUpkeepReachesTheAuthority(t *testing.T) {
	x := newFixture(t)
	x.write("config/chancery.json", `{"signAudienceMayRevoke": true, "notices": {"certificates": ["72h"]}, "retention": {"certificates": "2160h"}}`)
	f, err := stepconfig.Load(filepath.Join(x.dir, "config", "ca.json"))
	require.NoError(t, err)
	c, err := f.Config(t.Context(), stepconfig.Options{Password: password("hunter2"), Store: authority.NewMemory()})
	require.NoError(t, err)
	require.Equal(t, []time.Duration{72 * time.Hour}, c.ExpiryNotices)
	require.Equal(t, 2160*time.Hour, c.Retention)
	require.True(t, c.AcceptSignAudienceForRevoke)
}
