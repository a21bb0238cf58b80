package krl_test

import (
	"context"
	"crypto/rand"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/sshca/krl"
)

// keygen runs ssh-keygen in a folder.
func keygen(t testing.TB, dir string, args ...string) (string, error) {
	t.Helper()
	bin, err := exec.LookPath("ssh-keygen")
	if err != nil {
		if os.Getenv("CHANCERY_INTEROP") == "require" {
			t.Fatal("CHANCERY_INTEROP=require, and ssh-keygen is not installed")
		}
		t.Skip("ssh-keygen is not installed; get it with: apt-get install openssh-client")
	}
	cmd := exec.Command(bin, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// asks writes a certificate, and has ssh-keygen say whether a list has it.
func asks(t testing.TB, dir, list string, k ssh.PublicKey) bool {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x.pub"), ssh.MarshalAuthorizedKey(k), 0o600))
	out, err := keygen(t, dir, "-Q", "-f", list, "x.pub")
	require.Equal(t, strings.Contains(out, "REVOKED"), err != nil, out)
	return err != nil
}

type world struct {
	ca   ssh.Signer
	kms  kms.Signer
	base ssh.Certificate
}

func newWorld(t testing.TB) *world {
	t.Helper()
	k, err := kms.Generate(kms.Ed25519)
	require.NoError(t, err)
	s, err := ssh.NewSignerFromSigner(k)
	require.NoError(t, err)
	return &world{ca: s, kms: kms.FromCrypto(k), base: ssh.Certificate{
		Key: newKey(t), CertType: ssh.UserCert, KeyId: "x", ValidPrincipals: []string{"x"}, ValidAfter: 1, ValidBefore: ssh.CertTimeInfinity,
	}}
}

func (w *world) certificate(t testing.TB, serial uint64, id string) *ssh.Certificate {
	t.Helper()
	c := w.base
	c.Serial, c.KeyId = serial, id
	require.NoError(t, c.SignCert(rand.Reader, w.ca))
	return &c
}

// ssh-keygen judges certificates by our lists as we do, whichever way they are put, signed or not.
func TestKeygenAgrees(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	l := sample(t)
	l.Certificates[0].CA = w.ca.PublicKey().Marshal()
	plain, err := l.Marshal()
	require.NoError(t, err)
	signed, err := krl.Sign(context.Background(), plain, w.kms)
	require.NoError(t, err)
	for name, b := range map[string][]byte{"plain": plain, "signed": signed} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
		out, err := keygen(t, dir, "-Q", "-l", "-f", name)
		require.NoError(t, err, out)
		require.Contains(t, out, "KRL version 7")
		require.Contains(t, out, "of Tuesday")
		require.Contains(t, out, "serial: 1000-1499")
		for _, n := range []uint64{1, 2, 5, 999, 1000, 1200, 1499, 1500, 100_000, 100_001, 100_003, 100_998, 100_999, 1 << 63, 1<<63 + 1, ^uint64(0)} {
			c := w.certificate(t, n, "x")
			require.Equal(t, l.Revokes(c), asks(t, dir, name, c), "%s: serial %d", name, n)
		}
		for _, id := range []string{"alice", "bob", "anybody's", "Alice", "al"} {
			c := w.certificate(t, 77, id)
			require.Equal(t, l.Revokes(c), asks(t, dir, name, c), "%s: key id %q", name, id)
		}
		revoked, err := ssh.ParsePublicKey(l.Keys[0])
		require.NoError(t, err)
		require.True(t, asks(t, dir, name, revoked))
		require.False(t, asks(t, dir, name, newKey(t)))
	}
}

// We read what ssh-keygen makes.
func TestKeygensOwn(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ca.pub"), ssh.MarshalAuthorizedKey(w.ca.PublicKey()), 0o600))
	other := newKey(t)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "key.pub"), ssh.MarshalAuthorizedKey(other), 0o600))
	var spec strings.Builder
	spec.WriteString("serial: 3\nserial: 100-2000\nid: alice\n")
	for n := 10_000; n < 11_000; n += 2 {
		fmt.Fprintf(&spec, "serial: %d\n", n)
	}
	fmt.Fprintf(&spec, "key: %ssha256: %sha1: %s", ssh.MarshalAuthorizedKey(other), ssh.MarshalAuthorizedKey(newKey(t)), ssh.MarshalAuthorizedKey(newKey(t)))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "spec"), []byte(strings.Replace(spec.String(), "ha1:", "sha1:", 1)), 0o600))
	out, err := keygen(t, dir, "-k", "-f", "made", "-s", "ca.pub", "-z", "12", "spec")
	require.NoError(t, err, out)
	b, err := os.ReadFile(filepath.Join(dir, "made"))
	require.NoError(t, err)
	l, err := krl.Parse(b)
	require.NoError(t, err)
	require.EqualValues(t, 12, l.Version)
	for n, want := range map[uint64]bool{3: true, 4: false, 99: false, 100: true, 2000: true, 2001: false, 10_000: true, 10_001: false, 10_998: true} {
		require.Equal(t, want, l.Revokes(w.certificate(t, n, "x")), n)
	}
	require.True(t, l.Revokes(w.certificate(t, 77, "alice")))
	require.True(t, l.Revokes(other))
	require.Len(t, l.SHA1, 1)
	require.Len(t, l.SHA256, 1)
	again, err := l.Marshal()
	require.NoError(t, err)
	t.Logf("ssh-keygen's list: %d bytes, ours of the same: %d", len(b), len(again))
	require.LessOrEqual(t, len(again), len(b)+len(b)/10)
}

func TestHundredThousand(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	serials := make([]uint64, 100_000)
	for i := range serials {
		serials[i] = mrand.Uint64() | 1<<63
	}
	began := time.Now()
	l := &krl.List{Generated: time.Now(), Certificates: []krl.Certificates{{CA: w.ca.PublicKey().Marshal(), Serials: krl.RangesOf(serials)}}}
	b, err := l.Marshal()
	require.NoError(t, err)
	made := time.Since(began)
	began = time.Now()
	_, err = krl.Parse(b)
	require.NoError(t, err)
	t.Logf("100000 serials: %d bytes, made in %s, read in %s", len(b), made, time.Since(began))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "list"), b, 0o600))
	for _, n := range []uint64{serials[0], serials[99_999], serials[50_000], 1, serials[0] ^ 2, 1 << 62} {
		c := w.certificate(t, n, "x")
		require.Equal(t, l.Revokes(c), asks(t, dir, "list", c), n)
	}
}
