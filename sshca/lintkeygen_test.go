package sshca_test

import (
	"crypto/rand"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"pgregory.net/rapid"

	"github.com/chancery-ca/chancery/sshca"
)

var updateListings = flag.Bool("update-listings", false, "rewrite testdata/listings from what ssh-keygen -L says")

func sshKeygen(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("ssh-keygen")
	if err != nil {
		if os.Getenv("CHANCERY_INTEROP") == "require" {
			t.Fatal("CHANCERY_INTEROP=require, and ssh-keygen is not installed; get it with: apt-get install openssh-client")
		}
		t.Skip("ssh-keygen is not installed; get it with: apt-get install openssh-client")
	}
	return path
}

// listing is what ssh-keygen -L says about a certificate, after the name of the file.
func listing(keygen string, c *ssh.Certificate) (string, error) {
	cmd := exec.Command(keygen, "-L", "-f", "-")
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	cmd.Stdin = strings.NewReader(string(ssh.MarshalAuthorizedKey(c)))
	out, err := cmd.CombinedOutput()
	_, text, _ := strings.Cut(string(out), "\n")
	if err != nil || text == "" {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return text, nil
}

// What ssh-keygen shows of every kind of certificate is what was put in, to the letter.
func TestListings(t *testing.T) {
	keygen := sshKeygen(t)
	keys := lintKeys(t)
	ca := lintCA(t, 9)
	for _, typ := range []uint32{ssh.UserCert, ssh.HostCert} {
		for _, kind := range []string{"ed25519", "ecdsa256", "ecdsa384", "ecdsa521", "rsa3072", "sk-ed25519", "sk-ecdsa256"} {
			name := map[uint32]string{ssh.UserCert: "user-", ssh.HostCert: "host-"}[typ] + kind
			t.Run(name, func(t *testing.T) {
				c := lintCert(t, typ, keys[kind])
				if typ == ssh.UserCert {
					c.CriticalOptions = map[string]string{
						"force-command": "/bin/true --a \"b\"", "source-address": "10.0.0.0/8,fd00::/8", "verify-required": "",
					}
					c.Extensions["no-touch-required"] = ""
				}
				require.NoError(t, sshca.Lint(c, typ, sshca.Rules{}))
				signWithNonce(t, c, ca)
				got, err := listing(keygen, c)
				require.NoError(t, err)
				file := filepath.Join("testdata", "listings", name+".txt")
				if *updateListings {
					require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
					require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
				}
				want, err := os.ReadFile(file)
				require.NoError(t, err)
				require.Equal(t, string(want), got)
			})
		}
	}
}

// signWithNonce signs with the nonce that c has. SignCert would make another.
func signWithNonce(t interface {
	require.TestingT
}, c *ssh.Certificate, ca ssh.Signer) {
	c.SignatureKey, c.Signature = ca.PublicKey(), nil
	b := c.Marshal()
	s, err := ca.Sign(rand.Reader, b[:len(b)-4])
	require.NoError(t, err)
	c.Signature = s
}

// Whatever Lint lets through, OpenSSH reads, x/crypto takes for every principal, and both agree about what
// is in it.
func TestAcceptedIsReadable(t *testing.T) {
	keygen := sshKeygen(t)
	keys := lintKeys(t)
	ca := lintCA(t, 9)
	kinds := slices.Sorted(maps.Keys(keys))
	text := rapid.OneOf(
		rapid.SampledFrom([]string{"alice", "a b", "root\x00", "a,b", "a\nb", "*", "*.example.com", "é", "", "login@github.com", "permit-pty", "10.0.0.0/8,::1", "Ω木"}),
		rapid.StringN(0, 12, 40), rapid.StringMatching(`[a-z0-9@.*-]{1,20}`),
	)
	names := rapid.OneOf(text, rapid.SampledFrom([]string{
		"force-command", "source-address", "verify-required", "no-touch-required", "permit-pty", "permit-user-rc", "id@example.com",
	}))
	accepted := 0
	rapid.Check(t, func(rt *rapid.T) {
		typ := rapid.SampledFrom([]uint32{ssh.UserCert, ssh.HostCert}).Draw(rt, "type")
		c := lintCert(t, typ, keys[rapid.SampledFrom(kinds).Draw(rt, "key")])
		if rapid.Bool().Draw(rt, "names") {
			c.ValidPrincipals = rapid.SliceOfN(text, 0, 4).Draw(rt, "principals")
		}
		if rapid.Bool().Draw(rt, "id") {
			c.KeyId = text.Draw(rt, "key id")
		}
		if rapid.Bool().Draw(rt, "options") {
			c.CriticalOptions = rapid.MapOfN(names, text, 0, 2).Draw(rt, "critical options")
		}
		if rapid.Bool().Draw(rt, "extensions") {
			c.Extensions = rapid.MapOfN(names, rapid.OneOf(rapid.Just(""), text), 0, 2).Draw(rt, "extensions")
		}
		if rapid.Bool().Draw(rt, "time") {
			c.ValidAfter, c.ValidBefore = rapid.Uint64().Draw(rt, "after"), rapid.Uint64().Draw(rt, "before")
		}
		if sshca.Lint(c, typ, sshca.Rules{}) != nil {
			return
		}
		accepted++
		signWithNonce(rt, c, ca)
		said, err := listing(keygen, c)
		require.NoError(rt, err)
		for _, p := range c.ValidPrincipals {
			if isASCII(p) {
				require.Contains(rt, said, "\n                "+p+"\n")
			}
		}
		require.Equal(rt, len(c.ValidPrincipals), strings.Count(between(said, "Principals:", "Critical Options:"), "\n")-1, said)

		read, err := ssh.ParsePublicKey(c.Marshal())
		require.NoError(rt, err)
		checker := &ssh.CertChecker{
			SupportedCriticalOptions: []string{"force-command", "source-address", "verify-required"},
			Clock:                    func() time.Time { return time.Unix(int64(c.ValidAfter), 0) },
		}
		for _, p := range c.ValidPrincipals {
			require.NoError(rt, checker.CheckCert(p, read.(*ssh.Certificate)))
		}
		require.Equal(rt, c.Marshal(), read.Marshal())
	})
	require.Positive(t, accepted, "nothing was accepted, so nothing was tested")
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x7f })
}

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

// Lint returns for whatever can be read, and what it lets through keeps the promises that everything else
// relies on.
func FuzzLint(f *testing.F) {
	seeds, err := filepath.Glob("testdata/fuzz/FuzzLint/*")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: did testdata move?")
	}
	ca := lintCA(f, 9)
	for _, k := range lintKeys(f) {
		for _, typ := range []uint32{ssh.UserCert, ssh.HostCert} {
			if c := lintCert(f, typ, k); sshca.LintKey(k, 0) == nil {
				signWithNonce(f, c, ca)
				f.Add(c.Marshal(), typ)
			}
		}
	}
	f.Fuzz(func(t *testing.T, wire []byte, caType uint32) {
		k, err := ssh.ParsePublicKey(wire)
		if err != nil {
			return
		}
		c, ok := k.(*ssh.Certificate)
		if !ok {
			sshca.LintKey(k, 1024)
			return
		}
		if sshca.Lint(c, caType, sshca.Rules{}) != nil {
			return
		}
		switch {
		case c.CertType != caType, c.Serial == 0, len(c.ValidPrincipals) == 0, len(c.Reserved) > 0, c.ValidBefore <= c.ValidAfter,
			strings.ContainsAny(strings.Join(c.ValidPrincipals, ""), ",\x00\n\r\t"), strings.ContainsAny(c.KeyId, "\x00\n\r"),
			caType == ssh.HostCert && len(c.CriticalOptions) > 0:
			t.Fatalf("accepted %+v", c)
		}
		again, err := ssh.ParsePublicKey(c.Marshal())
		if err != nil {
			t.Fatal(err)
		}
		if err := sshca.Lint(again.(*ssh.Certificate), caType, sshca.Rules{}); err != nil {
			t.Fatal(err)
		}
	})
}
