package sshca_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/sshca"
)

func issuerKeys(t testing.TB) map[string]crypto.Signer {
	t.Helper()
	out := map[string]crypto.Signer{}
	var err error
	_, out["Ed25519"], err = ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	for name, curve := range map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()} {
		out[name], err = ecdsa.GenerateKey(curve, rand.Reader)
		require.NoError(t, err)
	}
	out["RSA"], err = rsa.GenerateKey(rand.Reader, 3072)
	require.NoError(t, err)
	return out
}

// What is issued under every kind of key is accepted by the library that OpenSSH's users use in Go, and by
// nobody who trusts another key or wants the other type.
func TestIssuer(t *testing.T) {
	subject := lintKeys(t)["ed25519"]
	require.NotNil(t, subject)
	for name, key := range issuerKeys(t) {
		for _, typ := range []uint32{ssh.UserCert, ssh.HostCert} {
			i, err := sshca.NewIssuer(typ, kms.FromCrypto(key))
			require.NoError(t, err, name)
			require.Equal(t, typ, i.Type())
			encoded, err := i.Encode(lintCert(t, typ, subject), sshca.Rules{})
			require.NoError(t, err, name)
			s, err := i.Sign(t.Context(), encoded)
			require.NoError(t, err, name)
			c, wire, err := i.Assemble(encoded, s)
			require.NoError(t, err, name)
			require.Equal(t, c.Marshal(), wire)
			require.True(t, bytes.HasPrefix(wire, encoded))
			require.Equal(t, encoded, sshca.Unsigned(c))
			again, err := sshca.Parse(wire)
			require.NoError(t, err)
			require.True(t, sshca.SignedBy(again, typ, i.Key()), name)
			require.False(t, sshca.SignedBy(again, ssh.UserCert+ssh.HostCert-typ, i.Key()), "the other type")
			require.False(t, sshca.SignedBy(again, typ, subject), "another CA")
			checker := ssh.CertChecker{Clock: func() time.Time { return time.Unix(int64(c.ValidAfter), 0) }}
			require.NoError(t, checker.CheckCert(c.ValidPrincipals[0], c), name)
		}
	}
}

// No half that does not belong to the other makes a certificate.
func TestAssembleRefuses(t *testing.T) {
	for name, key := range issuerKeys(t) {
		i, err := sshca.NewIssuer(ssh.UserCert, kms.FromCrypto(key))
		require.NoError(t, err)
		hosts, err := sshca.NewIssuer(ssh.HostCert, kms.FromCrypto(key))
		require.NoError(t, err)
		cert := func(typ uint32, id string) *ssh.Certificate {
			c := lintCert(t, typ, lintKeys(t)["ed25519"])
			c.KeyId = id
			return c
		}
		encode := func(i *sshca.Issuer, id string) []byte {
			b, err := i.Encode(cert(i.Type(), id), sshca.Rules{})
			require.NoError(t, err)
			return b
		}
		sign := func(b []byte) *ssh.Signature {
			s, err := i.Sign(t.Context(), b)
			require.NoError(t, err)
			return s
		}
		good, other := encode(i, "alice"), encode(i, "bob")
		s := sign(good)
		flipped := &ssh.Signature{Format: s.Format, Blob: bytes.Clone(s.Blob)}
		flipped.Blob[len(flipped.Blob)-1] ^= 1
		stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		foreign, err := sshca.Sign(t.Context(), kms.FromCrypto(stranger), good)
		require.NoError(t, err)
		host := encode(hosts, "alice")
		for what, c := range map[string]struct {
			encoded []byte
			s       *ssh.Signature
		}{
			"another's bytes":          {other, s},
			"another's signature":      {good, sign(other)},
			"a flipped bit":            {good, flipped},
			"a stranger's signature":   {good, foreign},
			"no signature":             {good, &ssh.Signature{Format: s.Format}},
			"more behind":              {good, &ssh.Signature{Format: s.Format, Blob: s.Blob, Rest: []byte("x")}},
			"another format":           {good, &ssh.Signature{Format: "none", Blob: s.Blob}},
			"a host's":                 {host, sign(host)},
			"half":                     {good[:len(good)/2], sign(good[:len(good)/2])},
			"nothing":                  {nil, sign(nil)},
			"bytes between the halves": {append(bytes.Clone(good), 0, 0, 0, 0), sign(append(bytes.Clone(good), 0, 0, 0, 0))},
			"a signature in the middle": {
				append(bytes.Clone(good), ssh.Marshal(struct{ S []byte }{ssh.Marshal(s)})...), s,
			},
		} {
			_, _, err := i.Assemble(c.encoded, c.s)
			require.Error(t, err, "%s: %s", name, what)
		}
	}
}

// A signer's answer that is none is an error, and its own error is handed on.
func TestSignerThatFails(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	away := errors.New("the device is away")
	for _, c := range []struct {
		answer []byte
		err    error
	}{{nil, away}, {nil, nil}, {[]byte("junk"), nil}, {[]byte{0x30, 0}, nil}} {
		i, err := sshca.NewIssuer(ssh.UserCert, failing{kms.FromCrypto(key), c.answer, c.err})
		require.NoError(t, err)
		encoded, err := i.Encode(lintCert(t, ssh.UserCert, lintKeys(t)["ed25519"]), sshca.Rules{})
		require.NoError(t, err)
		_, err = i.Sign(t.Context(), encoded)
		require.Error(t, err)
		if c.err != nil {
			require.ErrorIs(t, err, away)
		}
	}
}

type failing struct {
	kms.Signer
	answer []byte
	err    error
}

func (f failing) Sign(context.Context, []byte, crypto.SignerOpts) ([]byte, error) {
	return f.answer, f.err
}

// Keys that OpenSSH would not take for a CA's make no issuer.
func TestNewIssuerRefuses(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	odd, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	for _, k := range []crypto.Signer{small, odd} {
		_, err := sshca.NewIssuer(ssh.UserCert, kms.FromCrypto(k))
		require.Error(t, err)
	}
	_, err = sshca.NewIssuer(ssh.UserCert, nil)
	require.Error(t, err)
	_, err = sshca.NewIssuer(0, kms.FromCrypto(issuerKeys(t)["P-256"]))
	require.Error(t, err)
}

// FuzzParse: what is read is spelled in one way, and what is a key is no certificate.
func FuzzParse(f *testing.F) {
	i, err := sshca.NewIssuer(ssh.UserCert, kms.FromCrypto(issuerKeys(f)["Ed25519"]))
	require.NoError(f, err)
	for _, k := range lintKeys(f) {
		f.Add(k.Marshal())
		if encoded, err := i.Encode(lintCert(f, ssh.UserCert, k), sshca.Rules{}); err == nil {
			s, err := i.Sign(f.Context(), encoded)
			require.NoError(f, err)
			_, wire, err := i.Assemble(encoded, s)
			require.NoError(f, err)
			f.Add(wire)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := sshca.Parse(b)
		k, kerr := sshca.ParseKey(b)
		require.False(t, err == nil && kerr == nil)
		if err == nil {
			require.Equal(t, b, c.Marshal())
			_ = sshca.SignedBy(c, c.CertType, c.SignatureKey)
			_ = sshca.Lint(c, c.CertType, sshca.Rules{})
		}
		if kerr == nil {
			_ = sshca.LintKey(k, 0)
			_ = sshca.LintCAKey(k)
		}
	})
}
