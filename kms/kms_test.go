package kms_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/kms"
	"github.com/chancery-ca/chancery/kms/kmstest"
)

func TestMemory(t *testing.T) {
	kmstest.Run(t, func(*testing.T) (kms.KeyManager, func(string) string) { return new(kms.Memory), nil })
}

func TestMemoryRefusesNoName(t *testing.T) {
	_, err := new(kms.Memory).CreateKey(t.Context(), "", kms.Ed25519)
	require.ErrorIs(t, err, kms.ErrUnsupported)
}

func signer(t *testing.T) kms.Signer {
	k, err := kms.Generate(kms.ECDSAP256)
	require.NoError(t, err)
	return kms.FromCrypto(k)
}

func TestSignatureAlgorithmRefusals(t *testing.T) {
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	for name, pub := range map[string]crypto.PublicKey{
		"nil": nil, "P-224": p224.Public(), "no key": "text", "nil EC": (*ecdsa.PublicKey)(nil), "nil RSA": (*rsa.PublicKey)(nil),
		"RSA without modulus": &rsa.PublicKey{},
		"RSA-1024":            &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537},
		"RSA-2047":            &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2046), E: 65537},
	} {
		_, _, err := kms.SignatureAlgorithm(pub)
		require.ErrorIs(t, err, kms.ErrUnsupported, name)
	}
}

func TestSelfTestFindsFaults(t *testing.T) {
	ctx := t.Context()
	good := signer(t)
	require.NoError(t, kms.SelfTest(ctx, good))
	require.Error(t, kms.SelfTest(ctx, nil))
	fault := func(f kmstest.Fault) kms.Signer {
		return &kmstest.Flaky{Signer: good, Faults: func(int) kmstest.Fault { return f }}
	}
	require.ErrorIs(t, kms.SelfTest(ctx, fault(kmstest.Fail)), kmstest.ErrInjected)
	require.ErrorIs(t, kms.SelfTest(ctx, fault(kmstest.Lose)), kmstest.ErrInjected)
	require.ErrorContains(t, kms.SelfTest(ctx, fault(kmstest.Corrupt)), "does not verify")
	require.ErrorContains(t, kms.SelfTest(ctx, stranger{good, signer(t).Public()}), "does not verify")
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, kms.SelfTest(cancelled, good), context.Canceled)
}

// stranger says that it is another key.
type stranger struct {
	kms.Signer
	pub crypto.PublicKey
}

func (s stranger) Public() crypto.PublicKey { return s.pub }

func TestAs(t *testing.T) {
	inner := &kmstest.Limited{Signer: signer(t), N: 1}
	outer := &kmstest.Slow{Signer: &kmstest.Flaky{Signer: inner}}
	got, ok := kms.As[*kmstest.Limited](outer)
	require.True(t, ok)
	require.Same(t, inner, got)
	_, ok = kms.As[interface{ Chain() }](outer)
	require.False(t, ok)
	_, ok = kms.As[*kmstest.Slow](nil)
	require.False(t, ok)
}
