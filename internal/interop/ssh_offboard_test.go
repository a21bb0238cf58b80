package interop

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Somebody leaves: at the provider they can still log in, but the inventory says that they are not active any more. From
// then on they get nothing, what they have is revoked, and sshd, whose list krlfetch keeps, turns them away. A host that is
// taken out of service is not renewed. C17, C18, G25.
func TestSSHOffboarding(t *testing.T) {
	t.Parallel()
	ours(t, "step-ca has no inventory")
	s := makeFolder(t, options{byStep: []string{"--ssh"}})
	s.env = []string{"SSL_CERT_FILE=" + s.root()}
	me := account(t)
	people := func(active bool) {
		t.Helper()
		entity := func(id, kind, by, value string, active bool, more map[string]any) map[string]any {
			m := map[string]any{"id": id, "kind": kind, "active": active, "identifiers": []map[string]string{{"kind": by, "value": value}}}
			for k, v := range more {
				m[k] = v
			}
			return m
		}
		b, err := json.Marshal(map[string]any{"entities": []any{
			entity("u-1", "person", "email", "ada@example.com", active, map[string]any{
				"posix": map[string]any{"user": me, "uid": 1000, "gid": 1000}, "attributes": map[string]any{"github": "ada-at-github"},
			}),
			entity("h-1", "host", "hostname", "web.internal", active, map[string]any{"dns": []string{"web.internal"}}),
			entity("h-2", "host", "hostname", "db.internal", true, map[string]any{"dns": []string{"db.internal"}}),
		}})
		require.NoError(t, err)
		operator := &client{t: t, home: s.dir}
		operator.write("people.new", string(b))
		operator.run("mv", "people.new", "people.json")
	}
	people(true)
	const rules = `{"user": {"principals": true, "extensions": {"login@github.com": "github"}}, "host": {"principals": true}}`
	s.own(t, `{"inventory": {"file": "people.json", "offboard": true}}`)
	s.start(t)
	c := user(t, s)
	url := openProvider(t, s, c, map[string]person{})
	out, err := c.with([]string{"SSL_CERT_FILE=" + s.root()}, "step", "ca", "provisioner", "add", "people", "--ca-config", s.config(), "--type", "OIDC", "--ssh",
		"--client-id", "step", "--client-secret", "not-a-secret", "--configuration-endpoint", url, "--domain", "example.com")
	require.NoError(t, err, out)
	s.own(t, `{"inventory": {"file": "people.json", "offboard": true}, "provisioners": {"people": {"ssh": `+rules+`}, "admin": {"ssh": `+rules+`}, "sshpop": {"ssh": `+rules+`}}}`)
	s.reload(t, s.has(t, "people"))

	ask := func(name, who string) (string, error) {
		return c.with(c.browser(s, who), "step", "ssh", "certificate", "--provisioner", "people", "--no-password", "--insecure", "--no-agent", "--force", who, name)
	}
	out, err = ask("ada", "ada@example.com")
	require.NoError(t, err, out)
	listing := c.listing("ada-cert.pub")
	require.Contains(t, listing, "                "+me+"\n", "the account comes from the inventory")
	require.NotContains(t, listing, "                ada")
	require.Contains(t, listing, "login@github.com")
	out, err = ask("stranger", "stranger@example.com")
	require.Error(t, err)
	require.Contains(t, out, "inventory")

	c.host("web.internal")
	c.refused("step", "ssh", "certificate", "--provisioner", "admin", "--provisioner-password-file", "password", "--force", "--host", "--sign", "evil.internal", "ssh_host_key.pub")
	c.trustHosts()

	// A host of its own keeps the list, as the guide's timer would.
	bin := filepath.Join(c.home, "krlfetch")
	c.run("go", "build", "-C", repository(t), "-o", bin, "./examples/krlfetch")
	fetch := exec.Command(bin, "-url", s.url+"/ssh/krl", "-root", s.root(), "-file", c.path("revoked.krl"), "-every", "500ms")
	fetch.Env = environment(c.home)
	require.NoError(t, fetch.Start())
	t.Cleanup(func() { fetch.Process.Kill(); fetch.Wait() })
	require.Eventually(t, func() bool { _, err := c.try("ssh-keygen", "-Q", "-l", "-f", "revoked.krl"); return err == nil }, 10*time.Second, 50*time.Millisecond)
	d := startSSHD(t, c, "RevokedKeys "+c.path("revoked.krl"))
	d.in(c, "ada")

	people(false)
	began := time.Now()
	require.Eventually(t, func() bool { _, err := d.login(c, "ada", "true"); return err != nil }, 20*time.Second, 20*time.Millisecond)
	took := time.Since(began)
	t.Logf("from the change in the inventory to sshd's refusal: %s", took.Round(time.Millisecond))
	d.out(c, "ada", "revoked")
	c.revoked("revoked.krl", "ada-cert.pub", true)
	out, err = ask("again", "ada@example.com")
	require.Error(t, err)
	require.Contains(t, out, "not active")
	c.refused("step", "ssh", "renew", "ssh_host_key-cert.pub", "ssh_host_key", "--force")
	_, err = c.try("step", "ssh", "check-host", "web.internal")
	require.Error(t, err)
}
