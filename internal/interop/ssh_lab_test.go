package interop

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sshd is a real OpenSSH server on loopback, which lets nobody in but by certificates. Whoever runs the tests is the
// account that is logged in to: other accounts would need a machine of their own.
type sshd struct {
	t    *testing.T
	dir  string
	port string
	log  string
	cmd  *exec.Cmd
}

// account is who runs the tests.
func account(t testing.TB) string {
	t.Helper()
	u, err := osuser.Current()
	require.NoError(t, err)
	return u.Username
}

// host gets a key and a certificate for a host, as the guide says: step signs what is there already.
func (c *client) host(name string) {
	c.t.Helper()
	c.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "ssh_host_key")
	c.sshCertificate("--host", "--sign", name, "ssh_host_key.pub")
}

// sshCertificate gets one with the provisioner admin.
func (c *client) sshCertificate(args ...string) string {
	c.t.Helper()
	return c.step(append([]string{"ssh", "certificate", "--provisioner", "admin", "--provisioner-password-file", "password", "--force"}, args...)...)
}

// person gets a key without a password, and a certificate for it, as name, name.pub and name-cert.pub.
func (c *client) person(name, subject string, args ...string) {
	c.t.Helper()
	c.sshCertificate(append(append([]string{"--no-password", "--insecure", "--no-agent"}, args...), subject, name)...)
}

// startSSHD starts a server with the host key and certificate of c, which trusts the CA for its users.
func startSSHD(t *testing.T, c *client, more ...string) *sshd {
	t.Helper()
	bin := need(t, "sshd")
	s := &sshd{t: t, dir: c.home, port: freePort(t)}
	s.log = filepath.Join(s.dir, "sshd-"+s.port+".log")
	c.write("ca.pub", c.step("ssh", "config", "--roots"))
	if os.Getuid() == 0 {
		require.NoError(t, os.MkdirAll("/run/sshd", 0o755)) // where Debian's separates privileges
	}
	config := append([]string{
		"ListenAddress 127.0.0.1", "Port " + s.port, "PidFile none", "UsePAM no", "StrictModes no", "PermitRootLogin yes", "LogLevel VERBOSE",
		"AuthorizedKeysFile none", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
		"HostKey " + c.path("ssh_host_key"), "HostCertificate " + c.path("ssh_host_key-cert.pub"), "TrustedUserCAKeys " + c.path("ca.pub"),
	}, more...)
	file := c.write("sshd_config-"+s.port, strings.Join(config, "\n")+"\n")
	c.run("sshd", "-t", "-f", file)
	s.cmd = exec.Command(bin, "-D", "-f", file, "-E", s.log)
	s.cmd.Env = environment(s.dir)
	require.NoError(t, s.cmd.Start())
	t.Cleanup(func() {
		s.cmd.Process.Kill()
		s.cmd.Wait()
		if t.Failed() {
			t.Logf("sshd's log:\n%s", clip(s.said()))
		}
	})
	require.Eventually(t, func() bool {
		conn, err := net.DialTimeout("tcp", "127.0.0.1:"+s.port, time.Second)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, 10*time.Second, 20*time.Millisecond, "sshd does not listen")
	return s
}

func (s *sshd) said() string {
	b, _ := os.ReadFile(s.log)
	return string(b)
}

// trust makes c believe hosts by certificate.
func (c *client) trustHosts() {
	c.t.Helper()
	c.write("known_hosts", "@cert-authority * "+strings.TrimSpace(c.step("ssh", "config", "--host", "--roots"))+"\n")
}

// login runs a command at the server with the key and certificate called name, and no other.
func (s *sshd) login(c *client, name, command string, options ...string) (string, error) {
	s.t.Helper()
	args := append(options, // of several of a kind the first counts
		"-F", "none", "-p", s.port, "-i", c.path(name), "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes",
		"-o", "UserKnownHostsFile="+c.path("known_hosts"), "-o", "GlobalKnownHostsFile=none", "-o", "HostKeyAlias=web.internal")
	return c.try("ssh", append(args, account(s.t)+"@127.0.0.1", command)...)
}

// in logs in, and the command has to print what it says.
func (s *sshd) in(c *client, name string, options ...string) {
	s.t.Helper()
	out, err := s.login(c, name, "echo welcome", options...)
	require.NoErrorf(s.t, err, "%s\n%s", out, clip(s.said()))
	require.Contains(s.t, out, "welcome")
}

// out must not get in, for the reason that the server's log or the client says.
func (s *sshd) out(c *client, name, why string, options ...string) {
	s.t.Helper()
	before := len(s.said())
	out, err := s.login(c, name, "echo welcome", options...)
	require.Errorf(s.t, err, "%s is in\n%s", name, out)
	require.NotContains(s.t, out, "welcome")
	require.Eventuallyf(s.t, func() bool { return strings.Contains(s.said()[before:]+out, why) }, 5*time.Second, 20*time.Millisecond,
		"%q is not the reason\n%s\n%s", why, out, clip(s.said()[before:]))
}

// agent starts an ssh-agent, and returns the address of it.
func (c *client) agent() string {
	c.t.Helper()
	bin := need(c.t, "ssh-agent")
	dir, err := os.MkdirTemp("", "agent") // paths of sockets are short
	require.NoError(c.t, err)
	socket := filepath.Join(dir, "s")
	cmd := exec.Command(bin, "-D", "-a", socket)
	require.NoError(c.t, cmd.Start())
	c.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		os.RemoveAll(dir)
	})
	require.Eventually(c.t, func() bool { _, err := os.Stat(socket); return err == nil }, 10*time.Second, 10*time.Millisecond)
	return socket
}

// with runs a program with more in its environment.
func (c *client) with(env []string, program string, args ...string) (string, error) {
	c.t.Helper()
	path := need(c.t, program)
	ctx, cancel := context.WithTimeout(c.t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Env = c.home, append(environment(c.home), env...)
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// listing is what ssh-keygen says of a certificate.
func (c *client) listing(file string) string {
	c.t.Helper()
	return c.run("ssh-keygen", "-L", "-f", file)
}

// serialOf is the serial in a certificate, in decimal.
func (c *client) serialOf(file string) string {
	c.t.Helper()
	for line := range strings.Lines(c.listing(file)) {
		if s, ok := strings.CutPrefix(strings.TrimSpace(line), "Serial: "); ok {
			return s
		}
	}
	c.t.Fatalf("%s has no serial", file)
	return ""
}

// forger makes a certificate with a CA of its own.
func (c *client) forger(name, principal string) {
	c.t.Helper()
	c.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "forger")
	c.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name)
	c.run("ssh-keygen", "-q", "-s", "forger", "-I", "forged", "-n", principal, "-V", "+1h", name+".pub")
}

// setSSHTemplate gives the provisioner admin a template for SSH certificates.
func (s *server) setSSHTemplate(t testing.TB, text string) {
	t.Helper()
	s.edit(t, func(_, authority map[string]any) {
		p := authority["provisioners"].([]any)[0].(map[string]any)
		p["options"] = map[string]any{"ssh": map[string]any{"template": text}}
	})
}
