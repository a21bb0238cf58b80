package snippet_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/sshca/snippet"
)

func builtinKeys(t testing.TB) snippet.Keys {
	return snippet.Keys{
		User: []ssh.PublicKey{key(t, 1)}, Host: []ssh.PublicKey{key(t, 2)},
		FederatedUser: []ssh.PublicKey{key(t, 3)}, FederatedHost: []ssh.PublicKey{key(t, 4)},
	}
}

// The names, types, paths and variables are what clients have known since step 0.18.
func TestBuiltin(t *testing.T) {
	set := snippet.Builtin()
	for _, c := range []struct {
		name string
		data map[string]string
		want map[string]string
	}{
		{
			"linux", map[string]string{
				"GOOS": "linux", "StepPath": "/home/alice/.step", "StepBasePath": "/home/alice/.step", "StepSSHTemplateVersion": "v2", "User": "alice",
			}, map[string]string{
				"config.tpl":        "Host *\n\tInclude \"/home/alice/.step/ssh/includes\"\n",
				"step_includes.tpl": "Include \"/home/alice/.step/ssh/config\"",
				"step_config.tpl": "Match exec \"step ssh check-host %h\"\n\tUser alice\n\tUserKnownHostsFile \"/home/alice/.step/ssh/known_hosts\"\n" +
					"\tProxyCommand step ssh proxycommand %r %h %p\n",
			},
		},
		{
			"mac with a context", map[string]string{
				"GOOS": "darwin", "StepPath": "/Users/al ice/.step/authorities/prod", "StepBasePath": "/Users/al ice/.step", "StepSSHTemplateVersion": "v2",
				"User": "alice@example.com", "Context": "prod", "Console": "true", "Provisioner": "Google Login (100%)",
			}, map[string]string{
				"config.tpl":        "Host *\n\tInclude \"/Users/al ice/.step/ssh/includes\"\n",
				"step_includes.tpl": "Include \"/Users/al ice/.step/authorities/prod/ssh/config\"",
				"step_config.tpl": "Match exec \"step ssh check-host --context prod %h\"\n\tUser alice@example.com\n" +
					"\tUserKnownHostsFile \"/Users/al ice/.step/authorities/prod/ssh/known_hosts\"\n" +
					"\tProxyCommand step ssh proxycommand --context prod --console --provisioner 'Google Login (100%%)' %r %h %p\n",
			},
		},
		{
			"windows", map[string]string{
				"GOOS": "windows", "StepPath": `C:\Users\alice\.step\authorities\prod`, "StepBasePath": `C:\Users\alice\.step`, "StepSSHTemplateVersion": "v2",
				"User": `CORP\Alice Doe`, "Context": "prod",
			}, map[string]string{
				"config.tpl":        "Host *\n\tInclude \"/Users/alice/.step/ssh/includes\"\n",
				"step_includes.tpl": "Include \"/Users/alice/.step/authorities/prod/ssh/config\"",
				"step_config.tpl": "Match exec \"step ssh check-host --context prod %h\"\n\tUser \"CORP\\Alice Doe\"\n" +
					"\tUserKnownHostsFile \"C:\\Users\\alice\\.step\\authorities\\prod\\ssh\\known_hosts\"\n" +
					"\tProxyCommand C:\\Windows\\System32\\cmd.exe /c step ssh proxycommand --context prod %r %h %p\n",
			},
		},
		{
			"nothing", nil, map[string]string{
				"config.tpl":        "Host *\n\tInclude \"~/.step/ssh/includes\"\n",
				"step_includes.tpl": "Include \"~/.step/ssh/config\"",
				"step_config.tpl": "Match exec \"step ssh check-host %h\"\n\tUserKnownHostsFile \"~/.step/ssh/known_hosts\"\n" +
					"\tProxyCommand step ssh proxycommand %r %h %p\n",
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			outputs, err := set.Render("user", builtinKeys(t), c.data)
			require.NoError(t, err)
			c.want["known_hosts.tpl"] = "@cert-authority * " + line(key(t, 2)) + "\n@cert-authority * " + line(key(t, 4)) + "\n"
			include := [2]string{"prepend-line", "${STEPPATH}/ssh/includes"}
			if c.data == nil { // step before 0.18
				include = [2]string{"file", "ssh/includes"}
			}
			require.Len(t, outputs, 4)
			for i, o := range []struct{ name, typ, path string }{
				{"config.tpl", "snippet", "~/.ssh/config"},
				{"step_includes.tpl", include[0], include[1]},
				{"step_config.tpl", "file", "ssh/config"},
				{"known_hosts.tpl", "file", "ssh/known_hosts"},
			} {
				require.Equal(t, snippet.Output{Name: o.name, Type: o.typ, Path: o.path, Comment: "#", Content: []byte(c.want[o.name])}, outputs[i])
			}
		})
	}

	outputs, err := set.Render("host", builtinKeys(t), map[string]string{"Certificate": "ssh_host_ed25519_key-cert.pub", "Key": "a key"})
	require.NoError(t, err)
	require.Equal(t, []snippet.Output{
		{Name: "sshd_config.tpl", Type: "snippet", Path: "/etc/ssh/sshd_config", Comment: "#", Content: []byte(
			"Match all\n\tTrustedUserCAKeys /etc/ssh/ca.pub\n\tHostCertificate /etc/ssh/ssh_host_ed25519_key-cert.pub\n\tHostKey \"/etc/ssh/a key\"\n",
		)},
		{Name: "ca.tpl", Type: "snippet", Path: "/etc/ssh/ca.pub", Comment: "#", Content: []byte(line(key(t, 1)) + "\n" + line(key(t, 3)) + "\n")},
	}, outputs)
	for _, data := range []map[string]string{nil, {"Certificate": "a"}, {"Key": "a"}} {
		_, err := set.Render("host", builtinKeys(t), data)
		_, ok := errors.AsType[*snippet.MissingError](err)
		require.True(t, ok, "%v", err)
	}
}

// A CA for users only trusts no host, and the reverse.
func TestBuiltinWithOneCA(t *testing.T) {
	set := snippet.Builtin()
	require.Empty(t, render(t, set, "user", snippet.Keys{User: []ssh.PublicKey{key(t, 1)}}, nil)["known_hosts.tpl"].Content)
	host := map[string]string{"Certificate": "a", "Key": "b"}
	require.Empty(t, render(t, set, "host", snippet.Keys{Host: []ssh.PublicKey{key(t, 1)}}, host)["ca.tpl"].Content)
	require.Equal(t, line(key(t, 5))+"\n", string(render(t, set, "host", snippet.Keys{FederatedUser: []ssh.PublicKey{key(t, 5)}}, host)["ca.tpl"].Content))
}

// What cannot be written down so that ssh and the shell read it as it was is refused.
func TestBuiltinRefuses(t *testing.T) {
	for _, data := range []map[string]string{
		{"User": `a" b`}, {"User": "%n"}, {"User": "${HOME}"}, {"StepPath": "/home/%u"}, {"StepPath": `/home/a"b`}, {"User": `a b\`}, {"Context": "a'b"}, {"Context": `a"b`}, {"Context": "--token"},
		{"GOOS": "windows", "Context": "a & b"}, {"Provisioner": `a\b`},
	} {
		_, err := snippet.Builtin().Render("user", snippet.Keys{}, data)
		e, ok := errors.AsType[*snippet.DataError](err)
		require.True(t, ok, "%v: %v", data, err)
		require.Contains(t, data, e.Variable)
	}
	for _, data := range []map[string]string{{"Certificate": `a"`, "Key": "b"}, {"Certificate": "a", "Key": `b" "c`}} {
		_, err := snippet.Builtin().Render("host", snippet.Keys{}, data)
		_, ok := errors.AsType[*snippet.DataError](err)
		require.True(t, ok, "%v: %v", data, err)
	}
}

// Whatever a client sends, its files have the lines that they have for everybody.
func FuzzBuiltin(f *testing.F) {
	seeds, err := filepath.Glob("testdata/fuzz/FuzzBuiltin/*")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	for _, v := range []string{"alice", `C:\Users\a`, `a"b`, "a\nb", "a;b", "$(id)", "%h", "#", " ", "~", "é", "-F/etc/passwd"} {
		f.Add(v, "linux")
		f.Add(v, "windows")
	}
	set := snippet.Builtin()
	keys := builtinKeys(f)
	f.Fuzz(func(t *testing.T, v, goos string) {
		want := map[string]string{"config.tpl": "Host\n\tInclude", "step_config.tpl": "Match\n\tUser\n\tUserKnownHostsFile\n\tProxyCommand", "step_includes.tpl": "Include"}
		outputs, err := set.Render("user", keys, map[string]string{
			"GOOS": goos, "StepPath": v, "StepBasePath": v, "User": v, "Context": v, "Provisioner": v, "Console": v,
		})
		if err != nil || v == "" {
			return
		}
		for _, o := range outputs {
			if directives, ok := want[o.Name]; ok {
				var got []string
				for l := range strings.Lines(string(o.Content)) {
					word, _, _ := strings.Cut(strings.TrimSuffix(l, "\n"), " ")
					got = append(got, word)
				}
				require.Equal(t, directives, strings.Join(got, "\n"), "%q", o.Content)
				require.Zero(t, strings.Count(string(o.Content), `"`)%2, "%q", o.Content)
			}
		}
	})
}
