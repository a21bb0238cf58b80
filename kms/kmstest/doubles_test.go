package kmstest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/chancery-ca/chancery/kms"
)

func key(t *testing.T) kms.Signer {
	k, err := kms.Generate(kms.Ed25519)
	require.NoError(t, err)
	return kms.FromCrypto(k)
}

func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Slow{key(t), time.Hour}
		began := time.Now()
		require.NoError(t, kms.SelfTest(t.Context(), s))
		require.Equal(t, time.Hour, time.Since(began))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, kms.SelfTest(ctx, s), context.DeadlineExceeded)
		require.Equal(t, time.Hour+time.Minute, time.Since(began))
	})
}

func TestFlaky(t *testing.T) {
	s := &Flaky{Signer: key(t), Faults: func(n int) Fault { return []Fault{Fail, Lose, Corrupt, None}[(n-1)%4] }}
	require.ErrorIs(t, kms.SelfTest(t.Context(), s), ErrInjected)
	require.ErrorIs(t, kms.SelfTest(t.Context(), s), ErrInjected)
	require.Error(t, kms.SelfTest(t.Context(), s))
	require.NoError(t, kms.SelfTest(t.Context(), s))
	calls, signed := s.Calls()
	require.Equal(t, []int{4, 3}, []int{calls, signed})
}

func TestLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Limited{Signer: key(t), N: 2, Per: time.Second}
		for range 3 {
			require.NoError(t, kms.SelfTest(t.Context(), s))
			require.NoError(t, kms.SelfTest(t.Context(), s))
			require.ErrorIs(t, kms.SelfTest(t.Context(), s), ErrInjected)
			time.Sleep(time.Second)
		}
	})
}
