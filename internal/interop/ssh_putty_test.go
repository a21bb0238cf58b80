package interop

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// PuTTY reads our certificates, logs in with one, and believes a host by its certificate and no other. G27.
func TestSSHPuTTY(t *testing.T) {
	t.Parallel()
	need(t, "plink")
	need(t, "puttygen")
	s := serve(t, options{byStep: []string{"--ssh"}})
	c := user(t, s)
	c.host("web.internal")
	d := startSSHD(t, c)
	me := account(t)
	c.person("me", me+"@example.com")
	c.person("other", "someone-else@example.com")
	for _, name := range []string{"me", "other"} {
		c.run("puttygen", name, "-O", "private", "-o", name+".ppk", "--certificate", name+"-cert.pub", "--new-passphrase", os.DevNull)
	}
	roots := strings.Fields(c.step("ssh", "config", "--host", "--roots"))
	require.GreaterOrEqual(t, len(roots), 2)
	require.NoError(t, os.MkdirAll(filepath.Join(c.home, ".putty", "sshhostcas"), 0o700))
	c.write(".putty/sshhostcas/chancery", "PublicKey="+roots[1]+"\nValidity=*.internal\nPermitRSASHA1=0\nPermitRSASHA256=1\nPermitRSASHA512=1\n")
	login := func(key, host string) (string, error) {
		return c.try("plink", "-batch", "-ssh", "-P", d.port, "-l", me, "-i", key+".ppk", "-loghost", host, "127.0.0.1", "echo", "welcome")
	}
	out, err := login("me", "web.internal")
	require.NoErrorf(t, err, "%s\n%s", out, clip(d.said()))
	require.Contains(t, out, "welcome")
	require.Contains(t, d.said(), me+"@example.com")

	out, err = login("other", "web.internal")
	require.Error(t, err, "a certificate for somebody else")
	require.NotContains(t, out, "welcome")
	for _, host := range []string{"db.internal", "web.example"} {
		out, err = login("me", host)
		require.Error(t, err, "the host's certificate is not for this name, or not from a CA for it")
		require.NotContains(t, out, "welcome")
	}
}
