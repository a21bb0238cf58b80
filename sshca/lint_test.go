package sshca_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha512"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/sshca"
)

// lintKeys are public keys of every kind that has certificates, the same in every run. There is nobody who
// can use those of RSA: their numbers are not products of two primes.
func lintKeys(t testing.TB) map[string]ssh.PublicKey {
	t.Helper()
	keys := map[string]ssh.PublicKey{"ed25519": lintCA(t, 1).PublicKey()}
	for name, curve := range map[string]elliptic.Curve{"ecdsa256": elliptic.P256(), "ecdsa384": elliptic.P384(), "ecdsa521": elliptic.P521()} {
		scalar := make([]byte, (curve.Params().BitSize+7)/8)
		scalar[len(scalar)-1] = 7
		key, err := ecdsa.ParseRawPrivateKey(curve, scalar)
		require.NoError(t, err)
		keys[name], err = ssh.NewPublicKey(key.Public())
		require.NoError(t, err)
	}
	for _, bits := range []int{1024, 2048, 3072, 4096, 16384, 16392} {
		keys[fmt.Sprint("rsa", bits)] = lintRSA(t, bits)
	}
	point := keys["ed25519"].Marshal()[4+len(ssh.KeyAlgoED25519)+4:]
	keys["sk-ed25519"] = lintParse(t, struct {
		Type        string
		Point       []byte
		Application string
	}{ssh.KeyAlgoSKED25519, point, "ssh:"})
	ec := struct{ Type, Curve, Point, Application string }{Application: "ssh:"}
	require.NoError(t, ssh.Unmarshal(append(keys["ecdsa256"].Marshal(), 0, 0, 0, 0), &ec))
	ec.Type, ec.Application = ssh.KeyAlgoSKECDSA256, "ssh:"
	keys["sk-ecdsa256"] = lintParse(t, ec)
	return keys
}

func lintRSA(t testing.TB, bits int) ssh.PublicKey {
	var stream []byte
	for i := 0; len(stream) < bits/8; i++ {
		sum := sha512.Sum512(fmt.Append(nil, bits, i))
		stream = append(stream, sum[:]...)
	}
	stream = stream[:bits/8]
	stream[0] |= 0x80
	stream[len(stream)-1] |= 1
	k, err := ssh.NewPublicKey(&rsa.PublicKey{N: new(big.Int).SetBytes(stream), E: 65537})
	require.NoError(t, err)
	return k
}

func lintParse(t testing.TB, fields any) ssh.PublicKey {
	t.Helper()
	k, err := ssh.ParsePublicKey(ssh.Marshal(fields))
	require.NoError(t, err)
	return k
}

func lintCA(t testing.TB, seed byte) ssh.Signer {
	t.Helper()
	s, err := ssh.NewSignerFromSigner(ed25519.NewKeyFromSeed(append(make([]byte, 31), seed)))
	require.NoError(t, err)
	return s
}

// lintCert is a certificate with nothing wrong.
func lintCert(t testing.TB, typ uint32, key ssh.PublicKey) *ssh.Certificate {
	t.Helper()
	c := &ssh.Certificate{
		Nonce: []byte("0123456789abcdef0123456789abcdef"), Key: key, Serial: 7, CertType: typ,
		KeyId: "alice@example.com", ValidPrincipals: []string{"alice", "alice@example.com"},
		ValidAfter: 1893456000, ValidBefore: 1893456000 + 16*3600,
		SignatureKey: lintCA(t, 9).PublicKey(),
	}
	if typ == ssh.HostCert {
		c.KeyId, c.ValidPrincipals = "db.example.com", []string{"db.example.com", "*.db.example.com"}
		return c
	}
	c.Extensions = sshca.UserExtensions()
	return c
}

// foreign is a key of somebody else's type.
type foreign struct {
	ssh.PublicKey
	wire []byte
}

func (f foreign) Marshal() []byte { return f.wire }

func TestLint(t *testing.T) {
	keys := lintKeys(t)
	dsa := foreign{wire: ssh.Marshal(struct {
		Type       string
		P, Q, G, Y *big.Int
	}{"ssh-dss", big.NewInt(7), big.NewInt(5), big.NewInt(3), big.NewInt(2)})}
	offCurve := foreign{wire: ssh.Marshal(struct{ Type, Curve, Point string }{
		ssh.KeyAlgoECDSA256, "nistp256", "\x04" + strings.Repeat("\x01", 64),
	})}
	even := foreign{wire: ssh.Marshal(struct {
		Type string
		E, N *big.Int
	}{ssh.KeyAlgoRSA, big.NewInt(65537), new(big.Int).Lsh(big.NewInt(1), 3500)})}
	application := foreign{wire: ssh.Marshal(struct {
		Type               string
		Point, Application string
	}{ssh.KeyAlgoSKED25519, strings.Repeat("a", 32), "ssh:\x00x"})}
	nested := lintCert(t, ssh.UserCert, keys["ed25519"])
	signWithNonce(t, nested, lintCA(t, 9))

	names := func(n ...string) func(*ssh.Certificate) {
		return func(c *ssh.Certificate) { c.ValidPrincipals = n }
	}
	many := func(n int) []string {
		var l []string
		for i := range n {
			l = append(l, fmt.Sprint("user", i))
		}
		return l
	}
	id := func(s string) func(*ssh.Certificate) { return func(c *ssh.Certificate) { c.KeyId = s } }
	life := func(after, before uint64) func(*ssh.Certificate) {
		return func(c *ssh.Certificate) { c.ValidAfter, c.ValidBefore = after, before }
	}
	option := func(name, value string) func(*ssh.Certificate) {
		return func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{name: value} }
	}
	extension := func(name, value string) func(*ssh.Certificate) {
		return func(c *ssh.Certificate) { c.Extensions = map[string]string{name: value} }
	}
	key := func(k ssh.PublicKey) func(*ssh.Certificate) { return func(c *ssh.Certificate) { c.Key = k } }
	ca := func(k ssh.PublicKey) func(*ssh.Certificate) {
		return func(c *ssh.Certificate) { c.SignatureKey = k }
	}
	nonce := func(n int) func(*ssh.Certificate) { return func(c *ssh.Certificate) { c.Nonce = make([]byte, n) } }
	const user, host = ssh.UserCert, ssh.HostCert

	for _, c := range []struct {
		name   string
		typ    uint32
		change func(*ssh.Certificate)
		code   string // empty: nothing is wrong
	}{
		{"a user's", user, names("alice"), ""},
		{"a host's", host, names("h"), ""},

		{"of neither type", user, func(c *ssh.Certificate) { c.CertType = 3 }, sshca.WrongType},
		{"of no type", user, func(c *ssh.Certificate) { c.CertType = 0 }, sshca.WrongType},
		{"host certificate of a user CA", user, func(c *ssh.Certificate) { *c = *lintCert(t, host, c.Key) }, sshca.WrongCA},
		{"user certificate of a host CA", host, func(c *ssh.Certificate) { *c = *lintCert(t, user, c.Key) }, sshca.WrongCA},

		{"no serial", user, func(c *ssh.Certificate) { c.Serial = 0 }, sshca.NoSerial},
		{"reserved", user, func(c *ssh.Certificate) { c.Reserved = []byte{0} }, sshca.WrongReserved},
		{"no nonce", user, nonce(0), sshca.WrongNonce},
		{"nonce of 15", user, nonce(15), sshca.WrongNonce},
		{"nonce of 16", user, nonce(16), ""},
		{"nonce of 64", user, nonce(64), ""},
		{"nonce of 65", user, nonce(65), sshca.WrongNonce},

		{"empty key id", user, id(""), ""},
		{"key id in letters", user, id("Ålice ü 木"), ""},
		{"key id with a line", user, id("a\nAccepted publickey for root"), sshca.WrongKeyID},
		{"key id with NUL", user, id("a\x00"), sshca.WrongKeyID},
		{"key id with DEL", user, id("a\x7f"), sshca.WrongKeyID},
		{"key id with C1", user, id("a\u0085b"), sshca.WrongKeyID},
		{"key id with a line separator", user, id("a\u2028b"), sshca.WrongKeyID},
		{"key id from right to left", user, id("a\u202eb"), sshca.WrongKeyID},
		{"key id of other bytes", user, id("a\xff"), sshca.WrongKeyID},
		{"key id of 1024", user, id(strings.Repeat("a", 1024)), ""},
		{"key id of 1025", user, id(strings.Repeat("a", 1025)), sshca.WrongKeyID},

		{"no principals", user, names(), sshca.NoPrincipals},
		{"no principals of a host", host, names(), sshca.NoPrincipals},
		{"empty principal", user, names("alice", ""), sshca.WrongPrincipal},
		{"comma", user, names("alice,root"), sshca.WrongPrincipal},
		{"line", user, names("alice\nroot"), sshca.WrongPrincipal},
		{"tab", user, names("alice\troot"), sshca.WrongPrincipal},
		{"NUL", user, names("root\x00alice"), sshca.WrongPrincipal},
		{"other bytes", user, names("ali\xe9"), sshca.WrongPrincipal},
		{"wide space", user, names("a\u00a0b"), sshca.WrongPrincipal},
		{"nothing to see", user, names("a\u200bb"), sshca.WrongPrincipal},
		{"a space inside", user, names(`CORP\Alice Doe`), ""},
		{"a space before", user, names(" root"), sshca.WrongPrincipal},
		{"a space after", user, names("root "), sshca.WrongPrincipal},
		{"twice", user, names("alice", "bob", "alice"), sshca.SamePrincipals},
		{"in two cases", user, names("alice", "Alice"), ""},
		{"256", user, names(many(256)...), ""},
		{"257", user, names(many(257)...), sshca.TooManyNames},
		{"512 bytes", user, names(strings.Repeat("a", 512)), ""},
		{"513 bytes", user, names(strings.Repeat("a", 513)), sshca.WrongPrincipal},
		{"every host", host, names("*"), sshca.WildPrincipal},
		{"every host with dots", host, names("*.?*"), sshca.WildPrincipal},
		{"hosts of a domain", host, names("*.example.com"), ""},
		{"a user called *", user, names("*"), ""},

		{"for ever", user, life(1, ssh.CertTimeInfinity), sshca.WrongLife},
		{"nearly for ever", user, life(1, ssh.CertTimeInfinity-1), sshca.WrongLife},
		{"the last second", user, life(253402300798, 253402300799), ""},
		{"after the last second", user, life(253402300798, 253402300800), sshca.WrongLife},
		{"no end", user, life(1, 0), sshca.WrongLife},
		{"no beginning", user, life(0, 1), sshca.WrongLife},
		{"no time", user, life(5, 5), sshca.WrongLife},
		{"backwards", user, life(6, 5), sshca.WrongLife},

		{"no key", user, key(nil), sshca.NoKey},
		{"key in a certificate", user, key(nested), sshca.KeyIsCertificate},
		{"key in no certificate", user, key((*ssh.Certificate)(nil)), sshca.KeyIsCertificate},
		{"key in a hidden certificate", user, key(foreign{wire: nested.Marshal()}), sshca.KeyIsCertificate},
		{"DSA", user, key(dsa), sshca.WrongKeyType},
		{"nothing of a key", user, key(foreign{}), sshca.MalformedKey},
		{"off the curve", user, key(offCurve), sshca.MalformedKey},
		{"even modulus", user, key(even), sshca.MalformedKey},
		{"text after a key", user, key(foreign{wire: append(keys["ed25519"].Marshal(), 0)}), sshca.MalformedKey},
		{"application with NUL", user, key(application), sshca.MalformedKey},
		{"RSA 2048", user, key(keys["rsa2048"]), sshca.WrongKeySize},
		{"RSA 3072", user, key(keys["rsa3072"]), ""},
		{"RSA 16384", user, key(keys["rsa16384"]), ""},
		{"RSA 16392", user, key(keys["rsa16392"]), sshca.WrongKeySize},

		{"no CA key", user, ca(nil), sshca.NoKey},
		{"CA key in a certificate", user, ca(nested), sshca.KeyIsCertificate},
		{"CA key in a hidden certificate", user, ca(foreign{wire: nested.Marshal()}), sshca.KeyIsCertificate},
		{"CA of RSA 2048", user, ca(keys["rsa2048"]), sshca.WrongKeySize},
		{"CA of RSA 4096", user, ca(keys["rsa4096"]), ""},
		{"CA of DSA", user, ca(dsa), sshca.WrongKeyType},
		{"CA on a security key", user, ca(keys["sk-ed25519"]), sshca.WrongKeyType},

		{"command", user, option("force-command", "uptime"), ""},
		{"command of two lines", user, option("force-command", "a\nb"), ""},
		{"no command", user, option("force-command", " "), sshca.WrongValue},
		{"command with NUL", user, option("force-command", "a\x00b"), sshca.WrongValue},
		{"verify", user, option("verify-required", ""), ""},
		{"verify, with a value", user, option("verify-required", "yes"), sshca.WrongValue},
		{"address", user, option("source-address", "10.0.0.1"), ""},
		{"addresses", user, option("source-address", "10.0.0.0/8,fd00::/8,::1,0.0.0.0/0"), ""},
		{"long address", user, option("source-address", "1111:2222:3333:4444:5555:6666:7777:8888/128"), ""},
		{"no address", user, option("source-address", ""), sshca.WrongValue},
		{"empty address", user, option("source-address", "10.0.0.1,"), sshca.WrongValue},
		{"spaces", user, option("source-address", "10.0.0.1, 10.0.0.2"), sshca.WrongValue},
		{"bits after the prefix", user, option("source-address", "10.0.0.1/8"), sshca.WrongValue},
		{"long prefix", user, option("source-address", "10.0.0.0/33"), sshca.WrongValue},
		{"not address", user, option("source-address", "!10.0.0.1"), sshca.WrongValue},
		{"host name", user, option("source-address", "example.com"), sshca.WrongValue},
		{"zone", user, option("source-address", "fe80::1%eth0"), sshca.WrongValue},
		{"two in one", user, option("source-address", "::ffff:10.0.0.1"), sshca.WrongValue},
		{"unknown option", user, option("verify-Required", ""), sshca.UnknownOption},
		{"a vendor's option", user, option("a@example.com", ""), sshca.UnknownOption},
		{"option of nobody", user, option("", ""), sshca.UnknownOption},

		{"no extensions", user, extension("permit-pty", ""), ""},
		{"touch", user, extension("no-touch-required", ""), ""},
		{"extension with a value", user, extension("permit-pty", "yes"), sshca.WrongValue},
		{"in other letters", user, extension("permit-PTY", ""), sshca.UnknownExtension},
		{"a vendor's", user, extension("login@github.com", "alice"), ""},
		{"a vendor's of a host", host, extension("login@github.com", "alice"), ""},
		{"of no vendor", user, extension("login@", ""), sshca.UnknownExtension},
		{"of nobody", user, extension("@github.com", ""), sshca.UnknownExtension},
		{"of two vendors", user, extension("a@b@c", ""), sshca.UnknownExtension},
		{"with a space", user, extension("a b@c", ""), sshca.UnknownExtension},
		{"with a line", user, extension("a@c\n", ""), sshca.UnknownExtension},
		{"long name", user, extension(strings.Repeat("a", 63)+"@b", ""), sshca.UnknownExtension},

		{"terminal of a host", host, extension("permit-pty", ""), sshca.UserOption},
		{"touch of a host", host, extension("no-touch-required", ""), sshca.UserOption},
		{"command of a host", host, option("force-command", "a"), sshca.UserOption},
		{"address of a host", host, option("source-address", "10.0.0.1"), sshca.UserOption},
		{"verification of a host", host, option("verify-required", ""), sshca.UserOption},

		{"too long", user, extension("a@b", strings.Repeat("a", 32<<10)), sshca.TooLong},
	} {
		t.Run(c.name, func(t *testing.T) {
			cert := lintCert(t, c.typ, keys["ed25519"])
			c.change(cert)
			err := sshca.Lint(cert, c.typ, sshca.Rules{})
			if c.code == "" {
				require.NoError(t, err)
				return
			}
			p, ok := errors.AsType[*sshca.Problem](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, c.code, p.Code, p.Reason)
			require.NotEmpty(t, p.Reason)
			require.Less(t, len(p.Error()), 400)
			require.NotContains(t, p.Reason, "\n")
		})
	}
	p, ok := errors.AsType[*sshca.Problem](sshca.Lint(nil, user, sshca.Rules{}))
	require.True(t, ok)
	require.Equal(t, sshca.NoCertificate, p.Code)
}

func TestRules(t *testing.T) {
	keys := lintKeys(t)
	for _, c := range []struct {
		name   string
		change func(*ssh.Certificate)
		rules  sshca.Rules
		code   string
	}{
		{"RSA 2048", func(c *ssh.Certificate) { c.Key = keys["rsa2048"] }, sshca.Rules{MinRSABits: 2048}, ""},
		{"RSA 1024", func(c *ssh.Certificate) { c.Key = keys["rsa1024"] }, sshca.Rules{MinRSABits: 2048}, sshca.WrongKeySize},
		{"CA of RSA 2048", func(c *ssh.Certificate) { c.SignatureKey = keys["rsa2048"] }, sshca.Rules{MinRSABits: 2048}, sshca.WrongKeySize},
		{"RSA 3072", func(c *ssh.Certificate) { c.Key = keys["rsa3072"] }, sshca.Rules{MinRSABits: 4096}, sshca.WrongKeySize},
		{"16 hours", func(*ssh.Certificate) {}, sshca.Rules{MaxLife: 16 * time.Hour}, ""},
		{"a second more", func(c *ssh.Certificate) { c.ValidBefore++ }, sshca.Rules{MaxLife: 16 * time.Hour}, sshca.LongLife},
		{"nothing at all", func(*ssh.Certificate) {}, sshca.Rules{MaxLife: -1}, sshca.LongLife},
		{
			"an option", func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"a": "b"} },
			sshca.Rules{CriticalOptions: []string{"a"}}, "",
		},
		{
			"no way to allow a value", func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"force-command": ""} },
			sshca.Rules{CriticalOptions: []string{"force-command"}}, sshca.WrongValue,
		},
		{
			"an extension", func(c *ssh.Certificate) { c.Extensions["roles"] = "b" },
			sshca.Rules{Extensions: []string{"roles"}}, "",
		},
		{
			"another", func(c *ssh.Certificate) { c.Extensions["role"] = "b" },
			sshca.Rules{Extensions: []string{"roles"}, CriticalOptions: []string{"role"}}, sshca.UnknownExtension,
		},
		{
			"no name", func(c *ssh.Certificate) { c.Extensions["a\n"] = "b" },
			sshca.Rules{Extensions: []string{"a\n"}}, sshca.UnknownExtension,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			cert := lintCert(t, ssh.UserCert, keys["ed25519"])
			c.change(cert)
			err := sshca.Lint(cert, ssh.UserCert, c.rules)
			if c.code == "" {
				require.NoError(t, err)
				return
			}
			p, ok := errors.AsType[*sshca.Problem](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, c.code, p.Code, p.Reason)
		})
	}
}

func TestLintKey(t *testing.T) {
	for name, k := range lintKeys(t) {
		subject, ca := sshca.LintKey(k, 0), sshca.LintCAKey(k)
		switch name {
		case "rsa1024", "rsa2048", "rsa16392":
			require.Equal(t, sshca.WrongKeySize, subject.Code, name)
			require.Equal(t, sshca.WrongKeySize, ca.Code, name)
		case "sk-ed25519", "sk-ecdsa256":
			require.Nil(t, subject, name)
			require.Equal(t, sshca.WrongKeyType, ca.Code, name)
		default:
			require.Nil(t, subject, name)
			require.Nil(t, ca, name)
		}
	}
	require.Nil(t, sshca.LintKey(lintKeys(t)["rsa2048"], 2048))
	require.Equal(t, sshca.NoKey, sshca.LintCAKey(nil).Code)
}

func BenchmarkLint(b *testing.B) {
	for _, name := range []string{"ed25519", "ecdsa256", "rsa3072"} {
		b.Run(name, func(b *testing.B) {
			c := lintCert(b, ssh.UserCert, lintKeys(b)[name])
			b.ReportAllocs()
			for b.Loop() {
				if err := sshca.Lint(c, ssh.UserCert, sshca.Rules{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
