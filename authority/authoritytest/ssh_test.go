package authoritytest_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/authority"
	"github.com/chancery-ca/chancery/authority/authoritytest"
	"github.com/chancery-ca/chancery/provisioner"
)

func run(t *testing.T, s *authoritytest.SSHD, user string, p *authoritytest.SSHPair, command string) (string, error) {
	t.Helper()
	c, err := s.Dial(user, p)
	if err != nil {
		return "", err
	}
	defer c.Close()
	session, err := c.NewSession()
	require.NoError(t, err)
	out, err := session.Output(command)
	require.NoError(t, err)
	return strings.TrimSpace(string(out)), nil
}

func TestSSHD(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := authoritytest.New(t)
		s := ca.SSHD("web.internal")
		alice := ca.SSHUser("alice", "ops")
		out, err := run(t, s, "alice", alice, "uptime")
		require.NoError(t, err)
		require.Equal(t, "alice: uptime", out)
		_, err = run(t, s, "ops", alice, "uptime")
		require.NoError(t, err)

		for name, bad := range map[string]*authoritytest.SSHPair{
			"another principal": ca.SSHUser("bob"),
			"expired":           ca.SSHExpired("alice"),
			"revoked":           ca.SSHRevoked("alice"),
			"stranger's":        ca.SSHStranger("alice"),
			"a host's":          ca.SSHHost("alice"),
			"no principals":     ca.SignAnySSH(provisioner.SSHUser, func(c *ssh.Certificate) { c.ValidPrincipals = nil }),
			"unknown option":    ca.SignAnySSH(provisioner.SSHUser, func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"x@y": ""} }, "alice"),
		} {
			_, err := run(t, s, "alice", bad, "uptime")
			require.Error(t, err, name)
		}
		forced := ca.SignAnySSH(provisioner.SSHUser, func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"force-command": "date"} }, "alice")
		out, err = run(t, s, "alice", forced, "reboot")
		require.NoError(t, err)
		require.Equal(t, "alice: date", out)

		_, err = ca.Authority.Revoke(t.Context(), &authority.RevokeRequest{Operation: provisioner.SSHRevoke, Serial: authority.SSHSerialOf(alice.Certificate), Local: true})
		require.NoError(t, err)
		_, err = run(t, s, "alice", alice, "uptime")
		require.Error(t, err)
		late := ca.SSHUser("alice")
		time.Sleep(17 * time.Hour)
		_, err = run(t, s, "alice", late, "uptime")
		require.Error(t, err)
		ca.Check()
	})
}
