package authority_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/authority/policy"
	"github.com/chancery-ca/chancery/event"
	"github.com/chancery-ca/chancery/inventory"
	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/provisioner"
	"github.com/chancery-ca/chancery/provisioner/provisionertest"
	"github.com/chancery-ca/chancery/sshca"
	"github.com/chancery-ca/chancery/template"
)

// sshRequest asks for what a token says.
func sshRequest(t testing.TB, ca *authoritytest.CA, subject string, k provisioner.SSHTicket) *authority.SSHRequest {
	t.Helper()
	return &authority.SSHRequest{Token: ca.SSHToken(subject, k), Key: provisionertest.NewSSHKey(t)}
}

func again(t testing.TB, p *authoritytest.SSHPair, op provisioner.Operation) *authority.SSHRequest {
	t.Helper()
	token, err := p.Token("/" + string(op))
	require.NoError(t, err)
	r := &authority.SSHRequest{Operation: op, Token: token}
	if op == provisioner.SSHRekey {
		r.Key = provisionertest.NewSSHKey(t)
	}
	return r
}

func TestSSHUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := authoritytest.New(t)
		r := sshRequest(t, ca, "alice@example.com", provisioner.SSHTicket{CertType: "user", Principals: []string{"alice", "alice@example.com"}})
		got := ca.IssueSSH(r)
		c := got.Certificate
		require.EqualValues(t, ssh.UserCert, c.CertType)
		require.Equal(t, "alice@example.com", c.KeyId)
		require.Equal(t, []string{"alice", "alice@example.com"}, c.ValidPrincipals)
		require.Equal(t, r.Key.Marshal(), c.Key.Marshal())
		require.Empty(t, c.CriticalOptions)
		require.Equal(t, sshca.UserExtensions(), c.Extensions)
		now := uint64(time.Now().Unix())
		require.Equal(t, now-60, c.ValidAfter)
		require.Equal(t, now+16*3600, c.ValidBefore)
		require.NotZero(t, c.Serial)
		require.True(t, sshca.SignedBy(c, ssh.UserCert, ca.Authority.SSHKeys().User[0]))

		record, err := ca.Authority.Certificate(t.Context(), authority.SSHSerialOf(c))
		require.NoError(t, err)
		require.True(t, record.IsSSH())
		require.Equal(t, authority.Issued, record.Status)
		require.Equal(t, "users", record.Issuer)
		require.Equal(t, "alice@example.com", record.Subject)
		require.Equal(t, c.ValidPrincipals, record.Names)
		require.Equal(t, authoritytest.JWK, record.Provisioner)
		read, err := record.SSHCertificate()
		require.NoError(t, err)
		require.Equal(t, c.Marshal(), read.Marshal())

		_, err = ca.TrySSH(r)
		requireRefused(t, err, authority.Unauthenticated, "spent")
		events := ca.Events.Events()
		require.Equal(t, event.CertificateIssued, events[0].Type)
		data := events[0].Data.(event.Certificate)
		require.Equal(t, "alice@example.com", data.Subject)
		require.Equal(t, c.ValidPrincipals, data.Names)
		ca.Check()
	})
}

// What a client asked for before somebody logged in is good for as long as that may take.
func TestSSHBeginsBeforeTheLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := authoritytest.New(t)
		ask := func(ago time.Duration) (*authority.SSHCertificate, error) {
			r := sshRequest(t, ca, "alice@example.com", provisioner.SSHTicket{CertType: "user", Principals: []string{"alice"}})
			r.ValidAfter = authority.When{Time: time.Now().Add(-ago)}
			return ca.TrySSH(r)
		}
		for _, ago := range []time.Duration{time.Minute, 61 * time.Second, 15 * time.Minute} {
			got, err := ask(ago)
			require.NoError(t, err, ago)
			begin := time.Now().Add(-ago).Unix()
			require.EqualValues(t, begin, got.Certificate.ValidAfter)
			require.EqualValues(t, begin+16*3600, got.Certificate.ValidBefore)
		}
		_, err := ask(15*time.Minute + time.Second)
		requireRefused(t, err, authority.Denied, "validity-begin")
		ca.Check()
	})
}

func TestSSHHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := authoritytest.New(t)
		c := ca.IssueSSH(sshRequest(t, ca, "web.internal", provisioner.SSHTicket{CertType: "host"})).Certificate
		require.EqualValues(t, ssh.HostCert, c.CertType)
		require.Equal(t, []string{"web.internal"}, c.ValidPrincipals)
		require.Empty(t, c.Extensions)
		require.Equal(t, uint64(time.Now().Unix())+720*3600, c.ValidBefore)
		require.True(t, sshca.SignedBy(c, ssh.HostCert, ca.Authority.SSHKeys().Host[0]))
		require.False(t, sshca.SignedBy(c, ssh.UserCert, ca.Authority.SSHKeys().User[0]))
		ca.Check()
	})
}

// What a token for an SSH certificate and its request may say of each other.
func TestSSHRequestAndToken(t *testing.T) {
	ca := authoritytest.New(t)
	user := provisioner.SSHTicket{CertType: "user", KeyID: "alice", Principals: []string{"alice", "ops"}}
	key := provisionertest.NewSSHKey(t)
	cases := map[string]struct {
		ticket provisioner.SSHTicket
		change func(r *authority.SSHRequest)
		code   string // empty: it is granted
		want   []string
	}{
		"as the token says":        {user, func(*authority.SSHRequest) {}, "", []string{"alice", "ops"}},
		"one of the principals":    {user, func(r *authority.SSHRequest) { r.Principals = []string{"OPS"} }, "", []string{"ops"}},
		"another principal":        {user, func(r *authority.SSHRequest) { r.Principals = []string{"alice", "root"} }, "principals", nil},
		"another type":             {user, func(r *authority.SSHRequest) { r.Type = provisioner.SSHHost }, "type", nil},
		"another key id":           {user, func(r *authority.SSHRequest) { r.KeyID = "mallory" }, "", []string{"alice", "ops"}},
		"no key":                   {user, func(r *authority.SSHRequest) { r.Key = nil }, "key", nil},
		"a certificate for a key":  {user, func(r *authority.SSHRequest) { r.Key = ca.SSHUser("alice").Certificate }, "key", nil},
		"of no type":               {provisioner.SSHTicket{}, func(*authority.SSHRequest) {}, "type", nil},
		"type from the request":    {provisioner.SSHTicket{}, func(r *authority.SSHRequest) { r.Type = provisioner.SSHUser }, "", []string{"subject"}},
		"comma in a principal":     {provisioner.SSHTicket{CertType: "user", Principals: []string{"alice,root"}}, func(*authority.SSHRequest) {}, "wrong-principal", nil},
		"newline in the key id":    {provisioner.SSHTicket{CertType: "user", KeyID: "a\nb", Principals: []string{"alice"}}, func(*authority.SSHRequest) {}, "subject", nil},
		"an unknown profile":       {user, func(r *authority.SSHRequest) { r.Profile = "other" }, "profile", nil},
		"longer than allowed":      {provisioner.SSHTicket{CertType: "user", ValidBefore: "25h"}, func(*authority.SSHRequest) {}, "validity-long", nil},
		"shorter than allowed":     {provisioner.SSHTicket{CertType: "user", ValidBefore: "1m"}, func(*authority.SSHRequest) {}, "validity-short", nil},
		"another end than granted": {provisioner.SSHTicket{CertType: "user", ValidBefore: "2h"}, func(r *authority.SSHRequest) { r.ValidBefore.Duration = time.Hour }, "validity", nil},
		"an operation of X.509":    {user, func(r *authority.SSHRequest) { r.Operation = provisioner.X509Sign }, "operation", nil},
		"revoked instead of made":  {user, func(r *authority.SSHRequest) { r.Operation = provisioner.SSHRevoke }, "operation", nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := &authority.SSHRequest{Token: ca.SSHToken("subject", c.ticket), Key: key}
			c.change(r)
			got, err := ca.TrySSH(r)
			if c.code == "" {
				require.NoError(t, err)
				require.Equal(t, c.want, got.Certificate.ValidPrincipals)
				require.NotEqual(t, "mallory", got.Certificate.KeyId)
				return
			}
			require.Error(t, err)
			require.Equal(t, c.code, err.(*authority.Error).Code, err)
		})
	}
	ca.Check()
}

// A token for the one kind of certificate is none for the other.
func TestSSHAndX509Apart(t *testing.T) {
	ca := authoritytest.New(t)
	_, err := ca.TrySSH(&authority.SSHRequest{Token: ca.Token("web.internal"), Key: provisionertest.NewSSHKey(t)})
	requireRefused(t, err, authority.Unauthenticated, "audience")
	_, err = ca.TrySSH(&authority.SSHRequest{Token: ca.TokenFor("/1.0/ssh/sign", "web.internal"), Key: provisionertest.NewSSHKey(t)})
	requireRefused(t, err, authority.Unauthenticated, "step-ssh")
	r := signRequest(t, ca, "web.internal")
	r.Token = ca.SSHToken("web.internal", provisioner.SSHTicket{CertType: "host"})
	_, err = ca.Try(r)
	requireRefused(t, err, authority.Unauthenticated, "audience")

	// Revocation: the serial of the one is none of the other.
	host, leaf := ca.SSHHost("web.internal"), ca.Leaf("web.internal")
	_, err = ca.Authority.Revoke(t.Context(), &authority.RevokeRequest{Serial: authority.SSHSerialOf(host.Certificate), Local: true, Provisioner: authoritytest.Local})
	requireRefused(t, err, authority.NotFound, "serial")
	_, err = ca.Authority.Revoke(t.Context(), &authority.RevokeRequest{
		Operation: provisioner.SSHRevoke, Serial: authority.SerialOf(leaf.Leaf.SerialNumber), Local: true, Provisioner: authoritytest.Local,
	})
	requireRefused(t, err, authority.NotFound, "serial")
	ca.Check()
}

// Zero principals would be a certificate for every account: nothing gets that far.
func TestNoPrincipals(t *testing.T) {
	none := template.NewSSH("none", func(d *template.SSHData) (*template.SSHCertificate, error) {
		return &template.SSHCertificate{Type: d.Type, KeyID: d.KeyID}, nil
	})
	for name, c := range map[string]struct {
		grant   *provisioner.SSHGrant
		profile authority.SSHProfile
		code    string
	}{
		"no grant":             {nil, authority.SSHProfile{}, "ssh"},
		"no type":              {&provisioner.SSHGrant{Principals: []string{"alice"}}, authority.SSHProfile{}, "ssh"},
		"no principals":        {&provisioner.SSHGrant{Type: provisioner.SSHUser}, authority.SSHProfile{}, "no-principals"},
		"an empty principal":   {&provisioner.SSHGrant{Type: provisioner.SSHUser, Principals: []string{""}}, authority.SSHProfile{}, "wrong-principal"},
		"none by the template": {&provisioner.SSHGrant{Type: provisioner.SSHUser, Principals: []string{"alice"}}, authority.SSHProfile{Template: none, TemplatePrincipals: true}, "no-principals"},
	} {
		t.Run(name, func(t *testing.T) {
			ca := authoritytest.New(t, func(c2 *authority.Config) {
				c2.Provisioners = append(c2.Provisioners, granting("fixed", &provisioner.Grant{Subject: "alice", SSH: c.grant}))
				c2.SSH.Profiles = []authority.SSHProfile{c.profile}
				c2.Bindings["fixed"] = authority.Binding{SSH: []string{""}}
			})
			_, err := ca.TrySSH(&authority.SSHRequest{Provisioner: "fixed", Key: provisionertest.NewSSHKey(t)})
			require.Error(t, err)
			require.Equal(t, c.code, err.(*authority.Error).Code, err)
			ca.Check()
		})
	}
}

// A provisioner has SSH certificates only if its binding says so, and only from an authority that has keys
// for the type.
func TestSSHByChoice(t *testing.T) {
	ca := authoritytest.New(t, func(c *authority.Config) { c.Bindings = nil })
	_, err := ca.TrySSH(sshRequest(t, ca, "alice", provisioner.SSHTicket{CertType: "user"}))
	requireRefused(t, err, authority.Unauthenticated, "ssh-disabled")

	ca = authoritytest.New(t, func(c *authority.Config) { c.SSH.Issuers = c.SSH.Issuers[:1] })
	_, err = ca.TrySSH(sshRequest(t, ca, "web", provisioner.SSHTicket{CertType: "host"}))
	requireRefused(t, err, authority.Unsupported, "issuer")

	ca = authoritytest.New(t, func(c *authority.Config) { c.SSH, c.Bindings = nil, nil })
	_, err = ca.TrySSH(sshRequest(t, ca, "alice", provisioner.SSHTicket{CertType: "user"}))
	requireRefused(t, err, authority.Unsupported, "ssh")
	require.Empty(t, ca.Authority.SSHKeys())
}

func TestSSHConfigFaults(t *testing.T) {
	signer := func() kms.Signer {
		_, k, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		return kms.FromCrypto(k)
	}
	shared := signer()
	rsa := newKey(t, kms.RSA2048)
	for want, change := range map[string]func(c *authority.Config){
		"no SSH issuer": func(c *authority.Config) { c.SSH = &authority.SSH{} },
		`"a": no signer`: func(c *authority.Config) {
			c.SSH.Issuers = []authority.SSHIssuer{{Name: "a", Type: provisioner.SSHUser}}
		},
		"no name":                           func(c *authority.Config) { c.SSH.Issuers[0].Name = "" },
		"neither for users nor for hosts":   func(c *authority.Config) { c.SSH.Issuers[0].Type = 0 },
		`it has the key of "users"`:         func(c *authority.Config) { c.SSH.Issuers[0].Signer, c.SSH.Issuers[1].Signer = shared, shared },
		"an X.509 issuer has the same name": func(c *authority.Config) { c.SSH.Issuers[0].Name = "intermediate" },
		"there are two of that name":        func(c *authority.Config) { c.SSH.Issuers[0].Name = "hosts" },
		"3072":                              func(c *authority.Config) { c.SSH.Issuers[0].Signer = kms.FromCrypto(rsa) },
		`no SSH profile is called "x"`:      func(c *authority.Config) { c.Bindings[authoritytest.JWK] = authority.Binding{SSH: []string{"x"}} },
		"needs an inventory": func(c *authority.Config) {
			c.SSH.Profiles = []authority.SSHProfile{{UserEntity: authority.SSHEntityRule{Required: true}}}
		},
		"host certificates have no extensions": func(c *authority.Config) {
			c.SSH.Profiles = []authority.SSHProfile{{HostEntity: authority.SSHEntityRule{Extensions: map[string]string{"a@b": "c"}}}}
		},
		`two SSH profiles are called ""`:        func(c *authority.Config) { c.SSH.Profiles = []authority.SSHProfile{{}, {}} },
		"there are no SSH profiles without SSH": func(c *authority.Config) { c.SSH = nil },
		`no profile is called "who"`:            func(c *authority.Config) { c.SSH.Identity = "who" },
		"a federated SSH key is nil":            func(c *authority.Config) { c.SSH.FederatedUserKeys = []ssh.PublicKey{nil} },
	} {
		t.Run(want, func(t *testing.T) {
			var kept authority.Config
			authoritytest.New(t, func(c *authority.Config) { kept = *c })
			change(&kept)
			_, err := authority.New(kept)
			require.ErrorContains(t, err, want)
		})
	}
}

func TestSSHRenewAndRekey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := authoritytest.New(t)
		host := ca.SSHHost("web.internal", "www.internal")
		time.Sleep(time.Hour)
		got := ca.IssueSSH(again(t, host, provisioner.SSHRenew)).Certificate
		old := host.Certificate
		require.Equal(t, old.ValidPrincipals, got.ValidPrincipals)
		require.Equal(t, old.Key.Marshal(), got.Key.Marshal())
		require.Equal(t, old.KeyId, got.KeyId)
		require.Equal(t, old.ValidBefore-old.ValidAfter, got.ValidBefore-got.ValidAfter)
		require.Equal(t, old.ValidBefore+3600, got.ValidBefore)
		require.NotEqual(t, old.Serial, got.Serial)
		require.NotEqual(t, old.Nonce, got.Nonce)
		r, err := ca.Authority.Certificate(t.Context(), authority.SSHSerialOf(got))
		require.NoError(t, err)
		require.Equal(t, authority.SSHSerialOf(old), r.Previous)

		rekey := again(t, host, provisioner.SSHRekey)
		got = ca.IssueSSH(rekey).Certificate
		require.Equal(t, rekey.Key.Marshal(), got.Key.Marshal())
		_, err = ca.TrySSH(rekey)
		requireRefused(t, err, authority.Unauthenticated, "spent")
		ca.Check()
	})
}

func TestSSHNotRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := authoritytest.New(t)
		refused := func(p *authoritytest.SSHPair, kind authority.Kind, code string) {
			t.Helper()
			for _, op := range []provisioner.Operation{provisioner.SSHRenew, provisioner.SSHRekey} {
				_, err := ca.TrySSH(again(t, p, op))
				requireRefused(t, err, kind, code)
			}
		}
		refused(ca.SSHUser("alice"), authority.BadRequest, "type")
		refused(ca.SSHStranger("alice"), authority.Unauthenticated, "foreign")
		host := ca.SSHHost("web.internal")
		_, err := ca.Authority.Revoke(t.Context(), &authority.RevokeRequest{Operation: provisioner.SSHRevoke, Serial: authority.SSHSerialOf(host.Certificate), Local: true})
		require.NoError(t, err)
		refused(host, authority.Unauthenticated, "revoked")
		late := ca.SSHHost("late.internal")
		time.Sleep(721 * time.Hour)
		refused(late, authority.Unauthenticated, "expired")
		r := again(t, ca.SSHHost("x.internal"), provisioner.SSHRenew)
		r.Key = provisionertest.NewSSHKey(t)
		_, err = ca.TrySSH(r)
		requireRefused(t, err, authority.BadRequest, "key")
		ca.Check()
	})
}

// A certificate that the program before this one signed with our key is renewed, and can be revoked.
func TestSSHLegacy(t *testing.T) {
	ca := authoritytest.New(t)
	legacy := ca.SignAnySSH(provisioner.SSHHost, func(*ssh.Certificate) {}, "old.internal")
	ca.IssueSSH(again(t, legacy, provisioner.SSHRenew))
	swapped := ca.SignAnySSH(provisioner.SSHHost, func(c *ssh.Certificate) { c.CertType = ssh.UserCert }, "root")
	_, err := ca.TrySSH(again(t, swapped, provisioner.SSHRenew))
	requireRefused(t, err, authority.Unauthenticated, "foreign")
	token, err := legacy.Token("/ssh/revoke")
	require.NoError(t, err)
	q := &authority.RevokeRequest{Operation: provisioner.SSHRevoke, Serial: authority.SSHSerialOf(legacy.Certificate), Token: token}
	_, err = ca.Authority.Revoke(t.Context(), q)
	require.NoError(t, err)
	_, err = ca.TrySSH(again(t, legacy, provisioner.SSHRenew))
	requireRefused(t, err, authority.Unauthenticated, "revoked")
}

func TestSSHRevoke(t *testing.T) {
	ca := authoritytest.New(t)
	user := ca.IssueSSH(sshRequest(t, ca, "alice", provisioner.SSHTicket{CertType: "user"})).Certificate
	other := ca.SSHUser("bob")
	revoke := func(c *ssh.Certificate, subject string) error {
		_, err := ca.Authority.Revoke(t.Context(), &authority.RevokeRequest{
			Operation: provisioner.SSHRevoke, Serial: authority.SSHSerialOf(c), Token: ca.TokenFor("/1.0/ssh/revoke", subject),
		})
		return err
	}
	decimal := authority.SSHSerialOf(user).Decimal()
	requireRefused(t, revoke(other.Certificate, authority.SSHSerialOf(other.Certificate).Decimal()), authority.Denied, "owner")
	requireRefused(t, revoke(other.Certificate, decimal), authority.Denied, "serial")
	require.NoError(t, revoke(user, decimal))
	requireRefused(t, revoke(user, decimal), authority.Conflict, "revoked")

	// The holder of the key, whoever issued it.
	token, err := other.Token("/ssh/revoke")
	require.NoError(t, err)
	q := &authority.RevokeRequest{Operation: provisioner.SSHRevoke, Serial: authority.SSHSerialOf(user), Token: token}
	_, err = ca.Authority.Revoke(t.Context(), q)
	requireRefused(t, err, authority.Denied, "serial")
	q.Serial = authority.SSHSerialOf(other.Certificate)
	_, err = ca.Authority.Revoke(t.Context(), q)
	require.NoError(t, err)
	ca.Check()
}

func alice() *inventory.Entity {
	return &inventory.Entity{
		ID: "u-1", Kind: inventory.Person, Active: true, Identifiers: []inventory.Identifier{{Kind: provisioner.Email, Value: "alice@example.com"}},
		POSIX: &inventory.POSIX{User: "asmith", UID: 1001, GID: 1001}, Principals: []string{"deploy"}, Attributes: map[string]any{"github": "alice-gh"},
	}
}

func web() *inventory.Entity {
	return &inventory.Entity{
		ID: "h-1", Kind: inventory.Host, Active: true, Identifiers: []inventory.Identifier{{Kind: provisioner.HostName, Value: "web.internal"}},
		DNS: []string{"web.internal", "www.internal"}, IPs: []string{"192.0.2.7"}, Tags: map[string]string{"env": "prod"},
	}
}

func sshInventory(t testing.TB, p authority.SSHProfile, es ...*inventory.Entity) (*authoritytest.CA, *inventory.Memory) {
	t.Helper()
	m, err := inventory.NewMemory(es...)
	require.NoError(t, err)
	return authoritytest.New(t, func(c *authority.Config) {
		c.Inventory = m
		c.SSH.Profiles = []authority.SSHProfile{p}
	}), m
}

// From an e-mail address to an account, and to what other servers call the person.
func TestSSHInventory(t *testing.T) {
	rule := authority.SSHEntityRule{Principals: true, Extensions: map[string]string{"login@github.com": "github", "id@ghe.example.com": "ghe"}}
	ca, m := sshInventory(t, authority.SSHProfile{UserEntity: rule, HostEntity: authority.SSHEntityRule{Principals: true}}, alice(), web())
	ask := func(subject, kind string, principals ...string) (*authority.SSHCertificate, error) {
		r := sshRequest(t, ca, subject, provisioner.SSHTicket{CertType: kind})
		r.Principals = principals
		return ca.TrySSH(r)
	}
	got, err := ask("alice@example.com", "user")
	require.NoError(t, err)
	require.Equal(t, []string{"asmith", "deploy"}, got.Certificate.ValidPrincipals)
	require.Equal(t, "alice-gh", got.Certificate.Extensions["login@github.com"])
	require.NotContains(t, got.Certificate.Extensions, "id@ghe.example.com")
	require.Equal(t, "alice@example.com", got.Certificate.KeyId)
	require.Equal(t, "u-1", got.Record.Entity)

	_, err = ask("mallory@example.com", "user")
	requireRefused(t, err, authority.Denied, "entity-unknown")
	_, err = ask("alice@example.com", "host")
	requireRefused(t, err, authority.Denied, "entity-kind")
	_, err = ask("web.internal", "user")
	requireRefused(t, err, authority.Denied, "entity-kind")
	_, err = ask("evil.internal", "host")
	requireRefused(t, err, authority.Denied, "entity-unknown")
	got, err = ask("web.internal", "host")
	require.NoError(t, err)
	require.Equal(t, []string{"web.internal", "www.internal", "192.0.2.7"}, got.Certificate.ValidPrincipals)

	gone := alice()
	gone.Active = false
	require.NoError(t, m.Put(t.Context(), gone))
	_, err = ask("alice@example.com", "user")
	requireRefused(t, err, authority.Denied, "entity-inactive")
	ca.Check()
}

// A host that is not active any more, or has lost a name, is not renewed.
func TestSSHRenewedByTodaysInventory(t *testing.T) {
	ca, m := sshInventory(t, authority.SSHProfile{HostEntity: authority.SSHEntityRule{Principals: true}}, web())
	key := ca.SSHHost("web.internal")
	require.Equal(t, "h-1", mustRecord(t, ca, key.Certificate).Entity)
	ca.IssueSSH(again(t, key, provisioner.SSHRenew))

	less := web()
	less.DNS = less.DNS[1:]
	require.NoError(t, m.Put(t.Context(), less))
	_, err := ca.TrySSH(again(t, key, provisioner.SSHRenew))
	requireRefused(t, err, authority.Denied, "entity-principals")

	gone := web()
	gone.Active = false
	require.NoError(t, m.Put(t.Context(), gone))
	_, err = ca.TrySSH(again(t, key, provisioner.SSHRenew))
	requireRefused(t, err, authority.Denied, "entity-inactive")
	require.NoError(t, m.Delete(t.Context(), "h-1"))
	_, err = ca.TrySSH(again(t, key, provisioner.SSHRekey))
	requireRefused(t, err, authority.Denied, "entity-unknown")
	ca.Check()
}

func mustRecord(t testing.TB, ca *authoritytest.CA, c *ssh.Certificate) *authority.Record {
	t.Helper()
	r, err := ca.Authority.Certificate(t.Context(), authority.SSHSerialOf(c))
	require.NoError(t, err)
	return r
}

func TestSSHPolicy(t *testing.T) {
	users, err := policy.New(policy.Config{Allow: policy.Rules{Principal: []string{"*"}, Email: []string{"@example.com"}}, Deny: policy.Rules{Principal: []string{"root"}}})
	require.NoError(t, err)
	hosts, err := policy.New(policy.Config{Allow: policy.Rules{DNS: []string{"*.internal"}}})
	require.NoError(t, err)
	root := template.NewSSH("root", func(d *template.SSHData) (*template.SSHCertificate, error) {
		c, err := template.SSHDefault().Render(d)
		if err == nil && d.KeyID == "sneaky" {
			c.Principals = append(c.Principals, "root")
		}
		return c, err
	})
	for _, trusted := range []bool{false, true} {
		ca := authoritytest.New(t, func(c *authority.Config) {
			c.SSH.Profiles = []authority.SSHProfile{{UserPolicy: users, HostPolicy: hosts, Template: root, TemplatePrincipals: trusted}}
		})
		for _, c := range []struct{ kind, principal, code string }{
			{"user", "alice", ""}, {"user", "root", "policy-principal"}, {"user", "alice@example.com", ""}, {"user", "alice@evil.com", "policy-email"},
			{"host", "web.internal", ""}, {"host", "web.example.com", "policy-dns"}, {"host", "192.0.2.1", "policy-ip"},
		} {
			_, err := ca.TrySSH(sshRequest(t, ca, c.principal, provisioner.SSHTicket{CertType: c.kind}))
			if c.code == "" {
				require.NoError(t, err, c)
				continue
			}
			requireRefused(t, err, authority.Denied, c.code)
		}
		_, err := ca.TrySSH(sshRequest(t, ca, "alice", provisioner.SSHTicket{CertType: "user", KeyID: "sneaky"}))
		if trusted {
			requireRefused(t, err, authority.Denied, "policy-principal")
		} else {
			requireRefused(t, err, authority.Denied, "principals")
		}
		ca.Check()
	}
}

// Several keys are trusted while one takes another's place, and only one signs.
func TestSSHRotation(t *testing.T) {
	_, k, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	ca, reconfigure := changeable(t)
	old := ca.SSHHost("web.internal")
	reconfigure(func(c *authority.Config) {
		own := *c.SSH
		own.Issuers = append([]authority.SSHIssuer{{Name: "hosts-2", Type: provisioner.SSHHost, Signer: kms.FromCrypto(k)}}, own.Issuers...)
		own.Issuers[2].State = authority.Retiring
		c.SSH = &own
	})
	require.Len(t, ca.Authority.SSHKeys().Host, 2)
	got := ca.IssueSSH(again(t, old, provisioner.SSHRenew)).Certificate
	require.True(t, sshca.SignedBy(got, ssh.HostCert, ca.Authority.SSHKeys().Host[0]))
	require.False(t, sshca.SignedBy(old.Certificate, ssh.HostCert, ca.Authority.SSHKeys().Host[0]))
	reconfigure(func(c *authority.Config) {
		own := *c.SSH
		own.Issuers = append([]authority.SSHIssuer(nil), own.Issuers...)
		own.Issuers[1] = authority.SSHIssuer{Name: "hosts", Type: provisioner.SSHHost, State: authority.Retired, Key: old.Certificate.SignatureKey}
		c.SSH = &own
	})
	require.Empty(t, ca.Authority.SSHKeys().Host)
	_, err = ca.TrySSH(again(t, old, provisioner.SSHRenew))
	requireRefused(t, err, authority.Unsupported, "issuer")
}

// Whatever fails, and whether or not it took effect, the books are in order afterwards.
func TestSSHFaultAtEveryStep(t *testing.T) {
	for _, point := range authoritytest.Points() {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s after=%t", point, after), func(t *testing.T) {
				ca, _ := sshInventory(t, authority.SSHProfile{}, web())
				host := ca.SSHHost("web.internal")
				for _, r := range []*authority.SSHRequest{sshRequest(t, ca, "alice", provisioner.SSHTicket{CertType: "user"}), again(t, host, provisioner.SSHRenew)} {
					if after {
						ca.Faults.FailAfter(point, 1)
					} else {
						ca.Faults.Fail(point, 1)
					}
					_, first := ca.TrySSH(r)
					ca.Faults.Clear()
					_, second := ca.TrySSH(r)
					require.False(t, first == nil && second == nil, "two certificates for one token")
					if point != authoritytest.Commit {
						require.True(t, first == nil || second == nil, "the retry failed: %v, %v", first, second)
					}
				}
				ca.Check()
			})
		}
	}
}

func TestExplainSSH(t *testing.T) {
	ca := authoritytest.New(t)
	r := sshRequest(t, ca, "alice", provisioner.SSHTicket{CertType: "user"})
	e := ca.Authority.ExplainSSH(t.Context(), r)
	require.Nil(t, e.Err)
	require.Len(t, e.Steps, 5)
	require.Equal(t, []string{"alice"}, e.SSHTemplate.Principals)
	require.NotEmpty(t, e.TBS)
	ca.IssueSSH(r) // nothing was spent
	e = ca.Authority.ExplainSSH(t.Context(), &authority.SSHRequest{Token: r.Token})
	require.Equal(t, "key", e.Err.Code)
}

func TestSSHDecide(t *testing.T) {
	ca := authoritytest.New(t, func(c *authority.Config) {
		c.Decide = func(_ context.Context, d *authority.Decision) error {
			if d.SSH == nil || d.SSH.Principals[0] == "bob" {
				return errors.New("not bob")
			}
			d.SSH.Principals[0] = "root" // changes nothing
			return nil
		}
	})
	_, err := ca.TrySSH(sshRequest(t, ca, "alice", provisioner.SSHTicket{CertType: "user"}))
	require.NoError(t, err)
	_, err = ca.TrySSH(sshRequest(t, ca, "bob", provisioner.SSHTicket{CertType: "user"}))
	requireRefused(t, err, authority.Denied, "decide")
	ca.Check()
}

// Accounts are added by a certificate of their own, which does nothing else.
func TestSSHAddUser(t *testing.T) {
	ca := authoritytest.New(t, func(c *authority.Config) { c.SSH.AddUser = &authority.AddUser{} })
	r := sshRequest(t, ca, "alice@example.com", provisioner.SSHTicket{CertType: "user", Principals: []string{"alice", "alice@example.com"}})
	r.AddUser = provisionertest.NewSSHKey(t)
	got := ca.IssueSSH(r)
	require.NotNil(t, got.AddUser)
	require.Equal(t, []string{"provisioner"}, got.AddUser.ValidPrincipals)
	require.Equal(t, "alice-provisioner", got.AddUser.KeyId)
	require.Equal(t, "sudo useradd -m alice; nc -q0 localhost 22", got.AddUser.CriticalOptions["force-command"])
	require.Empty(t, got.AddUser.Extensions)
	require.Equal(t, got.Certificate.ValidBefore, got.AddUser.ValidBefore)
	require.Equal(t, r.AddUser.Marshal(), got.AddUser.Key.Marshal())

	for _, evil := range []string{"alice;reboot", "$(reboot)", "-rf", "a b", "ä"} {
		r := sshRequest(t, ca, "alice", provisioner.SSHTicket{CertType: "user", Principals: []string{evil}})
		r.AddUser = provisionertest.NewSSHKey(t)
		_, err := ca.TrySSH(r)
		requireRefused(t, err, authority.Denied, "account")
	}
	many := sshRequest(t, ca, "alice", provisioner.SSHTicket{CertType: "user", Principals: []string{"alice", "bob"}})
	many.AddUser = provisionertest.NewSSHKey(t)
	require.Nil(t, ca.IssueSSH(many).AddUser, "whose account would that be?")
	host := sshRequest(t, ca, "web", provisioner.SSHTicket{CertType: "host"})
	host.AddUser = provisionertest.NewSSHKey(t)
	require.Nil(t, ca.IssueSSH(host).AddUser)

	without := authoritytest.New(t)
	r = sshRequest(t, without, "alice", provisioner.SSHTicket{CertType: "user"})
	r.AddUser = provisionertest.NewSSHKey(t)
	require.Nil(t, without.IssueSSH(r).AddUser)
}

// An identity certificate is for the person and the device, for the same time, and for nothing that the
// request makes up.
func TestSSHIdentity(t *testing.T) {
	ca := authoritytest.New(t, func(c *authority.Config) {
		c.Profiles = []authority.Profile{{Name: "identity"}}
		c.SSH.Identity = "identity"
	})
	const device = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
	r := sshRequest(t, ca, "alice@example.com", provisioner.SSHTicket{CertType: "user", Principals: []string{"alice"}})
	r.Identity = ca.CSR(newKey(t, kms.ECDSAP256), "alice@example.com", device, "evil.internal", "https://evil.example")
	got := ca.IssueSSH(r)
	require.NotNil(t, got.Identity)
	leaf := got.Identity.Leaf
	require.Equal(t, []string{"alice@example.com"}, leaf.EmailAddresses)
	require.Len(t, leaf.URIs, 1)
	require.Equal(t, device, leaf.URIs[0].String())
	require.Empty(t, leaf.DNSNames)
	require.EqualValues(t, got.Certificate.ValidAfter, leaf.NotBefore.Unix())
	require.EqualValues(t, got.Certificate.ValidBefore, leaf.NotAfter.Unix())
	require.NoError(t, ca.Authority.Recognise(t.Context(), leaf))
	_, err := ca.Authority.Revoke(t.Context(), &authority.RevokeRequest{Serial: authority.SerialOf(leaf.SerialNumber), Local: true})
	require.NoError(t, err)
	require.Error(t, ca.Authority.Recognise(t.Context(), leaf))

	host := sshRequest(t, ca, "web.internal", provisioner.SSHTicket{CertType: "host"})
	host.Identity = r.Identity
	require.Nil(t, ca.IssueSSH(host).Identity)
	plain := authoritytest.New(t)
	r2 := sshRequest(t, plain, "alice@example.com", provisioner.SSHTicket{CertType: "user"})
	r2.Identity = r.Identity
	require.Nil(t, plain.IssueSSH(r2).Identity)
}

func TestSSHHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, m := sshInventory(t, authority.SSHProfile{}, web())
		ca.SSHHost("web.internal")
		ca.SSHHost("db.internal", "DB.internal")
		ca.SSHUser("alice")
		revoked := ca.SSHHost("gone.internal")
		_, err := ca.Authority.Revoke(t.Context(), &authority.RevokeRequest{Operation: provisioner.SSHRevoke, Serial: authority.SSHSerialOf(revoked.Certificate), Local: true})
		require.NoError(t, err)
		names := func() (out []string) {
			hosts, err := ca.Authority.SSHHosts(t.Context())
			require.NoError(t, err)
			for _, h := range hosts {
				out = append(out, h.Name)
				has, err := ca.Authority.HasSSHHost(t.Context(), h.Name)
				require.NoError(t, err)
				require.True(t, has, h.Name)
			}
			return out
		}
		require.Contains(t, names(), "web.internal")
		require.Contains(t, names(), "db.internal")
		require.NotContains(t, names(), "gone.internal")
		require.NotContains(t, names(), "alice")
		for _, no := range []string{"gone.internal", "alice", "x.internal"} {
			has, err := ca.Authority.HasSSHHost(t.Context(), no)
			require.NoError(t, err)
			require.False(t, has, no)
		}
		off := web()
		off.Active = false
		require.NoError(t, m.Put(t.Context(), off))
		require.NotContains(t, names(), "web.internal")
		has, err := ca.Authority.HasSSHHost(t.Context(), "WEB.internal")
		require.NoError(t, err)
		require.False(t, has)
		time.Sleep(721 * time.Hour)
		require.Empty(t, names())
	})
}
