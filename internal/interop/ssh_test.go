package interop

import (
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The production SSH guide with a folder by step ca init --ssh: host and user certificates, and what OpenSSH makes of
// them. G01, G07, G08, G10 to G12, G15, G24, C01, C21.
func TestSSHGuide(t *testing.T) {
	t.Parallel()
	s := makeFolder(t, options{byStep: []string{"--ssh"}})
	before, err := os.ReadFile(s.config())
	require.NoError(t, err)
	s.start(t)
	after, err := os.ReadFile(s.config())
	require.NoError(t, err)
	require.Equal(t, string(before), string(after), "ca.json is the operator's")
	c := user(t, s)

	for _, args := range [][]string{{"ssh", "config", "--roots"}, {"ssh", "config", "--host", "--roots"}} {
		keys := strings.TrimSpace(c.step(args...))
		require.Len(t, strings.Split(keys, "\n"), 1)
		c.write("key.pub", keys+"\n")
		c.run("ssh-keygen", "-l", "-f", "key.pub")
	}
	c.host("web.internal")
	listing := c.listing("ssh_host_key-cert.pub")
	require.Contains(t, listing, "host certificate")
	require.Contains(t, listing, "web.internal")
	requireLife(t, listing, 720*time.Hour)

	me := account(t)
	c.person("me", me+"@example.com")
	listing = c.listing("me-cert.pub")
	require.Contains(t, listing, "user certificate")
	require.Contains(t, listing, `Key ID: "`+me+`@example.com"`)
	require.Contains(t, listing, me+"@example.com\n")
	require.Contains(t, listing, "permit-pty")
	requireLife(t, listing, 16*time.Hour)

	d := startSSHD(t, c)
	c.trustHosts()
	d.in(c, "me")
	require.Contains(t, d.said(), me+"@example.com", "the key id is in sshd's log")

	c.person("other", "someone-else@example.com")
	d.out(c, "other", "principal")
	c.forger("forged", me)
	d.out(c, "forged", "")
	out, err := d.login(c, "me", "true", "-o", "HostKeyAlias=db.internal")
	require.Error(t, err, "the host has no certificate for that name")
	require.Contains(t, out, "Certificate invalid")
	c.person("short", me+"@example.com", "--not-after", "5m")
	requireLife(t, c.listing("short-cert.pub"), 5*time.Minute)
	require.Contains(t, c.refused("step", "ssh", "certificate", "--provisioner", "admin", "--provisioner-password-file", "password",
		"--no-password", "--insecure", "--no-agent", "--not-after", "25h", me, "long"), "24h")

	// A certificate that has ended: made to begin and end in the past, as far back as the CA lets it.
	c.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "old")
	ca := filepath.Join(s.dir, "secrets", "ssh_user_ca_key")
	c.run("ssh-keygen", "-q", "-s", c.plainKey(ca), "-I", "old", "-n", me, "-V", "-2h:-1h", "old.pub")
	d.out(c, "old", "expired")
}

// plainKey returns a file with a private key of the CA's, without its password.
func (c *client) plainKey(path string) string {
	c.t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(c.t, err)
	c.write("plain", string(b))
	c.run("ssh-keygen", "-q", "-p", "-P", password, "-N", "", "-f", "plain")
	return c.path("plain")
}

var validity = regexp.MustCompile(`Valid: from (\S+) to (\S+)`)

// requireLife compares the life of a certificate, the minute apart by which it may be backdated.
func requireLife(t testing.TB, listing string, want time.Duration) {
	t.Helper()
	m := validity.FindStringSubmatch(listing)
	require.NotNil(t, m, listing)
	from, err := time.Parse("2006-01-02T15:04:05", m[1])
	require.NoError(t, err)
	to, err := time.Parse("2006-01-02T15:04:05", m[2])
	require.NoError(t, err)
	require.Contains(t, []time.Duration{want, want + time.Minute}, to.Sub(from))
}

// A host has its certificate again with nothing but its key, and with another key; then it gives it up. G13.
func TestSSHRenewRekeyRevoke(t *testing.T) {
	t.Parallel()
	s := serve(t, options{byStep: []string{"--ssh"}})
	c := user(t, s)
	c.host("web.internal")
	first := c.serialOf("ssh_host_key-cert.pub")
	c.step("ssh", "needs-renewal", "ssh_host_key-cert.pub", "--expires-in", "721h")
	c.step("ssh", "renew", "ssh_host_key-cert.pub", "ssh_host_key", "--force")
	second := c.serialOf("ssh_host_key-cert.pub")
	require.NotEqual(t, first, second)
	requireLife(t, c.listing("ssh_host_key-cert.pub"), 720*time.Hour)
	key := c.read("ssh_host_key")
	c.step("ssh", "rekey", "ssh_host_key-cert.pub", "ssh_host_key", "--no-password", "--insecure", "--force")
	require.NotEqual(t, key, c.read("ssh_host_key"))
	require.Contains(t, c.listing("ssh_host_key-cert.pub"), "web.internal")

	c.person("me", "alice@example.com")
	require.Contains(t, c.refused("step", "ssh", "renew", "me-cert.pub", "me", "--force"), "host")

	c.step("ssh", "revoke", "--sshpop-cert", "ssh_host_key-cert.pub", "--sshpop-key", "ssh_host_key", c.serialOf("ssh_host_key-cert.pub"))
	c.refused("step", "ssh", "renew", "ssh_host_key-cert.pub", "ssh_host_key", "--force")
	c.refused("step", "ssh", "rekey", "ssh_host_key-cert.pub", "ssh_host_key", "--no-password", "--insecure", "--force")

	token := c.token(c.serialOf("me-cert.pub"), "--ssh", "--revoke")
	c.step("ssh", "revoke", c.serialOf("me-cert.pub"), "--token", token)
	c.refused("step", "ssh", "revoke", c.serialOf("me-cert.pub"), "--token", token)
	ours(t, "step-ca has no KRL")
	c.krl(s, "revoked.krl")
	c.revoked("revoked.krl", "me-cert.pub", true)
	c.revoked("revoked.krl", "ssh_host_key-cert.pub", true)
}

// krl fetches the list with curl.
func (c *client) krl(s *server, file string) {
	c.t.Helper()
	c.run("curl", "-sS", "--fail", "--cacert", s.root(), "-o", file, s.url+"/ssh/krl")
}

// revoked asks ssh-keygen whether a list has a certificate.
func (c *client) revoked(krl, file string, want bool) {
	c.t.Helper()
	out, err := c.try("ssh-keygen", "-Q", "-f", krl, file)
	require.Equal(c.t, want, strings.Contains(out, "REVOKED"), out)
	require.Equal(c.t, want, err != nil, out)
}

// What is revoked does not get in: sshd reads the list, which krlfetch keeps.
func TestSSHRevokedKeys(t *testing.T) {
	t.Parallel()
	ours(t, "step-ca has no KRL")
	s := serve(t, options{byStep: []string{"--ssh"}})
	c := user(t, s)
	c.host("web.internal")
	c.trustHosts()
	me := account(t)
	c.person("me", me)
	c.person("second", me)
	fetch := func() string {
		return c.run("go", "run", "-C", repository(t), "./examples/krlfetch", "-url", s.url+"/ssh/krl", "-root", s.root(), "-file", c.path("revoked.krl"))
	}
	require.Contains(t, fetch(), "0 entries")
	d := startSSHD(t, c, "RevokedKeys "+c.path("revoked.krl"))
	d.in(c, "me")
	d.in(c, "second")
	c.step("ssh", "revoke", c.serialOf("me-cert.pub"), "--sshpop-cert", "me-cert.pub", "--sshpop-key", "me")
	require.Eventually(t, func() bool { return strings.Contains(fetch(), "1 entries") }, 10*time.Second, 100*time.Millisecond)
	d.out(c, "me", "revoked")
	d.in(c, "second") // another certificate of the same person
	require.Contains(t, c.run("ssh-keygen", "-Q", "-l", "-f", "revoked.krl"), c.serialOf("me-cert.pub"))
}

// repository is the root of this module.
func repository(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	require.NoError(t, err)
	return dir
}

// What a certificate restricts, sshd enforces. G23, C21.
func TestSSHRestrictions(t *testing.T) {
	t.Parallel()
	s := serve(t, options{byStep: []string{"--ssh"}})
	c := user(t, s)
	c.host("web.internal")
	c.trustHosts()
	d := startSSHD(t, c, "AllowTcpForwarding yes", "PermitTTY yes")
	me := account(t)
	use := func(name, text string) {
		t.Helper()
		s.setSSHTemplate(t, text)
		s.reload(t, func() bool {
			_, err := c.try("step", "ssh", "certificate", "--provisioner", "admin", "--provisioner-password-file", "password", "--force",
				"--no-password", "--insecure", "--no-agent", me, name)
			return err == nil && strings.Contains(c.listing(name+"-cert.pub"), name)
		})
	}
	document := func(name, options, extensions string) string {
		return `{"type": {{ toJson .Type }}, "keyId": "` + name + `", "principals": {{ toJson .Principals }}, "criticalOptions": ` + options + `, "extensions": ` + extensions + `}`
	}
	const all = `{{ toJson .Extensions }}`
	use("elsewhere", document("elsewhere", `{"source-address": "192.0.2.0/24"}`, all))
	d.out(c, "elsewhere", "source")
	use("here", document("here", `{"source-address": "127.0.0.0/8"}`, all))
	d.in(c, "here")
	use("forced", document("forced", `{"force-command": "echo only this"}`, all))
	out, err := d.login(c, "forced", "echo something else")
	require.NoError(t, err, out)
	require.Contains(t, out, "only this")
	require.NotContains(t, out, "something else")
	use("noforward", document("noforward", `{}`, `{"permit-pty": ""}`))
	d.in(c, "noforward")
	out, err = d.login(c, "noforward", "true", "-W", "127.0.0.1:"+d.port)
	require.Error(t, err)
	require.Contains(t, out, "prohibited")
	use("forward", document("forward", `{}`, all))
	out, _ = d.login(c, "forward", "true", "-W", "127.0.0.1:"+d.port)
	require.Contains(t, out, "SSH-2.0")
}

// Durations per provisioner, and a provisioner that is taken away when it is not wanted any more: what it let through
// goes on being renewed by the hosts' own keys. G16, G17.
func TestSSHProvisionerChanges(t *testing.T) {
	t.Parallel()
	s := serve(t, options{byStep: []string{"--ssh"}})
	c := user(t, s)
	c.host("web.internal")
	s.provisioner(t, "update", "admin", "--ssh-user-min-dur", "15m", "--ssh-user-max-dur", "16h", "--ssh-user-default-dur", "16h")
	ask := func(name, life string) (string, error) {
		return c.try("step", "ssh", "certificate", "--provisioner", "admin", "--provisioner-password-file", "password", "--force",
			"--no-password", "--insecure", "--no-agent", "--not-after", life, "alice", name)
	}
	s.reload(t, func() bool { _, err := ask("probe", "10m"); return err != nil })
	out, err := ask("short", "10m")
	require.Error(t, err)
	require.Contains(t, out, "15m")
	out, err = ask("long", "17h")
	require.Error(t, err)
	require.Contains(t, out, "16h")
	_, err = ask("right", "15m")
	require.NoError(t, err)
	c.person("usual", "alice")
	requireLife(t, c.listing("usual-cert.pub"), 16*time.Hour)

	s.provisioner(t, "add", "second", "--type", "JWK", "--create", "--password-file", s.passwordFile, "--ssh")
	s.provisioner(t, "remove", "admin")
	s.reload(t, func() bool { return !s.has(t, "admin")() })
	_, err = ask("late", "15m")
	require.Error(t, err)
	c.step("ssh", "renew", "ssh_host_key-cert.pub", "ssh_host_key", "--force")
}

// What step asks about the fleet. H01, H03, H10, H18.
func TestSSHFleet(t *testing.T) {
	t.Parallel()
	s := makeFolder(t, options{byStep: []string{"--ssh"}})
	s.edit(t, func(ca, _ map[string]any) {
		ca["ssh"].(map[string]any)["bastion"] = map[string]any{"hostname": "bastion.internal", "user": "jump", "port": "2222"}
	})
	s.own(t, `{"ssh": {"openHosts": true}}`)
	s.start(t)
	c := user(t, s)
	c.host("web.internal")
	c.step("ssh", "check-host", "web.internal")
	_, err := c.try("step", "ssh", "check-host", "db.internal")
	require.Error(t, err)
	require.Contains(t, c.step("ssh", "hosts"), "web.internal")

	for host, want := range map[string]bool{"web.internal": true, "bastion.internal": false} {
		_, body := s.post(t, "/ssh/bastion", map[string]any{"hostname": host})
		bastion, there := body["bastion"].(map[string]any)
		require.Equal(t, want, there, host)
		if want {
			require.Equal(t, map[string]any{"hostname": "bastion.internal", "user": "jump", "port": "2222"}, bastion)
		}
	}

	// The client's files, as step writes them, twice, and what ssh makes of them.
	c.step("ssh", "config", "--set", "User=alice")
	c.step("ssh", "config", "--set", "User=alice", "--force")
	require.FileExists(t, c.path("ssh/known_hosts"))
	require.Contains(t, c.read("ssh/known_hosts"), "@cert-authority * ecdsa-sha2-nistp256 ")
	require.Equal(t, 1, strings.Count(c.read(".ssh/config"), "Include"))
	effective := func(host string) string {
		out, err := c.with([]string{"PATH=" + filepath.Dir(need(t, "step")) + ":" + os.Getenv("PATH")}, "ssh", "-G", "-F", c.path(".ssh/config"), host)
		require.NoError(t, err, out)
		return out
	}
	require.Contains(t, effective("web.internal"), "proxycommand step ssh proxycommand")
	require.NotContains(t, effective("elsewhere.example"), "proxycommand")

	ours(t, "the list of hosts is open there")
	s.own(t, `{}`)
	s.reload(t, func() bool { _, err := c.try("step", "ssh", "hosts"); return err != nil })
}

// Without an OpenID provider: a token of its own, and the certificate of a machine. G26, X5C.
func TestSSHFallbacks(t *testing.T) {
	t.Parallel()
	s := serve(t, options{byStep: []string{"--ssh"}})
	c := user(t, s)
	c.host("web.internal")
	c.trustHosts()
	d := startSSHD(t, c)
	me := account(t)
	token := c.token(me, "--ssh", "--principal", me)
	c.step("ssh", "certificate", "--token", token, "--no-password", "--insecure", "--no-agent", "--force", me, "one")
	d.in(c, "one")
	c.refused("step", "ssh", "certificate", "--token", token, "--no-password", "--insecure", "--no-agent", "--force", me, "two")

	s.provisioner(t, "add", "machines", "--type", "X5C", "--x5c-roots", s.root(), "--ssh")
	s.reload(t, s.has(t, "machines"))
	c.certificate("machine", "vm-17.internal", by("admin", "--provisioner-password-file", "password", "--not-after", "1h")...)
	c.step("ssh", "certificate", "--provisioner", "machines", "--x5c-cert", "machine.crt", "--x5c-key", "machine.key", "--no-password", "--insecure",
		"--no-agent", "--force", "--principal", me, "--not-after", "50m", me, "three")
	d.in(c, "three")
	require.Contains(t, c.refused("step", "ssh", "certificate", "--provisioner", "machines", "--x5c-cert", "machine.crt", "--x5c-key", "machine.key",
		"--no-password", "--insecure", "--no-agent", "--force", "--principal", me, "--not-after", "2h", me, "four"), "credential")
}

// Along with the SSH certificate comes an X.509 one for the same person, which opens what is for members only, until it is
// revoked. H11, H16, H17.
func TestSSHIdentity(t *testing.T) {
	t.Parallel()
	ours(t, "step-ca asks for no identity")
	s := makeFolder(t, options{byStep: []string{"--ssh"}})
	s.own(t, `{"ssh": {"identity": true}}`)
	s.start(t)
	c := user(t, s)
	c.host("web.internal")
	c.refused("step", "ssh", "hosts")
	c.person("ada", "ada@example.com")
	require.FileExists(t, c.path("identity/identity.crt"))
	text := c.run("openssl", "x509", "-in", "identity/identity.crt", "-noout", "-ext", "subjectAltName,extendedKeyUsage")
	require.Contains(t, text, "email:ada@example.com")
	require.Contains(t, text, "TLS Web Client Authentication")
	require.NotContains(t, text, "TLS Web Server Authentication")
	require.NotContains(t, text, "DNS:")
	require.Contains(t, c.step("ssh", "hosts"), "web.internal")
	c.step("ssh", "check-host", "web.internal")
	require.Contains(t, s.stderr.String(), "io.chancery.host.checked")

	serial := strings.TrimSpace(strings.TrimPrefix(c.run("openssl", "x509", "-in", "identity/identity.crt", "-noout", "-serial"), "serial="))
	n, ok := new(big.Int).SetString(serial, 16)
	require.True(t, ok, serial)
	c.step("ca", "revoke", n.String(), "--token", c.token(n.String(), "--revoke"))
	c.refused("step", "ssh", "hosts")
}
