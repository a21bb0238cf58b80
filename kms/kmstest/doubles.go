package kmstest

import (
	"context"
	"crypto"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/chancery-ca/chancery/kms"
)

var errBadSignature = errors.New("kmstest: signature does not verify")

// ErrInjected is what the signers of this package fail with.
var ErrInjected = errors.New("kmstest: injected failure")

func unsupported(err error) bool { return errors.Is(err, kms.ErrUnsupported) }

// Slow signs after a delay, unless the context ends before.
type Slow struct {
	kms.Signer
	Delay time.Duration
}

// Unwrap returns the signer behind.
func (s *Slow) Unwrap() kms.Signer { return s.Signer }

// Sign waits, then signs.
func (s *Slow) Sign(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	t := time.NewTimer(s.Delay)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-t.C:
		return s.Signer.Sign(ctx, digest, opts)
	}
}

// A Fault is what goes wrong with one signature.
type Fault int

// The faults of Flaky.
const (
	None    Fault = iota // nothing
	Fail                 // it fails, and nothing was signed
	Lose                 // it fails after signing
	Corrupt              // it succeeds with a signature that does not verify
)

// Flaky fails when it is told to. Faults says what happens to the nth call, counted from 1; nil is
// [Fail] every time.
type Flaky struct {
	kms.Signer
	Faults func(n int) Fault

	calls, signed atomic.Int64
}

// Unwrap returns the signer behind.
func (f *Flaky) Unwrap() kms.Signer { return f.Signer }

// Calls counts the calls of Sign, and those in which the key was used.
func (f *Flaky) Calls() (calls, signed int) { return int(f.calls.Load()), int(f.signed.Load()) }

// Sign signs or fails with ErrInjected.
func (f *Flaky) Sign(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	n := f.calls.Add(1)
	fault := Fail
	if f.Faults != nil {
		fault = f.Faults(int(n))
	}
	if fault == Fail {
		return nil, ErrInjected
	}
	sig, err := f.Signer.Sign(ctx, digest, opts)
	if err != nil {
		return nil, err
	}
	f.signed.Add(1)
	switch fault {
	case Lose:
		return nil, ErrInjected
	case Corrupt:
		sig[len(sig)-1] ^= 1
	}
	return sig, nil
}

// Limited refuses, with ErrInjected, more than N signatures within Per, as cloud services do.
type Limited struct {
	kms.Signer
	N   int
	Per time.Duration

	mu    sync.Mutex
	began time.Time
	used  int
}

// Unwrap returns the signer behind.
func (l *Limited) Unwrap() kms.Signer { return l.Signer }

// Sign signs while there is allowance.
func (l *Limited) Sign(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	l.mu.Lock()
	if now := time.Now(); l.began.IsZero() || now.Sub(l.began) >= l.Per {
		l.began, l.used = now, 0
	}
	l.used++
	over := l.used > l.N
	l.mu.Unlock()
	if over {
		return nil, ErrInjected
	}
	return l.Signer.Sign(ctx, digest, opts)
}
