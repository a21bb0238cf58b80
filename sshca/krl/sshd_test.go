package krl_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/sshca/krl"
)

// startSSHD starts a real server on loopback that believes w about users, but for those in the file revoked.
func startSSHD(t *testing.T, w *world, revoked string) (address string) {
	t.Helper()
	bin, err := exec.LookPath("sshd")
	if err != nil {
		bin, err = exec.LookPath("/usr/sbin/sshd")
	}
	if err != nil {
		if os.Getenv("CHANCERY_INTEROP") == "require" {
			t.Fatal("CHANCERY_INTEROP=require, and sshd is not installed")
		}
		t.Skip("sshd is not installed; get it with: apt-get install openssh-server")
	}
	if os.Getuid() == 0 {
		require.NoError(t, os.MkdirAll("/run/sshd", 0o755)) // where Debian's separates privileges
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address = l.Addr().String()
	require.NoError(t, l.Close())
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, b, 0o600))
		return path
	}
	_, host, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(host, "")
	require.NoError(t, err)
	log := filepath.Join(dir, "log")
	config := write("config", []byte(strings.Join([]string{
		"ListenAddress 127.0.0.1", "Port " + port, "PidFile none", "UsePAM no", "StrictModes no", "PermitRootLogin yes", "LogLevel VERBOSE",
		"AuthorizedKeysFile none", "PasswordAuthentication no", "KbdInteractiveAuthentication no", "MaxStartups 100",
		"HostKey " + write("host", pem.EncodeToMemory(block)), "TrustedUserCAKeys " + write("ca.pub", ssh.MarshalAuthorizedKey(w.ca.PublicKey())),
		"RevokedKeys " + revoked,
	}, "\n")+"\n"))
	cmd := exec.Command(bin, "-D", "-f", config, "-E", log)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if said, _ := os.ReadFile(log); t.Failed() {
			t.Logf("sshd's log:\n%s", said)
		}
	})
	require.Eventually(t, func() bool {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, 10*time.Second, 20*time.Millisecond, "sshd does not listen")
	return address
}

// From the revocation to sshd's refusal: a publisher that signs, a fetcher, the file, a login. What is read by
// ssh-keygen, sshd reads, too.
func TestSSHD(t *testing.T) {
	w, file := newWorld(t), filepath.Join(t.TempDir(), "revoked.krl")
	me, err := user.Current()
	require.NoError(t, err)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	own, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	w.base.Key, w.base.ValidPrincipals = own.PublicKey(), []string{me.Username}

	signer, key := newSigner(t, kms.ECDSAP256)
	b := &books{}
	for n := range uint64(40_000) { // of a density that asks for several bitmaps
		b.add(krl.Change{CA: w.ca.PublicKey(), Serial: 100_000 + 3*n, Revoked: true})
	}
	s := httptest.NewTLSServer(publisher(t, b, krl.Options{Signer: signer}))
	defer s.Close()
	f := &krl.Fetcher{URL: s.URL, Client: s.Client(), Keys: []ssh.PublicKey{key}}
	fetch := func() {
		_, err := f.Fetch(t.Context(), file)
		require.NoError(t, err)
	}
	fetch()
	address := startSSHD(t, w, file)
	in := func(serial uint64) bool {
		user, err := ssh.NewCertSigner(w.certificate(t, serial, "x"), own)
		require.NoError(t, err)
		c, err := ssh.Dial("tcp", address, &ssh.ClientConfig{
			User: me.Username, Auth: []ssh.AuthMethod{ssh.PublicKeys(user)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 10 * time.Second, //nolint:gosec // on loopback
		})
		if err != nil {
			require.ErrorContains(t, err, "unable to authenticate")
			return false
		}
		return c.Close() == nil
	}
	require.True(t, in(7))
	require.True(t, in(100_001))
	require.False(t, in(100_000))
	require.False(t, in(100_000+3*39_999))

	began := time.Now()
	b.add(krl.Change{CA: w.ca.PublicKey(), Serial: 7, Revoked: true})
	for fetch(); in(7); fetch() {
		require.Less(t, time.Since(began), 3*time.Second)
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("from the revocation to sshd's refusal: %s", time.Since(began))
	require.True(t, in(8))
	b.add(krl.Change{CA: w.ca.PublicKey(), Serial: 7})
	require.Eventually(t, func() bool { fetch(); return in(7) }, 5*time.Second, 100*time.Millisecond, "a hold has ended")
}
