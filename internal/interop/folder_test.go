package interop

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// G01: a folder by the real step ca init, SSH and all, is served as it is.
func TestFolderOfStep(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{"plain": {}, "ssh": {"--ssh"}, "no database": {"--no-db"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := makeFolder(t, options{byStep: flags})
			before, err := os.ReadFile(s.config())
			require.NoError(t, err)
			s.start(t)
			c := user(t, s)
			c.certificate("srv", "srv.internal")
			time.Sleep(1100 * time.Millisecond)
			c.renew("srv")
			after, err := os.ReadFile(s.config())
			require.NoError(t, err)
			require.Equal(t, string(before), string(after), "ca.json is the operator's")
		})
	}
}

// The operator edits ca.json with step's own commands, and the server follows without a restart.
func TestProvisionersChangeWhileRunning(t *testing.T) {
	t.Parallel()
	s := serve(t, options{byStep: []string{}})
	c := user(t, s)
	c.certificate("before", "a.internal")

	c.denied("early", "a.internal", by("second")...)
	s.provisioner(t, "add", "second", "--type", "JWK", "--create", "--password-file", s.passwordFile, "--x509-max-dur", "1h", "--x509-default-dur", "30m")
	s.reload(t, s.has(t, "second"))
	leaf := c.certificate("second", "a.internal", by("second")...)
	require.InDelta(t, 1800, time.Until(leaf.NotAfter).Seconds(), 30)
	require.Contains(t, c.denied("long", "a.internal", by("second", "--not-after", "2h")...), "1h")

	s.provisioner(t, "update", "second", "--x509-max-dur", "3h", "--x509-default-dur", "3h")
	s.reload(t, func() bool {
		_, err := c.try("step", c.certificateArgs("longer", "a.internal", by("second", "--not-after", "2h")...)...)
		return err == nil
	})

	token := c.token("a.internal", "--provisioner", "second")
	s.provisioner(t, "remove", "second")
	s.reload(t, func() bool { return !s.has(t, "second")() })
	c.denied("late", "a.internal", "--token", token)
	request, _ := csr(t, "a.internal")
	status, _ := s.post(t, "/sign", map[string]any{"csr": request, "ott": token})
	require.Equal(t, http.StatusUnauthorized, status, "tokens of a removed key")
	c.renewalRefused("second") // nobody vouches for it any more

	c.certificate("after", "a.internal")
	time.Sleep(1100 * time.Millisecond)
	c.renew("before")
}

// K08: the password of a provisioner is changed by giving it a new key.
func TestProvisionerPasswordRotation(t *testing.T) {
	t.Parallel()
	s := serve(t, options{byStep: []string{}})
	c := user(t, s)
	old := s.provisioners(t)[0].Key.KeyID
	token := c.token("a.internal")
	fresh := c.write("fresh", "a new password")
	// The CLI's own "update --create" fails offline: it looks for the new key's id among the old ones.
	s.provisioner(t, "remove", "admin")
	s.provisioner(t, "add", "admin", "--type", "JWK", "--create", "--password-file", fresh)
	s.reload(t, func() bool { return s.provisioners(t)[0].Key.KeyID != old })

	c.denied("token", "a.internal", "--token", token)
	c.denied("password", "a.internal")
	c.certificate("new", "a.internal", "--provisioner", "admin", "--provisioner-password-file", "fresh")
	var v map[string]any
	res, err := s.http().Get(s.url + "/provisioners/" + old + "/encrypted-key")
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusNotFound, res.StatusCode)
	s.get(t, "/provisioners/"+s.provisioners(t)[0].Key.KeyID+"/encrypted-key", &v)
}

// T10: two keys of one provisioner overlap, then the old one goes.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	ours(t, "there two provisioners cannot have one name")
	s := serve(t, options{byStep: []string{}})
	oldKey := s.provisionerKey(t, "admin")
	s.provisioner(t, "add", "next", "--type", "JWK", "--create", "--password-file", s.passwordFile)
	s.edit(t, func(_, authority map[string]any) {
		list := authority["provisioners"].([]any)
		next := list[1].(map[string]any)
		next["name"] = "admin"
		delete(next, "claims")
		delete(next, "options")
	})
	s.reload(t, func() bool { return len(s.provisioners(t)) == 2 })
	list := s.provisioners(t)
	newID := list[1].Key.KeyID
	require.NotEqual(t, oldKey.KeyID, newID)
	require.Equal(t, "admin", list[1].Name)

	try := func(key jose.JSONWebKey) int {
		c := certctl{s, key}
		status, _ := c.sign(t, c.token(t, "/1.0/sign", "a.internal"), time.Time{}, time.Time{}, "a.internal")
		return status
	}
	newKey := s.keyOf(t, list[1])
	require.Equal(t, http.StatusCreated, try(oldKey))
	require.Equal(t, http.StatusCreated, try(newKey))
	c := user(t, s)
	c.certificate("kid", "a.internal", "--token", c.token("a.internal", "--kid", newID))

	s.edit(t, func(_, authority map[string]any) {
		authority["provisioners"] = authority["provisioners"].([]any)[1:]
	})
	s.reload(t, func() bool { return len(s.provisioners(t)) == 1 })
	require.Equal(t, http.StatusUnauthorized, try(oldKey))
	require.Equal(t, http.StatusCreated, try(newKey))
}

// A file that is wrong changes nothing, and the log says where it is wrong.
func TestBrokenConfiguration(t *testing.T) {
	t.Parallel()
	ours(t, "there a reload that fails ends the server")
	s := serve(t, options{})
	c := user(t, s)
	good, err := os.ReadFile(s.config())
	require.NoError(t, err)
	for name, text := range map[string]string{
		"not JSON":  "{\n\"root\": ",
		"no key":    strings.Replace(string(good), `"key": "`, `"key": "/nowhere`, 1),
		"a mistake": strings.Replace(string(good), `"dnsNames"`, `"dnsname"`, 1),
		"empty":     "",
	} {
		seen := len(s.stderr.String())
		require.NotEqual(t, string(good), text)
		require.NoError(t, os.WriteFile(s.config(), []byte(text), 0o600))
		s.reload(t, func() bool { return strings.Contains(s.stderr.String()[seen:], `"level":"ERROR"`) })
		require.Contains(t, s.stderr.String()[seen:], "ca.json", name)
		c.certificate("still", "a.internal")
	}
	require.NoError(t, os.WriteFile(s.config(), good, 0o600))
	s.provisioner(t, "add", "later", "--type", "JWK", "--create", "--password-file", s.passwordFile)
	s.reload(t, s.has(t, "later"))
	c.certificate("later", "a.internal", by("later")...)
}

// Two processes never issue from one folder.
func TestSecondServerIsRefused(t *testing.T) {
	t.Parallel()
	ours(t, "a matter of its database")
	s := serve(t, options{})
	second := *s
	second.shared = false
	second.port = freePort(t)
	second.launch(t)
	select {
	case <-second.exited:
	case <-time.After(30 * time.Second):
		t.Fatalf("a second server runs on one folder\n%s", second.stderr)
	}
	require.Error(t, second.err)
	require.NotEmpty(t, second.stderr.String(), "it says why")
	c := user(t, s)
	c.certificate("srv", "srv.internal")
}

// What was issued and spent before a restart counts after it.
func TestRestart(t *testing.T) {
	t.Parallel()
	s := serve(t, options{})
	c := user(t, s)
	token := c.token("once.internal")
	c.certificate("once", "once.internal", "--token", token)
	revoked := c.certificate("revoked", "r.internal")
	c.step("ca", "revoke", "--cert", "revoked.crt", "--key", "revoked.key")
	unspent := c.token("later.internal")
	require.NoError(t, s.stop(t), "SIGTERM is a clean end")

	s.start(t)
	c.denied("again", "once.internal", "--token", token)
	c.renewalRefused("revoked")
	c.refused("step", "ca", "revoke", revoked.SerialNumber.String(), "--token", c.token(revoked.SerialNumber.String(), "--revoke"))
	if !peer() { // step-ca refuses tokens that are older than itself
		c.certificate("later", "later.internal", "--token", unspent)
	}
	time.Sleep(1100 * time.Millisecond)
	c.renew("once")
}

// The folder is step-ca's too: whoever leaves can.
func TestStepCAServesOurFolder(t *testing.T) {
	t.Parallel()
	ours(t, "there is no folder of ours")
	stepCA := need(t, "step-ca")
	s := makeFolder(t, options{})
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, stepCA, s.config(), "--password-file", s.passwordFile)
	cmd.Env, cmd.Dir = environment(s.dir), scratch
	log := &output{}
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	require.Eventuallyf(t, func() bool { return s.health() == nil }, 20*time.Second, 50*time.Millisecond, "%s", log)
	c := user(t, s)
	c.certificate("srv", "srv.internal")
	time.Sleep(1100 * time.Millisecond)
	c.renew("srv")
}

// The folder that we make looks like the one that step ca init makes.
func TestFolderLayout(t *testing.T) {
	t.Parallel()
	ours(t, "there is no folder of ours")
	s := makeFolder(t, options{})
	for _, name := range []string{"config/ca.json", "config/defaults.json", "certs/root_ca.crt", "certs/intermediate_ca.crt", "secrets/root_ca_key", "secrets/intermediate_ca_key"} {
		info, err := os.Stat(filepath.Join(s.dir, filepath.FromSlash(name)))
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, "%s is for its owner", name)
	}
	c := newClient(t)
	c.write("password", password)
	for _, key := range []string{"root_ca_key", "intermediate_ca_key"} {
		path := filepath.Join(s.dir, "secrets", key)
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Contains(t, string(b), "ENCRYPTED")
		require.Contains(t, c.run("openssl", "pkey", "-in", path, "-passin", "file:password", "-noout", "-text"), "P-256")
		c.refused("openssl", "pkey", "-in", path, "-passin", "pass:wrong", "-noout")
	}
	c.run("openssl", "verify", "-x509_strict", "-CAfile", s.root(), s.intermediate())
	require.Contains(t, c.run("openssl", "x509", "-in", s.intermediate(), "-noout", "-text"), "CA:TRUE, pathlen:0")
	require.Contains(t, c.run("openssl", "x509", "-in", s.root(), "-noout", "-text"), "CA:TRUE, pathlen:1")

	// T02, C15: the provisioner's key opens with step's tool and the password, and with no other.
	s.start(t)
	c.stdin = s.provisioners(t)[0].EncryptedKey
	require.Contains(t, c.step("crypto", "jwe", "decrypt", "--password-file", "password"), `"d":`)
	c.write("wrong", "not the password")
	c.stdin = s.provisioners(t)[0].EncryptedKey
	c.refused("step", "crypto", "jwe", "decrypt", "--password-file", "wrong")

	// STEPPATH may be the folder itself.
	c.home = s.dir
	require.Contains(t, c.step("ca", "health"), "ok")
}

// G03, G04: what systemd and a careless chmod meet.
func TestUnderSystemd(t *testing.T) {
	t.Parallel()
	ours(t, "another program")
	s := makeFolder(t, options{})
	require.NoError(t, os.Chmod(s.passwordFile, 0o644))
	dir, err := os.MkdirTemp("", "sd") // the path of a socket must be short
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "n"), Net: "unixgram"})
	require.NoError(t, err)
	defer socket.Close()
	s.env = []string{"NOTIFY_SOCKET=" + filepath.Join(dir, "n")}
	heard := make(chan string, 100)
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := socket.Read(b)
			if err != nil {
				return
			}
			heard <- string(b[:n])
		}
	}()
	wait := func(want string) {
		t.Helper()
		for deadline := time.After(20 * time.Second); ; {
			select {
			case m := <-heard:
				if strings.Contains(m, want) {
					return
				}
			case <-deadline:
				t.Fatalf("systemd was not told %s", want)
			}
		}
	}
	s.start(t)
	wait("READY=1")
	require.Contains(t, s.stderr.String(), s.passwordFile, "a password file that others can read is warned of")
	require.Contains(t, s.stderr.String(), "WARN")
	require.NotContains(t, s.stderr.String(), password)
	s.reload(t, func() bool { return s.health() == nil })
	wait("READY=1")
	require.NoError(t, s.stop(t))
	wait("STOPPING=1")
}

// A policy that is added while running judges the next request, and the next renewal.
func TestPolicyChangesWhileRunning(t *testing.T) {
	t.Parallel()
	s := serve(t, options{byStep: []string{}})
	c := user(t, s)
	c.certificate("inside", "a.internal")
	c.certificate("outside", "a.example.com")
	s.edit(t, func(_, authority map[string]any) {
		authority["policy"] = map[string]any{"x509": map[string]any{
			"allow": map[string]any{"dns": []string{"*.internal", "localhost"}, "ip": []string{"127.0.0.1"}},
			"deny":  map[string]any{"dns": []string{"bad.internal"}},
		}}
	})
	s.reload(t, func() bool {
		_, err := c.try("step", c.certificateArgs("probe", "b.example.com")...)
		return err != nil
	})
	c.certificate("good", "b.internal")
	require.Contains(t, c.denied("bad", "bad.internal"), "bad.internal", "the user is told which name")
	c.denied("deep", "x.y.internal")
	time.Sleep(1100 * time.Millisecond)
	c.renew("inside")
	if !peer() { // step-ca renews whatever it issued
		c.renewalRefused("outside")
	}
}
