package stepconfig

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLoadSSH(t *testing.T) {
	f, err := load(edit(t, "ssh", func(m map[string]any) {
		put("bastion", map[string]any{"hostname": "jump.internal", "user": "ec2", "port": "2222", "cmd": "ssh", "flags": "-v"}, "ssh")(m)
		put("addUserPrincipal", "provisioner", "ssh")(m)
		put("policy", map[string]any{"ssh": map[string]any{
			"user": map[string]any{"allow": map[string]any{"email": []any{"@example.com"}, "principal": []any{"*"}}, "deny": map[string]any{"principal": []any{"root"}}},
			"host": map[string]any{"allow": map[string]any{"dns": []any{"*.internal"}, "ip": []any{"10.0.0.0/8"}}},
		}}, "authority")(m)
	}), `{"ssh": {"openHosts": true, "identity": true, "minRSABits": 3072}}`)
	require.NoError(t, err)
	require.Equal(t, &SSH{Bastion: &Bastion{"jump.internal", "ec2", "2222", "ssh", "-v"}, OpenHosts: true, Identity: true}, f.SSH)
	require.Equal(t, 3072, f.sshMinRSA)
	require.Equal(t, "/home/step/.step/secrets/ssh_host_ca_key", f.ssh.hostKey)
	require.Equal(t, "/home/step/.step/secrets/ssh_user_ca_key", f.ssh.userKey)
	require.Equal(t, "provisioner", f.ssh.addUser.Principal)
	for _, p := range []string{"admin", "sshpop"} {
		require.True(t, f.spec(p).limits.ssh, p)
	}
	users, err := f.userPolicy.compiled()
	require.NoError(t, err)
	require.NotNil(t, users)
	require.Equal(t, []string{"root"}, f.userPolicy.Deny.Principal)
	require.Equal(t, []string{"*.internal"}, f.hostPolicy.Allow.DNS)
}

// A folder without SSH has none, whatever its provisioners' claims say.
func TestLoadWithoutSSH(t *testing.T) {
	f, err := load(fromStep(t, "plain"), "")
	require.NoError(t, err)
	require.Nil(t, f.SSH)
	set, err := f.Snippets()
	require.NoError(t, err)
	require.Nil(t, set)
}

func TestLoadRefusesSSH(t *testing.T) {
	key := map[string]any{"kty": "EC", "crv": "P-256"}
	provisioner := func(more map[string]any) func(map[string]any) {
		return func(m map[string]any) {
			a := m["authority"].(map[string]any)
			p := map[string]any{"type": "OIDC", "name": "people", "clientID": "step", "configurationEndpoint": "https://idp.internal/.well-known/openid-configuration"}
			for k, v := range more {
				if p[k] = v; v == nil {
					delete(p, k)
				}
			}
			a["provisioners"] = append(a["provisioners"].([]any), p)
		}
	}
	for _, c := range []struct {
		name   string
		change func(map[string]any)
		path   string
		reason string
	}{
		{"unknown", put("hostkey", "x", "ssh"), "ssh.hostkey", "did you mean hostKey?"},
		{"no key", put("ssh", map[string]any{"addUserPrincipal": "x"}), "ssh", "neither hostKey nor userKey"},
		{"kind of key", put("keys", []any{map[string]any{"type": "root", "key": key}}, "ssh"), "ssh.keys[0].type", "neither user nor host"},
		{"no JWK", put("keys", []any{map[string]any{"type": "user", "key": "ssh-ed25519 AAAA"}}, "ssh"), "ssh.keys[0].key", "JSON Web Key"},
		{"bastion", put("bastion", map[string]any{"user": "x"}, "ssh"), "ssh.bastion.hostname", "is missing"},
		{"policy of hosts", put("policy", map[string]any{"ssh": map[string]any{"host": map[string]any{"allow": map[string]any{"principal": []any{"x"}}}}}, "authority"),
			"authority.policy.ssh.host.allow.principal", "certificates of this type"},
		{"policy of users", put("policy", map[string]any{"ssh": map[string]any{"user": map[string]any{"deny": map[string]any{"dns": []any{"x"}}}}}, "authority"),
			"authority.policy.ssh.user.deny.dns", "certificates of this type"},
		{"user durations", put("claims", map[string]any{"minUserSSHCertDuration": "0s"}, "authority", "provisioners", 0), "authority.provisioners[0].claims.minUserSSHCertDuration", "more than zero"},
		{"client", provisioner(map[string]any{"clientID": nil}), "authority.provisioners[2].clientID", "is missing"},
		{"endpoint", provisioner(map[string]any{"configurationEndpoint": nil}), "authority.provisioners[2].configurationEndpoint", "is missing"},
		{"unknown of OIDC", provisioner(map[string]any{"domain": "x"}), "authority.provisioners[2].domain", "is not a setting"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := load(edit(t, "ssh", func(m map[string]any) { c.change(m) }), "")
			require.Error(t, err)
			fs := Faults(err)
			require.Len(t, fs, 1, "%v", err)
			require.Equal(t, c.path, fs[0].Path)
			require.Contains(t, fs[0].Message(), c.reason)
		})
	}
}

func TestOwnRefusesSSH(t *testing.T) {
	for text, want := range map[string]string{
		`{"ssh": {"open": true}}`:                                                            "ssh.open: is not a setting",
		`{"ssh": {"minRSABits": 1024}}`:                                                      "ssh.minRSABits: must be from 2048 to 8192",
		`{"provisioners": {"admin": {"ssh": {"user": {"required": true}}}}}`:                 "provisioners.admin.ssh: needs an inventory",
		`{"provisioners": {"admin": {"ssh": {"user": {"names": true}}}}}`:                    "provisioners.admin.ssh.user.names: is not a setting",
		`{"provisioners": {"admin": {"oidc": {"acr": ["gold"]}}}}`:                           "provisioners.admin.oidc",
		`{"inventory": {"file": "i.json", "offboard": "yes"}}`:                               "inventory.offboard: must be true or false",
		`{"provisioners": {"admin": {"ssh": {"host": {"extensions": {"a": 1}}}}}}`:           "provisioners.admin.ssh.host.extensions.a",
		`{"provisioners": {"admin": {"ssh": {"user": {"extensions": {"a": "b"}}}}}}`:         "provisioners.admin.ssh: needs an inventory",
		`{"provisioners": {"admin": {"ssh": {"user": {"principals": true}, "people": {}}}}}`: "provisioners.admin.ssh",
	} {
		_, err := load(fromStep(t, "ssh"), text)
		require.ErrorContains(t, err, "chancery.json:1: "+want, text)
	}
	_, err := load(fromStep(t, "plain"), `{"ssh": {"openHosts": true}}`)
	require.ErrorContains(t, err, "ssh: is about SSH, and /ca/config/ca.json has no ssh section")
}

// Each file that ca.json names has to be there.
func TestSnippetsThatAreNotThere(t *testing.T) {
	f, err := load(fromStep(t, "ssh"), "")
	require.NoError(t, err)
	_, err = f.Snippets()
	require.Error(t, err)
	for _, fault := range Faults(err) {
		require.True(t, strings.HasPrefix(fault.Path, "templates.ssh."), fault.Path)
		require.True(t, strings.HasSuffix(fault.Path, ".template"), fault.Path)
	}
}
