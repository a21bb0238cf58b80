package kmstest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/kms"
)

// Open returns a manager without keys and a function that makes a name it takes of a plain word; nil
// is for managers that take any word.
type Open func(t *testing.T) (m kms.KeyManager, name func(word string) string)

// Run tests a key manager. Algorithms that it says are kms.ErrUnsupported are left out, but not all of
// them may be. Under go test -short, RSA keys longer than 2048 bits are left out too.
func Run(t *testing.T, open Open) {
	start := func(t *testing.T) (kms.KeyManager, func(string) string) {
		m, name := open(t)
		t.Cleanup(func() { require.NoError(t, m.Close()) })
		if name == nil {
			name = func(s string) string { return s }
		}
		return m, name
	}
	t.Run("NotFound", func(t *testing.T) {
		m, name := start(t)
		s, err := m.Signer(t.Context(), name("missing"))
		require.ErrorIs(t, err, kms.ErrNotFound)
		require.Nil(t, s)
	})
	t.Run("UnknownAlgorithm", func(t *testing.T) {
		m, name := start(t)
		_, err := m.CreateKey(t.Context(), name("odd"), "DSA-512")
		require.ErrorIs(t, err, kms.ErrUnsupported)
		_, err = m.Signer(t.Context(), name("odd"))
		require.ErrorIs(t, err, kms.ErrNotFound, "a refused CreateKey must leave nothing behind")
	})
	t.Run("Algorithms", func(t *testing.T) { runAlgorithms(t, start) })
	t.Run("Exists", func(t *testing.T) { runExists(t, start) })
	t.Run("Cancelled", func(t *testing.T) { runCancelled(t, start) })
	t.Run("CreateRace", func(t *testing.T) { runCreateRace(t, start) })
}

func runAlgorithms(t *testing.T, start Open) {
	m, name := start(t)
	made := 0
	for _, alg := range kms.Algorithms() {
		t.Run(string(alg), func(t *testing.T) {
			if testing.Short() && (alg == kms.RSA3072 || alg == kms.RSA4096) {
				t.Skip("long RSA keys are slow to make")
			}
			s, err := create(t.Context(), m, name("key-"+string(alg)), alg)
			if s == nil && err == nil {
				t.Skip("not supported by this manager")
			}
			require.NoError(t, err)
			made++
			require.Equal(t, alg, algorithmOf(s.Public()))
			again, err := m.Signer(t.Context(), name("key-"+string(alg)))
			require.NoError(t, err)
			require.True(t, equal(s.Public(), again.Public()), "opened again, it is another key")
			RunSigner(t, s)
			RunSigner(t, again)
		})
	}
	require.Positive(t, made, "the manager supports no algorithm at all")
}

// create returns nothing at all where alg is not supported.
func create(ctx context.Context, m kms.KeyManager, name string, alg kms.Algorithm) (kms.Signer, error) {
	s, err := m.CreateKey(ctx, name, alg)
	if unsupported(err) {
		return nil, nil
	}
	return s, err
}

// anyKey makes a key of the first algorithm that m supports.
func anyKey(t *testing.T, m kms.KeyManager, name string) kms.Signer {
	for _, alg := range kms.Algorithms() {
		s, err := create(t.Context(), m, name, alg)
		require.NoError(t, err)
		if s != nil {
			return s
		}
	}
	t.Fatal("the manager supports no algorithm at all")
	return nil
}

func runExists(t *testing.T, start Open) {
	m, name := start(t)
	first := anyKey(t, m, name("taken"))
	for _, alg := range kms.Algorithms()[:4] {
		s, err := create(t.Context(), m, name("taken"), alg)
		if s == nil && err == nil {
			continue
		}
		require.ErrorIs(t, err, kms.ErrExists)
	}
	s, err := m.Signer(t.Context(), name("taken"))
	require.NoError(t, err)
	require.True(t, equal(first.Public(), s.Public()), "a refused CreateKey replaced the key")
	other := anyKey(t, m, name("other"))
	require.False(t, equal(first.Public(), other.Public()), "two names, one key")
}

func runCancelled(t *testing.T, start Open) {
	m, name := start(t)
	anyKey(t, m, name("here"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := m.Signer(ctx, name("here"))
	require.ErrorIs(t, err, context.Canceled)
	_, err = m.CreateKey(ctx, name("late"), kms.ECDSAP256)
	require.ErrorIs(t, err, context.Canceled)
	_, err = m.Signer(t.Context(), name("late"))
	require.ErrorIs(t, err, kms.ErrNotFound, "a cancelled CreateKey made a key")
}

// runCreateRace has several callers want one name: one gets it.
func runCreateRace(t *testing.T, start Open) {
	m, name := start(t)
	anyKey(t, m, name("probe"))
	var alg kms.Algorithm
	if s, err := m.Signer(t.Context(), name("probe")); err == nil {
		alg = algorithmOf(s.Public())
	}
	const n = 4
	var wg sync.WaitGroup
	signers, errs := make([]kms.Signer, n), make([]error, n)
	for i := range n {
		wg.Go(func() { signers[i], errs[i] = m.CreateKey(t.Context(), name("contended"), alg) })
	}
	wg.Wait()
	var winner kms.Signer
	for i := range n {
		if errs[i] == nil {
			require.Nil(t, winner, "two callers made the same key")
			winner = signers[i]
			continue
		}
		require.ErrorIs(t, errs[i], kms.ErrExists)
	}
	require.NotNil(t, winner, "nobody got the key")
	s, err := m.Signer(t.Context(), name("contended"))
	require.NoError(t, err)
	require.True(t, equal(winner.Public(), s.Public()), "the key is not the winner's")
}

// RunSigner tests a signer: signatures that verify, as a certificate too, from several goroutines at a
// time, and none once the context is cancelled.
func RunSigner(t *testing.T, s kms.Signer) {
	t.Helper()
	require.NoError(t, kms.SelfTest(t.Context(), s))
	alg, hash, err := kms.SignatureAlgorithm(s.Public())
	require.NoError(t, err)

	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kmstest"}, SignatureAlgorithm: alg,
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(nil, tmpl, tmpl, s.Public(), kms.ToCrypto(t.Context(), s))
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	require.NoError(t, cert.CheckSignatureFrom(cert))

	digest := digestOf(hash, []byte("one"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Sign(ctx, digest, hash)
	require.ErrorIs(t, err, context.Canceled)

	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for i := range cap(errs) {
		wg.Go(func() {
			d := digestOf(hash, []byte{byte(i)})
			sig, err := s.Sign(t.Context(), d, hash)
			if err == nil && !verify(s.Public(), hash, d, sig) {
				err = errBadSignature
			}
			errs <- err
		})
	}
	wg.Wait()
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
}

func digestOf(h crypto.Hash, msg []byte) []byte {
	switch h {
	case crypto.SHA256:
		d := sha256.Sum256(msg)
		return d[:]
	case crypto.SHA384:
		d := sha512.Sum384(msg)
		return d[:]
	case crypto.SHA512:
		d := sha512.Sum512(msg)
		return d[:]
	}
	return msg
}

func verify(pub crypto.PublicKey, h crypto.Hash, digest, sig []byte) bool {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, digest, sig)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(k, h, digest, sig) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(k, digest, sig)
	}
	return false
}

func equal(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

func algorithmOf(pub crypto.PublicKey) kms.Algorithm {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		return kms.Algorithm("EC-" + strings.ReplaceAll(k.Params().Name, "-", ""))
	case *rsa.PublicKey:
		return kms.Algorithm("RSA-" + big.NewInt(int64(k.N.BitLen())).String())
	case ed25519.PublicKey:
		return kms.Ed25519
	}
	return ""
}
